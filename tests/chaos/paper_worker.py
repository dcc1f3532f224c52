"""A worker put together like the product's, but with a predictor that needs no model: started in a second.

Reading happens in a real child process, predicting in a real turn of the device; only what is written is made
up. Each result differs a little, as on a GPU, so that a file of one attempt can be told from that of another.
"""

import logging
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from support.paper import MODEL, examined, passed, write_prediction

from gcp import logs
from gcp.clients import Clients
from gcp.shutdown import raise_on
from inputs.grammar import Polymer
from inputs.read import read_input
from schemas.job import Model
from schemas.options import Options
from worker import compose
from worker.child_pool import ChildPool
from worker.child_server import fork_child_server
from worker.device import Device
from worker.drain import MAX_IN_FLIGHT
from worker.errors import DeviceLostError, ShutdownRequestedError
from worker.predictor import Examine, PredictedFiles
from worker.settings import WorkerSettings

POLL_SECONDS = 0.1
FEATURES = "generator.pt"
"""Called as the file of Boltz-2's that is read in a job's turn on the device alone."""


@dataclass(frozen=True)
class PaperInChildren:
    """Implements worker.predictor.Predictor; children read, and write files of Boltz-2's form."""

    children: ChildPool
    device: Device
    model: Model = MODEL
    ready_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def lost(self) -> bool:
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
        assert options.samples == 1
        self.children.run(read, input_file, out / FEATURES)
        value = random.Random(seed + time.time_ns()).random()  # noqa: S311  no secret
        files = self.device.turn(begin, partial(predict, out, value))
        return PredictedFiles(examined(files, examine), {})


def read(input_file: Path, features: Path) -> None:
    """Write down what is to be predicted: the residues of a protein, and the chains, all of that length."""
    document = read_input(input_file.name, input_file.read_bytes())
    chains = {
        name: len(entry.molecule.sequence)
        for entry in document.sequences
        if isinstance(entry.molecule, Polymer)
        for name in entry.molecule.id
    }
    [residues] = set(chains.values())
    features.parent.mkdir(parents=True)
    features.write_text(f"{residues} {''.join(chains)}")


def predict(out: Path, value: float) -> dict[str, Path]:
    residues, chains = (out / FEATURES).read_text().split()
    return write_prediction(out, int(residues), value, chains=chains)


def main() -> int:
    """Run one worker's life; return its exit status."""
    logs.configure()
    settings = WorkerSettings()
    raise_on(ShutdownRequestedError, signal.SIGTERM)
    fork_child_server()
    children = ChildPool(settings.read_seconds)
    try:
        _drain(settings, children)
    except ShutdownRequestedError:
        return 0
    except DeviceLostError:
        return 1
    finally:
        children.stop()
    return 0


def _drain(settings: WorkerSettings, children: ChildPool) -> None:
    predictor = PaperInChildren(children, Device(settings.prediction_seconds))
    clients = Clients(settings)
    runner = compose.job_runner(settings, clients, predictor, datetime.now(UTC), check=passed)
    worker = compose.worker(settings, runner, time.monotonic())
    work = clients.subscription(settings.work_subscription)
    with work.pulling(MAX_IN_FLIGHT, POLL_SECONDS) as arriving:
        worker.drain(arriving)


if __name__ == "__main__":
    status = main()
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)
