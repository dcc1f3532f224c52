"""A schedule as a person reads it: who did what when."""

from collections.abc import Callable


class Story:
    """Writes lines; false where nobody listens."""

    def __init__(self, say: Callable[[str], object] | None = None) -> None:
        self._say = say

    def __bool__(self) -> bool:
        return self._say is not None

    def tell(self, at: float, line: str) -> None:
        """Write a line with its time."""
        if self._say:
            self._say(f"{at:9.2f} s  {line}")
