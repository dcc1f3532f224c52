"""A predictor that writes small files of the right form, after the time that a prediction takes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from support.paper import examined, write_prediction

from schemas.job import Model
from schemas.options import Options
from simulation.clockwork import current
from simulation.inputs import content_of
from simulation.plan import Choice, How
from simulation.stand_ins import sleep
from simulation.world import World
from worker.device import Device
from worker.predictor import Examine, PredictedFiles

READ_SECONDS = 2.0
WRITE_SECONDS = 0.5
RESIDUES = 5
MODEL = Model(name="paper", version="1", weights_digest="sha256:0", random_weights=True)


@dataclass(frozen=True)
class Predictor:
    """Implements worker.predictor.Predictor. No two of its predictions are alike, as on a GPU."""

    world: World
    device: Device
    ready_at: datetime
    model: Model = MODEL

    @property
    def lost(self) -> bool:
        """Whether its device has failed or hangs."""
        return self.device.lost

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
        """Read, take the device's turns, write."""
        assert options.seed == seed
        content = content_of(input_file.read_bytes())
        sleep(READ_SECONDS)
        if content.heavy:
            self.world.note(Choice(How.HEAVY), current().name, current().process)
            self.world.die()
        for _ in range(content.turns):
            self.device.turn(begin, self._compute)
        sleep(WRITE_SECONDS)
        predicted = self.world.facts.predicted
        value = float(len(predicted) + 1)
        predicted[value] = current().process.name
        return PredictedFiles(examined(write_prediction(out, RESIDUES, value), examine), {})

    def _compute(self) -> None:
        self.world.call("device", "predict", lambda: sleep(self.world.scale.predict_seconds))
