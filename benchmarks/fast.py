"""Predictions with what changes no result left out, against Boltz's own: ``python -m benchmarks.fast``.

The small model, one thread, Boltz-2's default steps, protein, DNA and ligand; both ways in one process, in
turns. Seconds are of the processor, so that other work on the machine counts little: from the features' file
to the prediction's. Boltz's own way has its own passes of samples, too; against Boltz in full passes every
byte must be the same.
"""

import argparse
import hashlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple, TypeVar
from unittest.mock import patch

import torch
from boltz.model.layers import pairformer
from boltz.model.layers.dropout import get_dropout_mask
from boltz.model.modules import trunkv2
from rich.console import Console
from rich.table import Table

from benchmarks.startup import machine
from local.small_model import DEFAULT, ensure
from schemas.options import Options
from worker.boltz2 import featurise, sample, weights
from worker.boltz2.fast import steering
from worker.boltz2.fast.net import speed_up
from worker.boltz2.manifest import STRUCTURE
from worker.boltz2.predictor import Sample
from worker.boltz2.weights import Loaded
from worker.boltz2.workspace import Workspace

T = TypeVar("T")
CPU = torch.device("cpu")
DOCUMENT = """\
sequences:
- protein: {id: A, sequence: MKTAYIAKQRQISFV, msa: empty}
- dna: {id: D, sequence: GATTACA}
- ligand: {id: L, smiles: "CC(=O)Oc1ccccc1C(=O)O"}
"""


class Once(NamedTuple):
    """Seconds of the processor, and a digest of what was predicted."""

    seconds: float
    digest: str


@contextmanager
def boltz_alone(*, passes: bool = False) -> Iterator[None]:
    """Leave nothing out of what is sampled meanwhile; ``passes``: those of the command's own five, too."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(steering, "steers", lambda _features: True))
        for module in (pairformer, trunkv2):
            stack.enter_context(patch.object(module, "get_dropout_mask", get_dropout_mask))
        if passes:
            stack.enter_context(patch.object(sample, "max_parallel_samples", lambda _: sample.MOST_AT_ONCE))
        yield


def peak(work: Callable[[], T]) -> tuple[T, int]:
    """Return what work returns, and the most bytes that tensors took together beyond those before it."""
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as watched:
        result = work()
    events = watched.profiler.kineto_results.events()
    return result, max(accumulate(each.nbytes() for each in events if each.name() == "[memory]"))


def predict(loaded: Loaded, workspace: Workspace, call: Sample = sample.sample_structure) -> None:
    """Read the features of an input, predict on this processor, and save the prediction."""
    features = sample.read(workspace, CPU)
    sample.save(call(loaded, workspace, features, CPU), workspace, CPU)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return 1 if a byte differs."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    boltz, ours = (weights.load(ensure(DEFAULT) / STRUCTURE, CPU) for _ in range(2))
    speed_up(ours.net)
    table = Table("samples", "Boltz, s", "in full passes, s", "here, s", "faster", "than in full passes")
    same = True
    for samples in options.samples:
        asked = Options(seed=7, samples=samples, sampling_steps=options.steps)
        rounds = [_each_way(boltz, ours, asked) for _ in range(options.rounds)]
        seconds = [statistics.median(once.seconds for once in way) for way in zip(*rounds, strict=True)]
        same &= len({once.digest for each in rounds for once in each[1:]}) == 1
        gains = (f"{each / seconds[-1]:.2f} times" for each in seconds[:-1])
        table.add_row(str(samples), *(f"{each:.2f}" for each in seconds), *gains)
    console = Console()
    console.print(machine(), highlight=False)
    console.print(table)
    console.print("the same bytes" if same else "BYTES DIFFER")
    return 0 if same else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fast",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--samples", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--steps", type=int, default=200, help="of the diffusion (default 200)")
    parser.add_argument("--rounds", type=int, default=7, help="predictions of each way (default 7)")
    return parser


def _each_way(boltz: Loaded, ours: Loaded, options: Options) -> list[Once]:
    """Predict as Boltz does, as it does in full passes, and as we do."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "input.yaml"
        path.write_text(DOCUMENT)
        workspace = Workspace(path, options, 7, Path(folder) / "out", ensure(DEFAULT) / "mols")
        featurise.featurise(workspace, ())
        with boltz_alone(passes=True):
            first = _predicted(boltz, workspace)
        with boltz_alone():
            second = _predicted(boltz, workspace)
        return [first, second, _predicted(ours, workspace)]


def _predicted(loaded: Loaded, workspace: Workspace) -> Once:
    start = time.process_time()
    predict(loaded, workspace)
    seconds = time.process_time() - start
    return Once(seconds, hashlib.sha256(workspace.raw.read_bytes()).hexdigest())


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # as the worker does
