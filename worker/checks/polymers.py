"""What holds between the residues of a chain: the bond to the next one, and the plane of peptide bonds."""

from collections.abc import Collection, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from worker.checks.atoms import Atoms, Kind, Residue
from worker.checks.covalent import dihedral, distances
from worker.checks.found import Floats, Found, Ints
from worker.checks.limits import (
    LENGTH,
    LENGTH_WARNING,
    MAX_TWISTED,
    MIN_TWISTED,
    PEPTIDE_BOND,
    PHOSPHODIESTER_BOND,
    TWISTED,
)

BOUND: dict[Kind, tuple[str, str, float]] = {
    "protein": ("C", "N", PEPTIDE_BOND),
    "nucleic": ("O3'", "P", PHOSPHODIESTER_BOND),
}
"""Atoms that bind a residue to the next one, and their distance."""


class Link(NamedTuple):
    """A residue and the next one of its chain, with the atoms that are bound to each other."""

    before: Residue
    after: Residue
    one: int
    other: int
    length: float


def links(atoms: Atoms, cyclic: Collection[str]) -> tuple[list[Link], list[str]]:
    """Return who is bound to whom along the chains, and in words where that is not known.

    ``cyclic`` are chains whose last residue is bound to the first.
    """
    found: list[Link] = []
    unknown: list[str] = []
    for before, after in _neighbours(atoms, cyclic):
        leaving, entering, length = BOUND[before.wanted.kind]
        one, other = before.atom(leaving), after.atom(entering)
        if one is None or other is None:
            unknown.append(f"no {leaving}-{entering} bond from {before.wanted} to {after.wanted}")
        else:
            found.append(Link(before, after, one, other, length))
    return found, unknown


def _neighbours(atoms: Atoms, cyclic: Collection[str]) -> Iterator[tuple[Residue, Residue]]:
    for chain, residues in atoms.chains.items():
        if residues[0].wanted.kind in BOUND:
            yield from (
                (before, after)
                for before, after in pairwise(residues)
                if after.wanted.number == before.wanted.number + 1
            )
            if chain in cyclic and len(residues) > 1:
                yield residues[-1], residues[0]


def backbone(atoms: Atoms, chain: list[Link]) -> Found:
    """Check the bonds along the chains; the value is how far each is off its length, as a part of it."""
    pairs = bonds(chain)
    lengths = np.array([link.length for link in chain])
    distance = distances(atoms, pairs)
    off = np.abs(distance / lengths - 1)
    at = np.flatnonzero(off > LENGTH_WARNING)

    def words(i: int) -> str:
        one, other = pairs[at[i]]
        return (
            f"{atoms.label(one)} to {atoms.label(other)}: {distance[at[i]]:.2f} Å, "
            f"normally {lengths[at[i]]:.2f}"
        )

    return Found("backbone", len(chain), off[at] > LENGTH, pairs[at, 0], off[at], off[at], words)


def bonds(chain: list[Link]) -> Ints:
    """Return the bonds along the chains, [bonds, 2]."""
    return np.array([(link.one, link.other) for link in chain], dtype=int).reshape(-1, 2)


def peptides(atoms: Atoms, chain: list[Link]) -> Iterator[Found]:
    """Check the planes of peptide bonds; values are omega in degrees, 180 for trans."""
    known = [(link, ends) for link in chain if (ends := _alphas(link))]
    index = np.array([(first, link.one, link.other, last) for link, (first, last) in known], dtype=int)
    omega = dihedral(atoms.places[index.reshape(-1, 4)])
    bound = [link for link, _ in known]
    yield _twisted(bound, omega)
    yield _cis(bound, omega)


def _twisted(bound: list[Link], omega: Floats) -> Found:
    from_plane = np.minimum(np.abs(omega), 180 - np.abs(omega))
    at = np.flatnonzero(from_plane > TWISTED)
    many = len(at) >= MIN_TWISTED and len(at) > MAX_TWISTED * len(bound)

    def words(i: int) -> str:
        return f"the peptide bond before {bound[at[i]].after.wanted} is twisted ({omega[at[i]]:.0f} degrees)"

    carbons = np.array([bound[i].one for i in at], dtype=int)
    failed = np.full(len(at), many)
    return Found("peptide twisted", len(bound), failed, carbons, omega[at], from_plane[at], words)


def _cis(bound: list[Link], omega: Floats) -> Found:
    usual = np.array([_tertiary(link.after, link.other) for link in bound], dtype=bool)
    at = np.flatnonzero((np.abs(omega) <= TWISTED) & ~usual)

    def words(i: int) -> str:
        return f"the peptide bond before {bound[at[i]].after.wanted} is cis"

    carbons = np.array([bound[i].one for i in at], dtype=int)
    failed = np.zeros(len(at), dtype=bool)
    return Found("peptide cis", len(bound), failed, carbons, omega[at], -np.abs(omega[at]), words)


def _alphas(link: Link) -> tuple[int, int] | None:
    first, last = link.before.atom("CA"), link.after.atom("CA")
    return None if first is None or last is None or link.before.wanted.kind != "protein" else (first, last)


def _tertiary(residue: Residue, nitrogen: int) -> bool:
    """Return whether the nitrogen has no hydrogen, as in proline: cis is usual then."""
    template = residue.wanted.template
    return bool((template.edges == nitrogen - residue.start).sum() > 1)
