"""How much of a template Boltz 2.2.1 leaves unused where it and the chain differ in length.

It aligns the two without gaps, and takes the best stretch alone (get_local_alignments of
boltz/data/parse/schema.py, issue 538): behind an insertion or a deletion, nothing of the template is used.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from Bio import Align
from scipy.optimize import linear_sum_assignment

LEAST = 10
"""Fewest residues that are worth a warning."""

_LARGEST = 50_000_000
"""Largest product of both lengths that is looked at: memory grows with it."""

_NO_GAPS = -1000


class Unused(NamedTuple):
    """First and last residue of a chain that take the template, from 1; how many others are equal in it."""

    first: int
    last: int
    others: int


def unused(chain: str, template: str) -> Unused | None:
    """Return what Boltz leaves unused of a template that a chain is to take, or None for next to nothing."""
    if not chain or not template or len(chain) * len(template) > _LARGEST:
        return None
    used, whole = (_equal(_aligner("local", gap), chain, template) for gap in (_NO_GAPS, None))
    others = len(whole - used)
    return Unused(min(used)[0] + 1, max(used)[0] + 1, others) if used and others >= LEAST else None


def assigned(chains: Sequence[str], templates: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the places of chains, and of the chains of a template that Boltz has them take, by sequence."""
    aligner = _aligner("global", None)
    scores = [
        [aligner.score(chain, template) for template in templates]  # type: ignore[no-untyped-call]
        for chain in chains
    ]
    rows, columns = linear_sum_assignment(np.array(scores), maximize=True)
    yield from zip(rows.tolist(), columns.tolist(), strict=True)


def _aligner(mode: str, gap: float | None) -> Align.PairwiseAligner:
    aligner = Align.PairwiseAligner(scoring="blastp", mode=mode)  # type: ignore[no-untyped-call]
    if gap is not None:
        aligner.open_gap_score = aligner.extend_gap_score = gap
    return aligner


def _equal(aligner: Align.PairwiseAligner, chain: str, template: str) -> set[tuple[int, int]]:
    """Return the pairs of places that the best alignment puts together and that hold the same residue."""
    alignments = aligner.align(chain, template)  # type: ignore[no-untyped-call]
    blocks: Iterable[Sequence[Sequence[int]]] = zip(*alignments[0].aligned, strict=True) if alignments else ()
    pairs = ((ours + at, theirs + at) for (ours, end), (theirs, _) in blocks for at in range(end - ours))
    return {(ours, theirs) for ours, theirs in pairs if chain[ours] == template[theirs]}
