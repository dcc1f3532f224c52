"""Measure what checking a structure takes: ``PYTHONPATH=tests python -m benchmarks.checks``.

Builds a complex of protein chains of 50 residues side by side, right in all that is checked (but that two
chains alone do not touch), and writes its files. Reports the processor's seconds from them to the verdict and
the scores of all pairs of chains, the median of some rounds, each with nothing kept from another.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from support.structures import Built, build, protein, write

from inputs.read import read_input
from schemas.checks import Verdict
from worker.checks.run import Asking, check

SEQUENCE = "ACDEFGHIKLMNPQRSTVWYLKEGAVSDTPIRNQFYHMCWGASLKEVDTP"
RESIDUES = (100, 500, 1500)


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return 1 if a structure did not pass, or the largest took a second or more."""
    rounds = _parser().parse_args(arguments).rounds
    table = Table("residues", "atoms", "chains", "verdict", "CPU seconds")
    with tempfile.TemporaryDirectory() as folder:
        for residues in RESIDUES:
            built = _side_by_side(residues // len(SEQUENCE))
            asking = write(built, Path(folder))
            verdict, seconds = _measure(asking, rounds)
            table.add_row(
                f"{residues:,}", f"{len(built.places):,}", str(len(built.chains)), verdict, f"{seconds:.2f}"
            )
    Console().print(table)
    return 0 if verdict != Verdict.FAILED and seconds < 1 else 1


def _measure(asking: Asking, rounds: int) -> tuple[Verdict, float]:
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        [sample] = check(asking).samples
        taken.append(time.process_time() - start)
    return sample.verdict, statistics.median(taken)


def _side_by_side(count: int) -> Built:
    """Return so many copies of a chain, in rows."""
    one = build(protein(SEQUENCE))
    places = np.array(list(one.places.values()))
    axes = np.linalg.svd(places - places.mean(axis=0))[2]
    axes[2] *= np.linalg.det(axes)  # no mirror image
    laid = (places - places.mean(axis=0)) @ axes.T
    step, row = np.ptp(laid, axis=0), int(np.ceil(np.sqrt(count)))
    names = [f"C{at}" for at in range(count)]
    found = {
        (name, *key[1:]): place + step * [0, at % row, at // row]
        for at, name in enumerate(names)
        for key, place in zip(one.places, laid, strict=True)
    }
    text = protein(SEQUENCE, chain=f"[{', '.join(names)}]")
    return Built(read_input("a.yaml", text.encode()), found, {})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="PYTHONPATH=tests python -m benchmarks.checks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=5, help="of each size")
    return parser


if __name__ == "__main__":
    sys.exit(main())
