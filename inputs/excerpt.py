"""A construct within the protein that an alignment was made for: where it is, and how far the two differ.

Pieces of it are searched for as text: where one residue of 20 differs, more than half of the pieces of 8 are
the same. The place that most of them agree on is compared.
"""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

MOST_DIFFERING = 20
"""A construct may differ in one of so many residues: 5 %."""

LEAST = 10
"""Fewest residues of a construct: a shorter one may be found by chance."""

MOST_COLUMNS = 100_000
"""Columns of a first row that is looked through; the longest protein known has 35,000 residues."""

_PIECE = 8
"""Residues of a piece; two proteins that have nothing to do with each other hardly have one in common."""

_PLACES = 100
"""Most places of one piece: repeats have it in many."""

_UNKNOWN = "X"


class Excerpt(NamedTuple):
    """A part of a longer sequence: its first column from 0, and the positions in it that differ, from 0."""

    start: int
    differing: tuple[int, ...]


def nearest(part: str, whole: str) -> Excerpt | None:
    """Return the place in a longer sequence that a part fits best, or None where it resembles none.

    X in the part is a residue that is not known, and differs from none.
    """
    if not LEAST <= len(part) < len(whole) <= MOST_COLUMNS:
        return None
    votes = Counter(_places(part, whole))
    if not votes:
        return None
    start = max(votes, key=lambda place: (votes[place], -place))
    return Excerpt(start, _differing(part, whole[start : start + len(part)]))


def fits(part: str, excerpt: Excerpt) -> bool:
    """Return whether a part differs from its place in so few positions that it is a construct of it."""
    return len(excerpt.differing) * MOST_DIFFERING <= len(part)


def _places(part: str, whole: str) -> Iterator[int]:
    """Yield the starts of the part in the whole at which a piece of it is the same."""
    for at in (*range(0, len(part) - _PIECE, _PIECE), len(part) - _PIECE):
        piece = part[at : at + _PIECE]
        if _UNKNOWN not in piece:
            yield from (found - at for found in _found(piece, whole, at, len(whole) - len(part) + at))


def _found(piece: str, whole: str, first: int, last: int) -> Iterator[int]:
    found = whole.find(piece, first, last + len(piece))
    for _ in range(_PLACES):
        if found < 0:
            return
        yield found
        found = whole.find(piece, found + 1, last + len(piece))


def _differing(part: str, place: str) -> tuple[int, ...]:
    pairs = enumerate(zip(part, place, strict=True))
    return tuple(at for at, (ours, theirs) in pairs if ours not in (theirs, _UNKNOWN))
