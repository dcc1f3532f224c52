"""What a check finds in a structure: arrays, of which only what is shown is put into words."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class UncheckedError(Exception):
    """Something could not be checked; the text says what, and why, in words for people."""


@dataclass(frozen=True, eq=False)
class Found:
    """Findings of one check: ``looked_at`` is the number of things that it looked at.

    For each finding whether it fails the structure (else it is a warning), the atom that it is at, its value
    in the unit of the check, and how bad it is. ``words`` says one of them, by its place in the arrays.
    """

    check: str
    looked_at: int
    failed: Bools
    atoms: Ints
    values: Floats
    badness: Floats
    words: Callable[[int], str]

    def __len__(self) -> int:
        return len(self.failed)

    def worst_first(self) -> Ints:
        """Return the places of the findings: failed ones first, the worst of them first."""
        order: Ints = np.lexsort((-self.badness, ~self.failed))
        return order


def nothing(check: str, looked_at: int = 0) -> Found:
    """Return the result of a check that found nothing."""
    none = np.zeros(0)
    return Found(check, looked_at, none.astype(bool), none.astype(int), none, none, str)
