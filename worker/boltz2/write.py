"""From what the model returned to files, by Boltz's own writers. Runs in a child process."""

import time
from pathlib import Path
from typing import Any

import torch
from boltz.data.write.writer import BoltzAffinityWriter, BoltzWriter

from schemas.stages import Stage
from worker.boltz2 import elements, errors
from worker.boltz2.featurise import manifest_of
from worker.boltz2.workspace import Workspace


def write(workspace: Workspace) -> dict[str, float]:
    """Write structures, with the elements of their molecules, and confidences; return the seconds."""
    start = time.perf_counter()
    _write(workspace, _writer(workspace, workspace.predictions), _predicted(workspace))
    elements.correct(workspace)
    return {Stage.WRITE: time.perf_counter() - start}


def choose(workspace: Workspace, rank: int) -> None:
    """Have the affinity computed of another sample than Boltz's first, by its rank.

    Boltz's writer sets the sample that it ranks first aside for that: here it gets the other one alone.
    """
    predicted = _predicted(workspace)
    index = torch.argsort(predicted["confidence_score"], descending=True)[rank]  # as Boltz's writer ranks
    alone = {"exception": False, "coords": predicted["coords"][index, None], "masks": predicted["masks"]}
    aside, name = workspace.out / "chosen", workspace.before_affinity
    _write(workspace, _writer(workspace, aside), alone)
    (aside / name).replace(workspace.predictions / name)


def write_affinity(workspace: Workspace) -> dict[str, float]:
    """Write the affinity; return the seconds."""
    start = time.perf_counter()
    writer = BoltzAffinityWriter(workspace.processed / "structures", workspace.predictions)
    _write(workspace, writer, _predicted(workspace))
    return {Stage.AFFINITY_WRITE: time.perf_counter() - start}


def _writer(workspace: Workspace, to: Path) -> BoltzWriter:
    structures, form = workspace.processed / "structures", workspace.options.output_format
    return BoltzWriter(structures, to, form, boltz2=True)


def _predicted(workspace: Workspace) -> dict[str, Any]:
    predicted: dict[str, Any] = torch.load(workspace.raw, weights_only=False)["prediction"]
    return predicted


def _write(
    workspace: Workspace, writer: BoltzWriter | BoltzAffinityWriter, predicted: dict[str, Any]
) -> None:
    with errors.captured():
        batch = {"record": manifest_of(workspace).records}
        writer.write_on_batch_end(None, None, predicted, [0], batch, 0, 0)
