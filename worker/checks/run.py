"""Checks all samples of a prediction. Runs in a child process, beside the device."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from inputs.grammar import BoltzInput
from schemas.checks import CheckedSample, ChecksReport, Verdict
from schemas.options import Options


class Asking(NamedTuple):
    """What to check.

    ``files`` are those of a prediction by public name, in Boltz-2's order of confidence. ``molecules`` is a
    pickle of ``{code: molecule}``: the input's own SMILES with the atoms' names that Boltz-2 gave them.
    ``components`` is the folder of its ``CODE.pkl``.
    """

    document: BoltzInput
    options: Options
    files: Mapping[str, Path]
    molecules: Path
    components: Path


def check(asking: Asking) -> ChecksReport:
    """Return what is found in each sample, in the order of the files; ``best_first`` sorts them.

    Raises nothing about a structure: what cannot be checked is said of its sample.
    """
    ranks = range(asking.options.samples)
    return ChecksReport(
        samples=tuple(
            CheckedSample(rank=rank, boltz_rank=rank, verdict=Verdict.UNCHECKED, unchecked="not made yet")
            for rank in ranks
        )
    )
