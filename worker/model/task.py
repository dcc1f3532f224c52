"""One input on its way through the processes that work on it: where everything about it lies."""

from dataclasses import dataclass
from pathlib import Path

from schemas.options import Options


@dataclass(frozen=True)
class Task:
    """An input and a fresh folder for it. Boltz's results appear under ``out/predictions/<stem>/``.

    ``input_file`` and ``out`` are absolute; files that the input refers to lie beside it. ``components`` is
    the folder of chemical components. Features and raw predictions are handed from process to process as
    files: a process that is killed leaves nothing behind that another one waits for.
    """

    input_file: Path
    options: Options
    seed: int
    out: Path
    components: Path

    @property
    def processed(self) -> Path:
        """Where Boltz keeps the parsed input."""
        return self.out / "processed"

    @property
    def predictions(self) -> Path:
        """Where Boltz writes results."""
        return self.out / "predictions"

    @property
    def features(self) -> Path:
        """What the model reads: ``features``, and ``generator``, torch's state to sample from."""
        return self.out / "features.pt"

    @property
    def raw(self) -> Path:
        """What the model returned: ``prediction``, and ``generator``, torch's state after it."""
        return self.out / "raw.pt"
