"""A structure as few points: backbones as lines, everything else as atoms, seen along its principal axes."""

from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from pathlib import Path

import gemmi
import numpy as np
import numpy.typing as npt

BACKBONE = ("CA", "C4'")
"""The atom that stands for a residue of a protein, of a nucleic acid; the first for a residue without it."""

BOND = 1.95
"""Angstrom below which two heavy atoms of one residue are drawn as bonded."""


@dataclass
class Trace:
    """Points in angstrom with pLDDT (0 to 100); ``links`` join two by index, ``atoms`` are no residues."""

    places: list[tuple[float, float, float]] = field(default_factory=list)
    plddt: list[float] = field(default_factory=list)
    links: list[tuple[int, int]] = field(default_factory=list)
    atoms: set[int] = field(default_factory=set)

    def add(self, atom: gemmi.Atom) -> int:
        """Add a point and return its index."""
        self.places.append((atom.pos.x, atom.pos.y, atom.pos.z))
        self.plddt.append(atom.b_iso)
        return len(self.places) - 1


def trace(structure: Path, polymers: Collection[str]) -> Trace:
    """Trace a predicted structure, mmCIF or PDB; ``polymers`` are the ids of the chains with a backbone."""
    [model] = gemmi.read_structure(str(structure))
    found = Trace()
    for chain in model:
        if chain.name in polymers:
            _add_backbone(found, chain)
        else:
            for residue in chain:
                _add_atoms(found, residue)
    return found


def _add_backbone(found: Trace, chain: gemmi.Chain) -> None:
    points = [found.add(_stands_for(residue)) for residue in chain]
    found.links += pairwise(points)


def _stands_for(residue: gemmi.Residue) -> gemmi.Atom:
    return next((atom for atom in residue if atom.name in BACKBONE), residue[0])


def _add_atoms(found: Trace, residue: gemmi.Residue) -> None:
    atoms = [(found.add(atom), atom) for atom in residue]
    found.atoms.update(index for index, _ in atoms)
    found.links += [(i, j) for (i, a), (j, b) in combinations(atoms, 2) if a.pos.dist(b.pos) < BOND]


def seen(places: list[tuple[float, float, float]]) -> npt.NDArray[np.float64]:
    """Turn points so that the longest axis lies across and the shortest towards the viewer, never mirrored.

    Returns one row (right, up, towards the viewer) for each point, in angstrom around the centre.
    """
    centred = np.asarray(places) - np.mean(places, axis=0)
    axes = np.linalg.eigh(centred.T @ centred)[1][:, ::-1]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(3)])  # the same way round each time
    axes[:, 2] *= np.sign(np.linalg.det(axes))
    return np.asarray(centred @ axes)
