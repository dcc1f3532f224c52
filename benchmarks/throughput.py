"""Compare the pipeline with ``boltz predict``: ``python -m benchmarks.throughput [--count 50]``.

The same mixed small inputs, options and seed, with the small model and one thread per process:

- *pipeline*: dropped into the bucket of the whole local stack, one worker, from the first upload to the last
  completion event, everything on these processors;
- *worker*: the same worker alone, with queue, ledger and buckets in its memory, from the start of its process
  to its end: what is left when Google's services compute elsewhere;
- *directory*: one ``boltz predict DIR`` over all of them (without affinity, which it cannot mix in);
- *one by one*: one ``boltz predict`` process per file.

All compute in float32, ``boltz predict``, too (benchmarks/boltz_float32.py).
Pipeline, worker and directory take turns, so that a machine that is busy for a while is busy for all. Every
structure of pipeline and worker must equal that of its own process, byte by byte; the directory's run depends
on the order of its files, so that its structures are only counted. Exit status 1 if one differs or lacks.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.inputs import mixed
from benchmarks.pipeline import pipeline, progress
from inputs.read import REFERENCE_SUFFIXES
from local.parts import ROOT
from local.small_model import DEFAULT, ensure

OPTIONS: Mapping[str, int] = {"seed": 7, "recycling-steps": 1, "sampling-steps": 10}
STRUCTURE = "model_0.cif"


@dataclass(frozen=True)
class Run:
    """One way through all inputs: seconds, the structures by the input's name, the worker's own figures."""

    seconds: float
    structures: Mapping[str, bytes]
    life: Mapping[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return 1 if a structure differs or is missing."""
    options = _parser().parse_args(arguments)
    cache, console = ensure(DEFAULT), Console()
    with tempfile.TemporaryDirectory() as scratch:
        inputs = mixed(options.count, Path(scratch) / "inputs")
        folder = inputs[0].parent
        ways: dict[str, Callable[[], Run]] = {
            "pipeline": lambda: _pipeline(folder),
            "worker": lambda: _worker(folder),
            "directory": lambda: _directory(folder, cache),
        }
        runs: dict[str, list[Run]] = {name: [] for name in (*ways, "one by one")}
        if not options.skip_single:
            runs["one by one"].append(_one_by_one(inputs, cache))
        for _ in range(options.rounds):
            for name, way in ways.items():
                runs[name].append(way())
    _show(console, runs, options.count)
    return _compare(console, runs)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.throughput",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--count", type=int, default=50, help="inputs (default 50)")
    parser.add_argument("--skip-single", action="store_true", help="no process per file")
    parser.add_argument("--rounds", type=int, default=2, help="turns of pipeline and directory (default 2)")
    return parser


def _pipeline(folder: Path) -> Run:
    with pipeline(OMP_NUM_THREADS="1", RESULT_CACHE="false") as product, progress() as bar:
        start = time.monotonic()
        count = product.drop(folder, "benchmark", OPTIONS)
        events = list(bar.track(product.ended(count), total=count, description="pipeline"))
        seconds = time.monotonic() - start
        life = product.wait_for("worker life")
        structures = {
            Path(event.data.source.name).stem: product.download(event, STRUCTURE)
            for event in events
            if event.state == "SUCCEEDED"
        }
    return Run(seconds, structures, life)


def _worker(folder: Path) -> Run:
    with tempfile.TemporaryDirectory() as out, progress() as bar:
        task = bar.add_task("worker", total=1)
        options = json.dumps({name.replace("-", "_"): value for name, value in OPTIONS.items()})
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.bare_worker", str(folder), out, options]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "tests")}
        start = time.monotonic()
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)  # noqa: S603
        seconds = time.monotonic() - start
        bar.update(task, completed=1)
        return Run(seconds, {path.stem: path.read_bytes() for path in Path(out).glob("*.cif")}, {})


def _directory(folder: Path, cache: Path) -> Run:
    with tempfile.TemporaryDirectory() as out, progress() as bar:
        task = bar.add_task("directory", total=1)
        inputs = (
            Path(out) / "inputs"
        )  # Boltz takes every file of a folder for an input: alignments lie beside
        inputs.mkdir()
        for path in folder.iterdir():
            (Path(out) if path.suffix in REFERENCE_SUFFIXES else inputs).joinpath(path.name).symlink_to(path)
        start = time.monotonic()
        _boltz("inputs", Path(out), cache)
        seconds = time.monotonic() - start
        bar.update(task, completed=1)
        return Run(seconds, _written(Path(out)), {})


def _one_by_one(inputs: list[Path], cache: Path) -> Run:
    with tempfile.TemporaryDirectory() as out, progress() as bar:
        for path in inputs[0].parent.iterdir():
            (Path(out) / path.name).symlink_to(path)
        start = time.monotonic()
        for path in bar.track(inputs, description="one by one"):
            _boltz(path.name, Path(out), cache)
        return Run(time.monotonic() - start, _written(Path(out)), {})


def _boltz(what: str, folder: Path, cache: Path) -> None:
    flags = [f"--{name.replace('-', '_')}={value}" for name, value in OPTIONS.items()]
    boltz = [sys.executable, "-W", "ignore", "-m", "benchmarks.boltz_float32"]
    command = [*boltz, "predict", what, "--accelerator=cpu", *flags]
    own = {"OMP_NUM_THREADS": "1", "BOLTZ_CACHE": str(cache), "PYTHONPATH": str(ROOT)}
    environment = os.environ | own
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)  # noqa: S603


def _written(out: Path) -> dict[str, bytes]:
    found = out.glob(f"boltz_results_*/predictions/*/*_{STRUCTURE}")
    return {path.parent.name: path.read_bytes() for path in found}


def _show(console: Console, runs: Mapping[str, list[Run]], count: int) -> None:
    taken = {name: [run.seconds for run in each] for name, each in runs.items() if each}
    whole, worker = (statistics.median(taken[name]) for name in ("pipeline", "worker"))
    table = Table(
        "way", "seconds (each run)", "pipeline is faster", "worker is faster", title=f"{count} inputs"
    )
    for name, seconds in taken.items():
        middle = statistics.median(seconds)
        figures = ", ".join(f"{each:.1f}" for each in seconds)
        table.add_row(name, figures, f"{middle / whole:.2f} times", f"{middle / worker:.2f} times")
    console.print(table)
    for run in runs["pipeline"]:
        life = {
            key: value for key, value in run.life.items() if key.startswith(("device", "peak", "seconds"))
        }
        console.print("worker life:", life)


def _compare(console: Console, runs: Mapping[str, list[Run]]) -> int:
    """Print the structures that differ or are missing; return the exit status."""
    alone = (*runs["one by one"], runs["worker"][0])[0]  # without single processes, ways among themselves
    differing = {
        name
        for run in (*runs["pipeline"], *runs["worker"])
        for name, structure in alone.structures.items()
        if run.structures.get(name) != structure
    }
    missing = {name for run in runs["directory"] for name in alone.structures.keys() - run.structures.keys()}
    console.print(f"differ from their own process: {sorted(differing) or 'none'}")
    console.print(f"missing in the directory's run: {sorted(missing) or 'none'}")
    return 1 if differing or missing else 0


if __name__ == "__main__":
    sys.exit(main())
