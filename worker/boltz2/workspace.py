"""One input on its way through the processes that work on it: where everything about it lies."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from schemas import outputs
from schemas.options import Options


@dataclass(frozen=True)
class Workspace:
    """An input and a fresh folder for it. Boltz writes results under ``out/predictions/<stem>/``.

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
        """Boltz's folder of the parsed input."""
        return self.out / "processed"

    @property
    def predictions(self) -> Path:
        """Boltz's folder of results."""
        return self.out / "predictions"

    @property
    def molecules(self) -> Path:
        """Boltz's pickle of the molecules that the input gives as SMILES."""
        return self.processed / "mols" / f"{self.input_file.stem}.pkl"

    @property
    def before_affinity(self) -> str:
        """Name, in Boltz's folder of results, of the sample that the affinity is computed of."""
        return f"{self.input_file.stem}/pre_affinity_{self.input_file.stem}.npz"

    @property
    def features(self) -> Path:
        """File of features, which is read while the device may still be another input's."""
        return self.out / "features.pt"

    @property
    def generator(self) -> Path:
        """File of torch's state to sample from, which is read in the input's turn on the device."""
        return self.out / "generator.pt"

    @property
    def raw(self) -> Path:
        """File that the model's output is in: ``prediction``, and ``generator``, torch's state after it."""
        return self.out / "raw.pt"

    def files(self, order: Iterable[int], *, affinity: bool = False) -> dict[str, Path]:
        """Return what Boltz should have written, by public name; its own names hold the input's stem.

        ``order`` has Boltz's ranks of the samples in the order of public names.
        """
        stem, suffix = self.input_file.stem, outputs.SUFFIXES[self.options.output_format]
        names = {outputs.AFFINITY: f"affinity_{stem}.json"} if affinity else {}
        for rank, boltz_rank in enumerate(order):
            sample = f"{stem}_model_{boltz_rank}"
            names[outputs.structure(rank, suffix)] = f"{sample}.{suffix}"
            names[outputs.confidence(rank)] = f"confidence_{sample}.json"
            names |= {outputs.array(kind, rank): f"{kind}_{sample}.npz" for kind in outputs.ARRAYS}
        return {public: self.predictions / stem / name for public, name in names.items()}
