"""How long the bonds of a molecule are, and how far apart its other atoms: RDKit's distance bounds.

Metals are left out, since RDKit has no geometry for them.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from rdkit import Chem
from rdkit.Chem.rdDistGeom import GetMoleculeBoundsMatrix

from worker.checks.elements import HYDROGEN, METALS, NITROGEN, OXYGEN, SULFUR
from worker.checks.found import Bools, Floats, Ints, UncheckedError

ENDS = frozenset({NITROGEN, OXYGEN, SULFUR})
"""Terminal atoms of one of these elements at one atom may swap: which has the double bond is a convention."""

SMOOTHED = 400
"""Atoms up to which bounds are made consistent with each other: the time grows with the third power."""

Molecule = Any
"""An RDKit molecule: RDKit has no annotations."""


class Lengths(NamedTuple):
    """Pairs of atoms, and the least and largest distance of each in angstrom."""

    pairs: Ints
    low: Floats
    high: Floats


def lengths(molecule: Molecule, place: Mapping[int, int], *, whole: bool) -> tuple[Lengths, Lengths, Lengths]:
    """Return the pairs one, two and more bonds apart among the atoms in ``place``, which says what each is.

    Those more than two bonds apart only of a ``whole`` molecule. Raises UncheckedError.
    """
    kept = list(place)
    if len(kept) == 1:
        return _none(), _none(), _none()
    low, high = _bounds(molecule)
    bonded, through_metal = _bonded(molecule)
    second = _in_two_steps(bonded) & ~bonded
    metal = np.array([atom.GetAtomicNum() in METALS for atom in molecule.GetAtoms()])
    further = ~bonded & ~second & ~through_metal & ~metal & ~metal[:, None]
    if not whole:
        further[:] = False
    bonds, angles, far = (_taken(each, low, high, kept) for each in (bonded, second, further))
    return bonds, angles, far


def _none() -> Lengths:
    return Lengths(np.zeros((0, 2), dtype=int), np.zeros(0), np.zeros(0))


def _taken(which: Bools, low: Floats, high: Floats, kept: list[int]) -> Lengths:
    """Return the pairs of kept atoms, by their places, that a matrix over all atoms names."""
    inside = np.ix_(kept, kept)
    first, second = np.nonzero(np.triu(which[inside], k=1))
    pairs = np.stack([first, second], axis=1)
    return Lengths(pairs, low[inside][first, second], high[inside][first, second])


def _bounds(molecule: Molecule) -> tuple[Floats, Floats]:
    """Return the least and the largest distance of all atoms, hydrogens included."""
    known = _without_metals_bonds(molecule)
    try:
        known.UpdatePropertyCache(strict=False)
        Chem.GetSymmSSSR(known)
        smoothed = known.GetNumAtoms() <= SMOOTHED
        # Without those of atoms four bonds apart: RDKit takes the torsions that it prefers for the only ones,
        # and an acylguanidine, whose oxygen lies at its NH, for impossible.
        bounds = GetMoleculeBoundsMatrix(
            known, set15bounds=False, scaleVDW=True, doTriangleSmoothing=smoothed
        )
    except (RuntimeError, ValueError) as error:
        raise UncheckedError("RDKit knows no lengths of its bonds") from error
    upper, lower = np.triu(bounds, k=1), np.tril(bounds, k=-1)
    low, high = lower + lower.T, upper + upper.T
    np.fill_diagonal(low, np.inf)
    np.fill_diagonal(high, -np.inf)
    for ends in _ends(known):
        low[ends, :], high[ends, :] = low[ends].min(axis=0), high[ends].max(axis=0)
        low[:, ends], high[:, ends] = low[ends].T, high[ends].T
    return low, high


def _without_metals_bonds(molecule: Molecule) -> Molecule:
    """Return the molecule in pieces: what a metal holds together can contradict RDKit's geometry."""
    pieces = Chem.RWMol(molecule)
    for bond in molecule.GetBonds():
        if {bond.GetBeginAtom().GetAtomicNum(), bond.GetEndAtom().GetAtomicNum()} & METALS:
            pieces.RemoveBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
    return pieces.GetMol()


def _ends(molecule: Molecule) -> Iterator[list[int]]:
    """Yield the terminal atoms of one element at one atom that may swap, as in a carboxylate."""
    for atom in molecule.GetAtoms():
        by_element: dict[int, list[int]] = {}
        for near in atom.GetNeighbors():
            heavy = sum(other.GetAtomicNum() != HYDROGEN for other in near.GetNeighbors())
            if near.GetAtomicNum() in ENDS and heavy == 1:
                by_element.setdefault(near.GetAtomicNum(), []).append(near.GetIdx())
        yield from (ends for ends in by_element.values() if len(ends) > 1)


def _bonded(molecule: Molecule) -> tuple[Bools, Bools]:
    """Return which atoms are bonded without a metal, and which are bonded to the same metal."""
    count = molecule.GetNumAtoms()
    bonded, at_metal = np.zeros((count, count), dtype=bool), np.zeros((count, count), dtype=bool)
    for bond in molecule.GetBonds():
        ends = bond.GetBeginAtom(), bond.GetEndAtom()
        one, other = (atom.GetIdx() for atom in ends)
        which = at_metal if {atom.GetAtomicNum() for atom in ends} & METALS else bonded
        which[one, other] = which[other, one] = True
    return bonded, _in_two_steps(at_metal)


def _in_two_steps(bonded: Bools) -> Bools:
    steps = bonded.astype(np.float32)  # floats multiply faster
    reached: Bools = steps @ steps > 0
    return reached
