"""How near two results of the same input are, in words and figures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

Change = tuple[float | None, float | None]
"""A score of the first result, and of the second; None where one has none."""


class Agreement(StrEnum):
    """How near a second result is to the first."""

    EXACT = "EXACT"  # structures, scores and arrays are equal byte by byte
    CLOSE = "CLOSE"  # structures and scores are within the tolerances
    DIFFERS = "DIFFERS"  # they are not, or there is no second result
    UNREPEATABLE = "UNREPEATABLE"  # not computed from the same files again, or not compared


class Deviation(NamedTuple):
    """Root-mean-square deviation of all atoms, and of those of no polymer, None without any: ångström."""

    atoms: float
    ligands: float | None


@dataclass(frozen=True)
class Comparison:
    """How near two results are: the largest deviation of a sample, scores that changed, what else differs."""

    agreement: Agreement
    deviation: Deviation | None = None
    scores: Mapping[str, Change] = field(default_factory=dict)
    why: tuple[str, ...] = ()
