"""A clock in place of a module's ``time``."""

from dataclasses import dataclass


@dataclass
class Clock:
    """Stands still, but where somebody sleeps by it or sets ``now``."""

    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
