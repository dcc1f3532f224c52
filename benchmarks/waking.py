"""Measure the wait of inputs for an alignment that is there: ``python -m benchmarks.waking [--files 10000]``.

Screening uploads a library first, and the target's alignment at some time after: one file, for which all of
them wait. Here they are dropped into the local stack; once all wait, the alignment is. Measured is from the
end of its upload until a subscriber has heard of the request for the last of them. What predicts is the
worker of ``benchmarks.load``, without a model and with its gate shut, as if each took long.

Exit status 1 if that takes more than two minutes, or if an input is asked for twice or never.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from benchmarks.load.product import LETTERS, UPLOADERS, Product, product
from benchmarks.load.worker import RESIDUES
from benchmarks.pipeline import progress
from gcp.ledger import FirestoreLedger
from local.parts import ROOT
from schemas.job import State

SEED = 2026
CLAIMED_SECONDS = 120
AHEAD = 200
"""Most uploads that intake has not recorded before the next."""

SEQUENCE = LETTERS[:RESIDUES]
INPUT = f"sequences:\n- protein: {{id: A, sequence: {SEQUENCE}, msa: target.a3m}}\n"
ALIGNMENT = f">target\n{SEQUENCE}\n>other\n{SEQUENCE[:-1]}-\n"


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return 1 if a claim does not hold."""
    files, runs = _parser().parse_args(arguments).files, ROOT / ".local" / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="waking-", dir=runs) as scratch,
        product(Path(scratch), SEED, 0, MAX_WORKERS="1") as stack,
        progress() as bar,
    ):
        _have_wait(stack, range(files), bar)
        seconds = _wake(stack, files, bar)
        requests = stack.heard.requests
    Console().print(
        f"{files:,} inputs on one alignment: asked for within {seconds:.0f} s, by {requests:,} requests"
    )
    return 0 if seconds <= CLAIMED_SECONDS and requests == files else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.waking",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--files", type=int, default=10_000, help="how many wait (default 10000)")
    return parser


def _have_wait(stack: Product, numbers: Sequence[int], bar: Progress) -> None:
    """Drop inputs, no two with the same seed, and wait until all of them wait."""
    ledger, task = FirestoreLedger(stack.ledger), bar.add_task("waiting", total=len(numbers))

    def upload(number: int) -> None:
        blob = stack.uploads.blob(f"screen/{number:06}.yaml")
        blob.metadata = {"dropfold-seed": str(number)}
        blob.upload_from_string(INPUT, "application/yaml")

    with ThreadPoolExecutor(UPLOADERS) as pool:
        for dropped, batch in _batches(numbers):
            list(pool.map(upload, batch))
            stack.wait(partial(_unrecorded, ledger, dropped), AHEAD)
            bar.update(task, completed=dropped)
    stack.wait(partial(_unrecorded, ledger, len(numbers)))


def _unrecorded(ledger: FirestoreLedger, dropped: int) -> int:
    return dropped - ledger.count(State.WAITING, dropped)


def _batches(numbers: Sequence[int]) -> Iterator[tuple[int, Sequence[int]]]:
    for start in range(0, len(numbers), AHEAD):
        batch = numbers[start : start + AHEAD]
        yield start + len(batch), batch


def _wake(stack: Product, files: int, bar: Progress) -> float:
    """Upload the alignment; return the seconds until all inputs have been requested."""
    task = bar.add_task("asked for", total=files)
    stack.uploads.blob("screen/target.a3m").upload_from_string(ALIGNMENT)
    start = time.monotonic()

    def left() -> int:
        bar.update(task, completed=len(stack.heard.requested_at))
        return files - len(stack.heard.requested_at)

    stack.wait(left)
    return time.monotonic() - start


if __name__ == "__main__":
    sys.exit(main())
