"""From what the model returned to files, by Boltz's own writers. Runs in a child process."""

import time

import torch
from boltz.data.write.writer import BoltzAffinityWriter, BoltzWriter

from schemas.stages import Stage
from worker.model import faults
from worker.model.reading import manifest_of
from worker.model.task import Task


def write(task: Task) -> dict[str, float]:
    """Write structures and confidences; return the seconds."""
    structures = task.processed / "structures"
    writer = BoltzWriter(structures, task.predictions, task.options.output_format, boltz2=True)
    return {Stage.WRITE: _write(task, writer)}


def write_affinity(task: Task) -> dict[str, float]:
    """Write the affinity; return the seconds."""
    writer = BoltzAffinityWriter(task.processed / "structures", task.predictions)
    return {Stage.AFFINITY_WRITE: _write(task, writer)}


def _write(task: Task, writer: BoltzWriter | BoltzAffinityWriter) -> float:
    start = time.perf_counter()
    prediction = torch.load(task.raw, weights_only=False)["prediction"]
    with faults.captured():
        batch = {"record": manifest_of(task).records}
        writer.write_on_batch_end(None, None, prediction, [0], batch, 0, 0)
    return time.perf_counter() - start
