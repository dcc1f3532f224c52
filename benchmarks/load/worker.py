"""The worker with another model: ``python -m benchmarks.load.worker``, run as the Cloud Run job's task.

Lease, claim, reading, proof of the outputs, uploads, cache and settling are the worker's own code and
settings; how messages are pulled is not, for a reason that ``unary`` gives. In Boltz-2's place something
writes the same few atoms for every input, at once, or first waits for the gate, as if it took long: then the
queue grows.
"""

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from pathlib import Path

import gemmi
import numpy as np

from benchmarks.load import meter
from benchmarks.load.unary import Unary
from gcp import logs
from gcp.clients import Clients
from gcp.shutdown import raise_on
from schemas import outputs
from schemas.checks import CheckedSample, ChecksReport, Verdict
from schemas.job import Model
from schemas.options import Options
from worker import compose
from worker.checks.run import Asking
from worker.device import Device
from worker.drain import MAX_IN_FLIGHT
from worker.errors import ShutdownRequestedError
from worker.predictor import Examine, PredictedFiles, Written
from worker.settings import WorkerSettings

GATE_VARIABLE = "LOAD_GATE"
POLL_SECONDS = 0.5
RESIDUES = 12
"""Length of the one protein, A, of every input of this benchmark."""

LIGAND = "L"
"""Chain of the ligand, where an input has one."""

logger = logging.getLogger("worker")


class Gate:
    """A file with the number of predictions that a worker may end in its life."""

    def __init__(self, path: Path) -> None:
        self._path, self._passed = path, 0

    def open_to(self, count: int) -> None:
        """Let every worker end this many predictions in all."""
        new = self._path.with_suffix(".new")
        new.write_text(str(count))
        new.replace(self._path)

    def wait(self) -> None:
        """Wait until one more prediction may end."""
        while int(self._path.read_text()) <= self._passed:
            time.sleep(0.05)
        self._passed += 1


class NoModel:
    """Implements worker.predictor.Predictor: the real device, no computation."""

    model = Model(name="none (benchmarks.load)", version="1", weights_digest="none", random_weights=True)

    def __init__(self, device: Device, gate: Gate) -> None:
        self._device, self._gate = device, gate
        self.ready_at = datetime.now(UTC)
        self._files = _files()

    @property
    def lost(self) -> bool:
        """Whether the device is lost: never."""
        return self._device.lost

    def predict(
        self,
        input_file: Path,
        options: Options,  # noqa: ARG002
        seed: int,  # noqa: ARG002
        out: Path,
        begin: Callable[[], object],
        *,
        examine: Examine,
    ) -> PredictedFiles:
        """Write the files that Boltz-2 writes for a chain of this length, and a ligand of one atom."""
        out.mkdir()
        files = self._files | (_with_ligand() if b"ligand" in input_file.read_bytes() else {})

        def work() -> None:
            self._gate.wait()
            for name, content in files.items():
                (out / name).write_bytes(content)

        start = time.perf_counter()
        self._device.turn(begin, work)
        seconds, paths = time.perf_counter() - start, {name: out / name for name in files}
        examine(Written(paths, molecules=out, components=out))
        return PredictedFiles(paths, {"predict": seconds})


def passed(_asking: Asking) -> ChecksReport:
    """Stand where structures are checked: children do that, beside the device."""
    return ChecksReport(samples=(CheckedSample(rank=0, boltz_rank=0, verdict=Verdict.PASSED),))


def _files() -> dict[str, bytes]:
    return {
        outputs.structure(0, "cif"): _structure({"A": ("ALA", "CA", RESIDUES)}),
        outputs.confidence(0): json.dumps({"confidence_score": 0.5, "ptm": 0.5}).encode(),
        **{outputs.array(kind, 0): _array(kind, *[RESIDUES] * n) for kind, n in outputs.ARRAYS.items()},
    }


@cache
def _with_ligand() -> dict[str, bytes]:
    return {outputs.structure(0, "cif"): _structure({"A": ("ALA", "CA", RESIDUES), LIGAND: ("LIG", "C1", 1)})}


def _structure(chains: Mapping[str, tuple[str, str, int]]) -> bytes:
    """Return an mmCIF file of chains: name of their residues, of the one atom in each, and how many."""
    structure, model = gemmi.Structure(), gemmi.Model("1")
    for row, (name, (residue, atom, count)) in enumerate(chains.items()):
        model.add_chain(_chain(name, residue, atom, count, row))
    structure.add_model(model)
    return structure.make_mmcif_document().as_string().encode()


def _chain(name: str, residue_name: str, atom_name: str, count: int, row: int) -> gemmi.Chain:
    chain = gemmi.Chain(name)
    for number in range(1, count + 1):
        residue, atom = gemmi.Residue(), gemmi.Atom()
        residue.name, residue.seqid, residue.subchain = residue_name, gemmi.SeqId(str(number)), name
        atom.name, atom.element = atom_name, gemmi.Element("C")
        atom.pos = gemmi.Position(3.8 * number, 3.8 * row, 0)
        residue.add_atom(atom)
        chain.add_residue(residue)
    return chain


def _array(kind: str, *shape: int) -> bytes:
    file = BytesIO()
    np.savez_compressed(file, **{kind: np.full(shape, 0.5, np.float32)})
    return file.getvalue()


def main() -> None:
    """Drain the queue as the worker does; return the exit status."""
    meter.install("worker")
    logs.configure()
    settings = WorkerSettings()
    raise_on(ShutdownRequestedError, signal.SIGTERM)
    try:
        _work(settings)
    except ShutdownRequestedError:
        logger.info("left as asked")


def _work(settings: WorkerSettings) -> None:
    started = time.monotonic()
    predictor = NoModel(Device(settings.task_seconds), Gate(Path(os.environ[GATE_VARIABLE])))
    clients = Clients(settings)
    runner = compose.job_runner(settings, clients, predictor, datetime.now(UTC), check=passed)
    worker = compose.worker(settings, runner, started)
    path = clients.subscriber.subscription_path(clients.project, settings.work_subscription)
    with Unary(clients.subscriber, path, MAX_IN_FLIGHT).pulling(POLL_SECONDS) as work:
        worker.drain(work)


if __name__ == "__main__":
    status = 1
    try:
        main()
        status = 0
    except Exception:
        logger.exception("the worker failed")
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)  # as the worker does; a hand may wait at the gate for ever
