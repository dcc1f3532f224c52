"""What a residue or ligand looks like when it is right, by its heavy atoms."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from rdkit import Chem

from worker.checks.bounds import Lengths, lengths
from worker.checks.elements import HYDROGEN, METALS
from worker.checks.found import Ints

RINGS = tuple(
    Chem.MolFromSmarts(pattern)
    for pattern in ("[ar5^2]1[ar5^2][ar5^2][ar5^2][ar5^2]1", "[ar6^2]1[ar6^2][ar6^2][ar6^2][ar6^2][ar6^2]1")
)
DOUBLE_BOND = Chem.MolFromSmarts("[C;X3;^2](*)(*)=[C;X3;^2](*)(*)")

MAX_SWAPS = 20_000
"""Symmetries of a molecule that are tried before a difference by atoms' names is taken for a real one."""

Molecule = Any
"""An RDKit molecule: RDKit has no annotations."""


class Centre(NamedTuple):
    """A stereocentre: the sign of the triple product of the vectors to three neighbours, in their order.

    Where the input leaves the centre open it is the sign of R, and 0 if that hangs on other centres.
    """

    atom: int
    neighbours: tuple[int, int, int]
    sign: int


class DoubleBond(NamedTuple):
    """A double bond and a substituent at each end of it: whether these are trans."""

    atoms: tuple[int, int, int, int]
    trans: bool


@dataclass(frozen=True)
class Stereo:
    """What is known of a molecule's stereochemistry, by places of atoms; ``open`` are centres left open."""

    centres: tuple[Centre, ...] = ()
    double_bonds: tuple[DoubleBond, ...] = ()
    open: tuple[Centre, ...] = ()


@dataclass(frozen=True, eq=False)
class Template:
    """A residue or ligand by its heavy atoms, whose places in ``names`` all else refers to.

    ``elements`` are atomic numbers, ``edges`` all bonds. ``bonds``, ``angles`` and ``far`` are pairs one, two
    and more bonds apart. ``rings`` are aromatic, ``planes`` those of C=C. ``molecule`` has these atoms, in
    this order.
    """

    names: tuple[str, ...]
    elements: Ints
    edges: Ints
    bonds: Lengths
    angles: Lengths
    far: Lengths
    stereo: Stereo
    rings: tuple[tuple[int, ...], ...]
    planes: tuple[tuple[int, ...], ...]
    molecule: Molecule = field(repr=False)

    @cached_property
    def places(self) -> dict[str, int]:
        """The place of each atom by its name."""
        return {name: at for at, name in enumerate(self.names)}

    @cached_property
    def swaps(self) -> Ints:
        """Symmetries of the graph, that of no change first: a row says which atom takes the place of each."""
        maps = self.molecule.GetSubstructMatches(self.molecule, uniquify=False, maxMatches=MAX_SWAPS)
        return np.array([range(len(self.names)), *maps], dtype=int)


def heavy(molecule: Molecule, *, leaving: bool = True) -> list[int]:
    """Return the atoms that Boltz-2 predicts: no hydrogen; in a polymer, nor ``leaving`` ones."""
    atoms = [atom for atom in molecule.GetAtoms() if atom.GetAtomicNum() != HYDROGEN]
    if leaving or len(atoms) == 1:
        return [atom.GetIdx() for atom in atoms]
    return [atom.GetIdx() for atom in atoms if not _leaves(atom)]


def _leaves(atom: Any) -> bool:  # noqa: ANN401 (RDKit has no annotations)
    return atom.HasProp("leaving_atom") and bool(int(atom.GetProp("leaving_atom")))


def template(molecule: Molecule, kept: Sequence[int], stereo: Stereo, *, whole: bool) -> Template:
    """Return the template of the ``kept`` atoms of a molecule that has its hydrogens, named by ``name``.

    ``stereo`` refers to places among the kept. Pairs far apart are those of a ``whole`` molecule, which is
    no residue of a polymer. Raises UncheckedError where RDKit knows no lengths.
    """
    place = {index: at for at, index in enumerate(kept)}
    atoms = [molecule.GetAtomWithIdx(index) for index in kept]
    alone = _alone(molecule, kept)
    bonds, angles, far = lengths(molecule, place, whole=whole)
    return Template(
        names=tuple(atom.GetProp("name") for atom in atoms),
        elements=np.array([atom.GetAtomicNum() for atom in atoms]),
        edges=np.array(
            [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in alone.GetBonds()], dtype=int
        ).reshape(-1, 2),
        bonds=bonds,
        angles=angles,
        far=far,
        stereo=stereo,
        rings=tuple(match for ring in RINGS for match in _matches(molecule, ring, place)),
        planes=tuple(_matches(molecule, DOUBLE_BOND, place)),
        molecule=alone,
    )


def _alone(molecule: Molecule, kept: Sequence[int]) -> Molecule:
    """Return the kept atoms alone, in their order."""
    rest = [index for index in range(molecule.GetNumAtoms()) if index not in set(kept)]
    reduced = Chem.RWMol(Chem.RenumberAtoms(molecule, [*kept, *rest]))
    reduced.BeginBatchEdit()
    for index in range(len(kept), reduced.GetNumAtoms()):
        reduced.RemoveAtom(index)
    reduced.CommitBatchEdit()
    return reduced.GetMol()


def _matches(molecule: Molecule, pattern: Molecule, place: dict[int, int]) -> list[tuple[int, ...]]:
    """Return the matches of a pattern that are of kept atoms and of no metal, by place."""

    def known(match: Collection[int]) -> bool:
        numbers = {molecule.GetAtomWithIdx(index).GetAtomicNum() for index in match}
        return place.keys() >= set(match) and not numbers & METALS

    found = molecule.GetSubstructMatches(pattern)
    return [tuple(place[index] for index in match) for match in found if known(match)]
