"""Check that files of too much memory end alone: ``python -m benchmarks.large [--good 30] [--large 10]``.

Small inputs and some of 4,000 residues are dropped together into the local stack, whose intake lets the
large ones in, and whose worker has a limit on the memory of each child that they pass as they are read. What
a container's limit does to a worker as a whole does not happen then.

Exit status 1 if not all of the small ones succeed, if a large one ends otherwise than as OUT_OF_MEMORY, or if
more than one worker is started besides the first.
"""

import argparse
import json
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

from rich.console import Console

from benchmarks.pipeline import Pipeline, pipeline, progress
from inputs.size import MAX_TOKENS
from schemas.job import State

RESIDUES = 4_000
SMALL = "NLYIQWLKDGGPSSGRPPPS"
CHILD_MIB = 2_048
"""Limit of a child in MiB: a small input takes some 100, one of 4,000 residues more than 14,000."""

SEED = 2026
STARTS = 2


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return 1 if a claim does not hold."""
    asked = _parser().parse_args(arguments)
    settings = {"MAX_TOKENS": str(MAX_TOKENS), "CHILD_MEMORY_MIB": str(CHILD_MIB), "IDLE_SECONDS": "60"}
    with tempfile.TemporaryDirectory() as folder, pipeline(**settings) as stack:
        _write(Path(folder), asked.good, asked.large)
        ends = _ends(stack, stack.drop(Path(folder), "large", {}))
        starts = len(list((stack.stack.run_dir / "logs" / "tasks").glob("*.log")))
    for (kind, end), count in sorted(ends.items()):
        Console().print(f"{count:3} {kind}: {end}")
    Console().print(f"{starts} worker starts")
    wanted = Counter({("good", State.SUCCEEDED.value): asked.good, ("large", "OUT_OF_MEMORY"): asked.large})
    return 0 if ends == +wanted and starts <= STARTS else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.large",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--good", type=int, default=30, help="inputs of 20 residues (default 30)")
    parser.add_argument("--large", type=int, default=10, help="inputs of 4,000 residues (default 10)")
    return parser


def _write(folder: Path, good: int, large: int) -> None:
    """Write inputs in such an order that both kinds are under way together; no two are alike."""
    kinds = ["good"] * good + ["large"] * large
    random.Random(SEED).shuffle(kinds)  # noqa: S311  the same order in each run
    for number, kind in enumerate(kinds):
        sequence = SMALL if kind == "good" else "A" * RESIDUES
        ending = "".join("ACDEFGHIKL"[int(digit)] for digit in f"{number:03}")
        text = f"sequences:\n- protein: {{id: A, sequence: {sequence}{ending}, msa: empty}}\n"
        (folder / f"{number:03}-{kind}.yaml").write_text(text)


def _ends(stack: Pipeline, count: int) -> Counter[tuple[str, str]]:
    """Wait until all have ended; return the counts of their ends, by kind."""
    ends: Counter[tuple[str, str]] = Counter()
    with progress() as bar:
        task = bar.add_task("ended", total=count)
        for event in stack.ended(count):
            receipt = json.loads(stack.download(event, "receipt.json"))
            kind = event.data.source.name.removesuffix(".yaml").rpartition("-")[2]
            ends[kind, receipt["error"]["code"] if receipt["error"] else receipt["state"]] += 1
            bar.advance(task)
    return ends


if __name__ == "__main__":
    sys.exit(main())
