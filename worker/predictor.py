"""The seam between worker and model: Boltz-2 is behind it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from schemas.job import Model
from schemas.options import Options


class PredictedFiles(NamedTuple):
    """Paths of a prediction by the names of ``schemas.outputs``, unchecked, and seconds by stage."""

    files: Mapping[str, Path]
    timings: Mapping[str, float]


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
        self, input_file: Path, options: Options, seed: int, out: Path, begin: Callable[[], object]
    ) -> PredictedFiles:
        """Write the prediction under ``out``; return its files and the seconds it took.

        ``begin`` is called when the device is free for this input. Raises FailedError, DeviceLostError, and
        what ``begin`` raises.
        """
