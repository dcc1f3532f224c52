"""Many files at once through the whole local stack: ``python -m benchmarks.load [--files 10000]``.

Real functions, emulators, Google's clients and the worker's own code. Two things are replaced: the model, by
one that writes the same few atoms for each input at once, and the worker's stream of messages, by single
pulls, since the emulator sends a stream the whole queue (``benchmarks/load/unary.py``). Every upload's event
is delivered one to three times, in random order; all traffic stays on 127.0.0.1. What happens:

1. *ten*: ten files, after a first one, through a stack of their own, whose Firestore emulator writes down
   each call: what the processes count must be what it answered.
2. *queue*: files are dropped while no prediction ends, until 1,000 and all of them are queued. At both, some
   arrive at a steady rate, in turn with as many at a second stack that has 10 queued: seconds from an
   upload's completion to the request for it, as a subscriber hears it.
3. *drain*: three workers take the queue.
4. *check*: ledger, receipts and completion events of all uploads; the files that a sample of receipts lists.

Exit status 1 if one of these does not hold: a receipt, an end and an event id for each upload; at most 8
Firestore operations per job in all, renewals of leases and the hourly comparison apart, and as many per job
for ten files as for all, sweep and launch apart; with all queued, the 95th percentile of the latency at most
1.5 times that with 10 queued; at most one worker started for a hundred predictions.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from benchmarks.load import meter, operations, report
from benchmarks.load.checks import Ends, ends
from benchmarks.load.operations import PerJob, per_job
from benchmarks.load.product import NO_GATE, Product, product
from benchmarks.pipeline import progress
from gcp.shutdown import INTERRUPTED, InterruptError, raise_on
from local.parts import ROOT

SEED = 2026
MOST_COPIES = 2
FEW = 10
MIDDLE = 1000
ROUNDS = 4
ARRIVALS = 25
"""Arrivals of one round at one stack."""
PER_SECOND = 2.0
FEWEST, MOST = 300, 100_000
"""Limits of --files: with fewer, three workers are more than one for a hundred; six digits name a file."""
JAVA_VARIABLE = "JAVA_TOOL_OPTIONS"


@dataclass
class Run:
    """Measurements, in seconds. ``latencies``: by depth, of that depth and of ten beside it."""

    seconds: dict[str, float] = field(default_factory=dict)
    latencies: dict[int, tuple[list[float], list[float]]] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a block."""
        start = time.monotonic()
        yield
        self.seconds[name] = self.seconds.get(name, 0) + time.monotonic() - start


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return 1 if a claim does not hold, 130 if it was interrupted."""
    files = _parser().parse_args(arguments).files
    raise_on(InterruptError, signal.SIGINT, signal.SIGTERM)  # so that its stacks and its folder go with it
    try:
        return _measure(files)
    except InterruptError:
        return INTERRUPTED


def _measure(files: int) -> int:
    runs, run, console = ROOT / ".local" / "runs", Run(), Console()
    runs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="load-", dir=runs) as scratch, progress() as bar:
        few, calls = _ten(Path(scratch) / "ten", run, bar)
        many, became, started = _many(Path(scratch), files, run, bar)
    return report.show(console, report.Report(run.seconds, run.latencies, few, many, calls, became, started))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.load",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--files",
        type=_files,
        default=10_000,
        help="how many are dropped, from 300 to 100000 (default 10000)",
    )
    return parser


def _files(text: str) -> int:
    if not FEWEST <= (files := int(text)) <= MOST:
        raise ValueError
    return files


def _ten(folder: Path, run: Run, bar: Progress) -> tuple[PerJob, operations.Calls]:
    """Send ten files through a stack that is awake, and whose emulators log each call."""
    folder.mkdir()
    (folder / "logging.properties").write_text(operations.LOGGING)
    logged = {JAVA_VARIABLE: f"-Djava.util.logging.config.file={folder / 'logging.properties'}"}
    with run.phase("ten"), product(folder, SEED, MOST_COPIES, **logged) as ten:
        os.environ.pop(JAVA_VARIABLE)
        ten.gate.open_to(NO_GATE)
        ten.upload(FEW)  # starts a worker, and whatever else starts at its first use
        _drain(ten, bar, "the first file")
        ten.settled()
        start = time.time()
        ten.fill(range(FEW), lambda _: None)
        _drain(ten, bar, "ten files")
        ten.settled()
        counted = [each for each in meter.operations(ten.operations) if each.at > start]
        return per_job(counted, FEW, (time.time() - start) / 60), operations.Calls.read(folder)


def _many(folder: Path, files: int, run: Run, bar: Progress) -> tuple[PerJob, Ends, int]:
    with (
        product(folder / "few", SEED, MOST_COPIES, MAX_WORKERS="1") as few,
        product(folder / "many", SEED, MOST_COPIES, MAX_WORKERS="3") as many,
    ):
        start = time.monotonic()
        few.fill(range(FEW), lambda _: None)
        numbers = iter(range(files))
        arriving = ROUNDS * ARRIVALS
        for depth in sorted({min(MIDDLE, files), files}):
            _queue(many, depth - arriving, numbers, run, bar)
            with run.phase(f"arrivals at {depth:,}"):
                run.latencies[depth] = _compare(few, many, numbers, bar)
            bar.console.print(report.latencies({depth: run.latencies[depth]}))  # the rest takes long
        many.gate.open_to(NO_GATE)
        with run.phase("drain"):
            _drain(many, bar, "predictions")
        many.settled()
        counted = per_job(meter.operations(many.operations), files, (time.monotonic() - start) / 60)
        with run.phase("check"):
            return counted, ends(many), _started(many)


def _queue(many: Product, depth: int, numbers: Iterator[int], run: Run, bar: Progress) -> None:
    """Fill the queue up to a depth and wait until the copies of what was dropped are delivered."""
    more = [next(numbers) for _ in range(depth - len(many.uploaded_at))]
    task = bar.add_task(f"queued, up to {depth:,}", total=len(more))
    with run.phase("queue"):
        many.fill(more, lambda count: bar.advance(task, count))
        many.wait(lambda: many.duplicates.left)


def _compare(
    few: Product, many: Product, numbers: Iterator[int], bar: Progress
) -> tuple[list[float], list[float]]:
    """Let files arrive at both stacks in turn; what arrived at the first is predicted before more does."""
    deep: list[float] = []
    shallow: list[float] = []
    for _ in bar.track(range(ROUNDS), description="arrivals"):
        there = len(few.uploaded_at)
        shallow += few.arrive(range(there, there + ARRIVALS), PER_SECOND)
        few.wait(lambda: few.duplicates.left)
        few.gate.open_to(there + ARRIVALS - FEW)
        few.wait(lambda: len(few.uploaded_at) - len(few.heard.ended), FEW)
        deep += many.arrive([next(numbers) for _ in range(ARRIVALS)], PER_SECOND)
        many.wait(lambda: many.duplicates.left)
    return deep, shallow


def _drain(stack: Product, bar: Progress, what: str) -> None:
    """Wait until every upload has ended and every copy of its event is delivered."""
    task = bar.add_task(what, total=len(stack.uploaded_at))

    def left() -> int:
        bar.update(task, completed=len(stack.heard.ended))
        return len(stack.uploaded_at) - len(stack.heard.ended) + stack.duplicates.left

    stack.wait(left)
    bar.update(task, completed=len(stack.heard.ended))


def _started(stack: Product) -> int:
    """Return the number of worker processes that were started; each has a log of its own."""
    return len(list((stack.stack.run_dir / "logs" / "tasks").glob("*.log")))


if __name__ == "__main__":
    sys.exit(main())
