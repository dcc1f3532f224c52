"""Memory of predictions, those of the worker against Boltz's own: ``python -m benchmarks.fast_memory``.

The small model on one thread, Boltz in full passes of samples and here, in turns, each prediction in a
process of its own. *Process* is the most resident memory; the system's allocator gives memory back as it
comes, so that two runs of one way differ. *Tensors* is the most bytes that tensors took together beyond the
model's, by torch's profiler: the same in each run.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.fast import CPU, boltz_alone, peak, predict
from benchmarks.startup import machine
from local.small_model import DEFAULT, ensure
from schemas.options import Options
from worker.boltz2 import featurise, weights
from worker.boltz2.fast.net import speed_up
from worker.boltz2.manifest import STRUCTURE
from worker.boltz2.workspace import Workspace

WAYS = ("Boltz", "here")
RESIDUES = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSG"
MIB = 2**20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return 1 if tensors take more memory here."""
    options = _parser().parse_args(arguments)
    cache = options.weights or ensure(DEFAULT)
    if options.one:
        way, watched, folder = options.one
        print(_once(way, _workspace(Path(folder), cache, options.samples), cache, watched=bool(watched)))  # noqa: T201
        return 0
    Console().print(machine(), highlight=False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "input.yaml"
        sequence = (RESIDUES * (options.tokens // len(RESIDUES) + 1))[: options.tokens]
        path.write_text(f"sequences:\n- protein: {{id: A, sequence: {sequence}, msa: empty}}\n")
        featurise.featurise(_workspace(Path(folder), cache, options.samples), ())
        return _compare(options, folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fast_memory",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=200, help="residues of a protein (default 200)")
    parser.add_argument("--rounds", type=int, default=3, help="predictions of each way (default 3)")
    parser.add_argument("--weights", type=Path, help="another BOLTZ_CACHE folder")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)  # what a process of its own does
    return parser


def _workspace(folder: Path, cache: Path, samples: int) -> Workspace:
    options = Options(seed=7, samples=samples, recycling_steps=0, sampling_steps=5)
    return Workspace(folder / "input.yaml", options, 7, folder / "out", cache / "mols")


def _once(way: str, workspace: Workspace, cache: Path, *, watched: bool) -> int:
    """Return the peak of a prediction, in bytes: of tensors where they are watched, else of this process."""
    torch.set_num_threads(1)
    loaded = weights.load(cache / STRUCTURE, CPU)
    if way != WAYS[0]:
        speed_up(loaded.net)
    with boltz_alone() if way == WAYS[0] else nullcontext():
        if watched:
            return peak(lambda: predict(loaded, workspace))[1]
        predict(loaded, workspace)
    return _most_resident()


def _most_resident() -> int:
    """Return this process's peak; ``getrusage`` would count what its parent took when it was started, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def _compare(options: argparse.Namespace, folder: str) -> int:
    tensors = {way: _asked(options, way, "watched", folder) for way in WAYS}
    rounds = [[_asked(options, way, "", folder) for way in WAYS] for _ in range(options.rounds)]
    table = Table("way", "tensors, MiB", "process, MiB: median", "each")
    for way, peaks in zip(WAYS, zip(*rounds, strict=True), strict=True):
        each = (f"{bytes_ / MIB:.0f}" for bytes_ in peaks)
        median = f"{statistics.median(peaks) / MIB:.0f}"
        table.add_row(way, f"{tensors[way] / MIB:.1f}", median, ", ".join(each))
    Console().print(table)
    return int(tensors[WAYS[1]] > tensors[WAYS[0]])


def _asked(options: argparse.Namespace, way: str, watched: str, folder: str) -> int:
    """Predict in a fresh process; return its figure."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.fast_memory", "--one", way, watched, folder]
    command += ["--samples", str(options.samples)]
    command += ["--weights", str(options.weights)] if options.weights else []
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return int(done.stdout)


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # as the worker does
