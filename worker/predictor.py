"""The seam between worker and model: Boltz-2 is behind it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from schemas.job import ComputeDevice, Model
from schemas.options import Options


class Written(NamedTuple):
    """Samples as the model wrote them: unchecked, and before an affinity is computed of one of them.

    ``files`` are theirs by the names of ``schemas.outputs``, ranks by the model's confidence. ``molecules``
    is a pickle of ``{code: molecule}`` with the input's own SMILES, its atoms named as in the files;
    ``components`` is the folder of all other molecules, each as ``CODE.pkl``.
    """

    files: Mapping[str, Path]
    molecules: Path
    components: Path


Examine = Callable[[Written], Sequence[int]]
"""Judges samples, and returns their ranks by the model's confidence in the order of delivery."""


class PredictedFiles(NamedTuple):
    """Paths of a prediction by the names of ``schemas.outputs``, unchecked, and seconds by stage.

    ``device`` is what computed it, as far as that is known.
    """

    files: Mapping[str, Path]
    timings: Mapping[str, float]
    device: ComputeDevice | None = None


class Predictor(Protocol):
    """The model, loaded once."""

    @property
    def model(self) -> Model:
        """Name, version and digest of the weights, for receipts."""

    @property
    def lost(self) -> bool:
        """Whether its device has failed or hangs: this process has to end."""

    @property
    def ready_at(self) -> datetime:
        """When the model was loaded."""

    def predict(
        self,
        input_file: Path,
        options: Options,
        seed: int,
        out: Path,
        begin: Callable[[], object],
        *,
        examine: Examine,
    ) -> PredictedFiles:
        """Write the prediction under ``out``; return its files and the seconds it took.

        ``begin`` is called when the device is free for this input. ``examine`` is called once, outside of
        any turn on the device: the files that are returned have its order, and an affinity is of the sample
        that it puts first. Raises FailedError, DeviceLostError, and what these two raise.
        """
