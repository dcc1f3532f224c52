"""Measure whether a worker's memory grows: ``python -m benchmarks.memory [--count 200]``.

Drops mixed small inputs into the local stack and reads, at each completion, the resident memory of the one
worker and of its children. Reports the first readings, once everything is loaded, and the last.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks.inputs import mixed
from benchmarks.pipeline import pipeline, progress, worker_process

OPTIONS = {"seed": 7, "recycling-steps": 0, "sampling-steps": 2}
WARM_UP = 20
"""Number of predictions until every kind of input has passed a few times."""
SAMPLE = 20


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return 1 if a prediction failed."""
    count = _parser().parse_args(arguments).count
    with (
        tempfile.TemporaryDirectory() as scratch,
        pipeline(RESULT_CACHE="false") as product,
        progress() as bar,
    ):
        mixed(count, Path(scratch) / "inputs")
        product.drop(Path(scratch) / "inputs", "benchmark", OPTIONS)
        ended = bar.track(product.ended(count), total=count, description="predictions")
        readings = [(event.state, _resident()) for event in ended]
    states = {str(state) for state, _ in readings}
    _show(Console(), [bytes_ for _, bytes_ in readings])
    return 0 if states == {"SUCCEEDED"} else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.memory",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--count", type=int, default=200, help=f"predictions, over {WARM_UP + 2 * SAMPLE}")
    return parser


def _resident() -> dict[str, int]:
    """Return the resident bytes of each process of the worker that runs under this process's stack."""
    worker = worker_process()
    children = worker.children(recursive=True)
    return {
        "worker": worker.memory_info().rss,
        "children": sum(child.memory_info().rss for child in children),
    }


def _show(console: Console, readings: list[dict[str, int]]) -> None:
    first, last = readings[WARM_UP : WARM_UP + SAMPLE], readings[-SAMPLE:]
    for part in ("worker", "children"):
        early, late = (statistics.median(each[part] for each in some) / 2**20 for some in (first, last))
        console.print(
            f"{part}: {early:.0f} MiB after {WARM_UP} predictions, {late:.0f} MiB after {len(readings)}"
            f" ({late / early - 1:+.1%}); medians of {SAMPLE} readings"
        )


if __name__ == "__main__":
    sys.exit(main())
