"""From what the model returned to files, by Boltz's own writers. Runs in a child process."""

import time

import torch
from boltz.data.write.writer import BoltzAffinityWriter, BoltzWriter

from schemas.stages import Stage
from worker.boltz2 import errors
from worker.boltz2.featurise import manifest_of
from worker.boltz2.workspace import Workspace


def write(workspace: Workspace) -> dict[str, float]:
    """Write structures and confidences; return the seconds."""
    structures = workspace.processed / "structures"
    writer = BoltzWriter(structures, workspace.predictions, workspace.options.output_format, boltz2=True)
    return {Stage.WRITE: _write(workspace, writer)}


def write_affinity(workspace: Workspace) -> dict[str, float]:
    """Write the affinity; return the seconds."""
    writer = BoltzAffinityWriter(workspace.processed / "structures", workspace.predictions)
    return {Stage.AFFINITY_WRITE: _write(workspace, writer)}


def _write(workspace: Workspace, writer: BoltzWriter | BoltzAffinityWriter) -> float:
    start = time.perf_counter()
    prediction = torch.load(workspace.raw, weights_only=False)["prediction"]
    with errors.captured():
        batch = {"record": manifest_of(workspace).records}
        writer.write_on_batch_end(None, None, prediction, [0], batch, 0, 0)
    return time.perf_counter() - start
