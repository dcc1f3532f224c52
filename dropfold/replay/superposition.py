"""How far two structures of the same molecules lie apart."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import gemmi
import numpy as np
from numpy.typing import NDArray

from dropfold.replay.agreement import Deviation

BACKBONE = frozenset({"CA", "C1'"})
"""Atoms of polymers by which structures are superposed: one of each amino acid, one of each nucleotide."""

LEAST = 3
"""Fewest atoms that define how one structure lies on another."""

Name = tuple[str, str, str, str]
"""Chain, residue's number, residue, atom."""

Positions = NDArray[np.float64]
"""Positions of atoms: [atoms, 3], ångström."""


class OtherAtomsError(Exception):
    """Two structures have not the same atoms; the message says how many of them only one of them has."""


class _Atom(NamedTuple):
    place: tuple[float, float, float]
    polymer: bool


def deviation(first: Path, second: Path) -> Deviation:
    """Superpose the second structure on the first by its backbone, and compare atoms of the same name.

    By all atoms where fewer than three are backbone. Ligands are measured where that puts them. Atoms that a
    symmetry of their residue or ligand exchanges count as different. Raises OtherAtomsError, and gemmi's
    RuntimeError or ValueError for what is no structure.
    """
    ours, theirs = dict(_atoms(first)), dict(_atoms(second))
    if differ := ours.keys() ^ theirs.keys():
        raise OtherAtomsError(f"{len(differ)} atoms are in one of the two structures only")
    fixed, moved = (np.array([atoms[name].place for name in ours]) for atoms in (ours, theirs))
    polymer = np.array([atom.polymer for atom in ours.values()])
    backbone = polymer & np.array([name[-1] in BACKBONE for name in ours])
    by = backbone if backbone.sum() >= LEAST else np.ones_like(backbone)
    squares = ((superposed(moved, fixed, by) - fixed) ** 2).sum(axis=1)
    ligands = None if polymer.all() else float(np.sqrt(squares[~polymer].mean()))
    return Deviation(float(np.sqrt(squares.mean())), ligands)


def superposed(moved: Positions, fixed: Positions, by: NDArray[np.bool_]) -> Positions:
    """Return positions, turned and shifted so that the chosen atoms are as near as they can be to the fixed.

    W. Kabsch, Acta Crystallographica A 34 (1978) 827: the rotation of least squares, which is no reflection.
    """
    centre, onto = moved[by].mean(axis=0), fixed[by].mean(axis=0)
    left, _, right = np.linalg.svd((moved[by] - centre).T @ (fixed[by] - onto))
    handedness = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    turned: Positions = (moved - centre) @ (left @ handedness @ right) + onto
    return turned


def _atoms(path: Path) -> Iterator[tuple[Name, _Atom]]:
    """Yield the atoms of a structure. Raises RuntimeError, ValueError."""
    structure = gemmi.read_structure(str(path))
    structure.setup_entities()
    for place in structure[0].all():
        residue, atom = place.residue, place.atom
        name = (place.chain.name, str(residue.seqid), residue.name, atom.name)
        x, y, z = atom.pos.tolist()
        yield name, _Atom((x, y, z), residue.entity_type == gemmi.EntityType.Polymer)
