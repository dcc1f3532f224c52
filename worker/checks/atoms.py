"""A structure file and the document that it is of, as arrays of atoms.

Residues are known by chain and number, as the document counts them: what the file calls them depends on its
format. Elements are those of the molecules: Boltz 2.2.1 guesses those of the file from atoms' names.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import gemmi
import numpy as np

from inputs.grammar import BoltzInput, Ligand, Polymer, Protein
from inputs.tokens import residues
from worker.checks.found import Bools, Floats, Ints, UncheckedError
from worker.checks.molecules import Molecules
from worker.checks.templates import Template

Kind = Literal["protein", "nucleic", "ligand"]
Spot = tuple[str, int]
"""Chain and number of a residue."""


class Wanted(NamedTuple):
    """A residue that a document asks for."""

    chain: str
    number: int
    name: str
    kind: Kind
    template: Template

    def __str__(self) -> str:
        return f"{self.chain} {self.name} {self.number}"


class Placed(NamedTuple):
    """A residue as a file has it: atoms by name, in angstrom."""

    chain: str
    number: int
    atoms: Mapping[str, Sequence[float]]


class Residue(NamedTuple):
    """A residue of the structure: its atoms begin at ``start``, in the order of the template."""

    wanted: Wanted
    start: int

    def atom(self, name: str) -> int | None:
        """Return the atom of this name, None if there is none."""
        at = self.wanted.template.places.get(name)
        return None if at is None else self.start + at

    @property
    def atoms(self) -> range:
        """Its atoms."""
        return range(self.start, self.start + len(self.wanted.template.names))


@dataclass(frozen=True)
class Group:
    """All residues of one template, and the first atom of each."""

    template: Template
    residues: Sequence[Residue]

    @cached_property
    def starts(self) -> Ints:
        """First atom of each residue."""
        return np.array([residue.start for residue in self.residues])

    def places(self, within: Ints) -> Ints:
        """Return atoms of each residue by their places in the template; the first axis is the residue."""
        return self.starts.reshape(-1, *[1] * within.ndim) + within


@dataclass(frozen=True, eq=False)
class Atoms:
    """A structure: ``places`` in angstrom and ``elements`` by atom, ``residue`` the number of its residue."""

    residues: Sequence[Residue]
    places: Floats
    elements: Ints
    residue: Ints

    @cached_property
    def groups(self) -> list[Group]:
        """Residues by template."""
        found: dict[int, list[Residue]] = defaultdict(list)
        for residue in self.residues:
            found[id(residue.wanted.template)].append(residue)
        return [Group(each[0].wanted.template, each) for each in found.values()]

    @cached_property
    def spots(self) -> dict[Spot, Residue]:
        """Residues by chain and number."""
        return {(residue.wanted.chain, residue.wanted.number): residue for residue in self.residues}

    @cached_property
    def chains(self) -> dict[str, list[Residue]]:
        """Residues by chain."""
        found: dict[str, list[Residue]] = defaultdict(list)
        for residue in self.residues:
            found[residue.wanted.chain].append(residue)
        return found

    @cached_property
    def chain(self) -> Ints:
        """The chain of each atom, by its place in ``chains``."""
        at = {chain: place for place, chain in enumerate(self.chains)}
        return np.array([at[residue.wanted.chain] for residue in self.residues], dtype=int)[self.residue]

    @cached_property
    def in_ligand(self) -> Bools:
        """Whether each atom is of a ligand."""
        ligand = np.array([residue.wanted.kind == "ligand" for residue in self.residues], dtype=bool)
        return ligand[self.residue]

    def of(self, atom: int) -> tuple[Wanted, str]:
        """Return the residue that an atom is of, and the atom's name."""
        residue = self.residues[self.residue[atom]]
        return residue.wanted, residue.wanted.template.names[atom - residue.start]

    def label(self, atom: int) -> str:
        """Return what people call an atom, such as ``A PHE 30 CA``."""
        wanted, name = self.of(atom)
        return f"{wanted} {name}"


def kinds(document: BoltzInput) -> dict[str, Kind]:
    """Return the kind of each chain."""
    return {chain: _kind(entry.molecule) for entry in document.sequences for chain in entry.molecule.id}


def cyclic(document: BoltzInput) -> list[str]:
    """Return the chains whose last residue is bound to the first."""
    rings = (entry.molecule for entry in document.sequences)
    return [chain for each in rings if isinstance(each, Polymer) and each.cyclic for chain in each.id]


def wanted(document: BoltzInput, molecules: Molecules) -> tuple[list[Wanted], list[str]]:
    """Return the residues of a document, and in words which of them cannot be checked."""
    found: list[Wanted] = []
    unknown: list[str] = []
    for entry in document.sequences:
        molecule = entry.molecule
        for number in range(1, residues(molecule) + 1):
            name = molecules.name(molecule, number)
            try:
                template = molecules.template(molecule, number)
            except UncheckedError as error:
                unknown += [f"{chain} {name} {number}: {error}" for chain in molecule.id]
            else:
                found += [Wanted(chain, number, name, _kind(molecule), template) for chain in molecule.id]
    return found, unknown


def _kind(molecule: Polymer | Ligand) -> Kind:
    if isinstance(molecule, Ligand):
        return "ligand"
    return "protein" if isinstance(molecule, Protein) else "nucleic"


def read(path: Path) -> list[Placed]:
    """Return the residues of a structure file, mmCIF or PDB, in its order. Raises UncheckedError."""
    try:
        [model] = gemmi.read_structure(str(path))
    except Exception as error:  # whatever a reader raises
        raise UncheckedError(f"{path.name} cannot be read") from error
    return [
        Placed(chain.name, residue.seqid.num, {atom.name: atom.pos.tolist() for atom in residue})
        for chain in model
        for residue in chain
    ]


def assembled(placed: Sequence[Placed], expected: Sequence[Wanted]) -> tuple[Atoms, list[str]]:
    """Return the atoms of the residues that are as expected, and in words which are not."""
    spots = {(each.chain, each.number): each.atoms for each in placed}
    found: list[Residue] = []
    places: list[Sequence[float]] = []
    unlike: list[str] = []
    for each in sorted(expected, key=_chain_order(expected)):
        atoms, names = spots.get((each.chain, each.number), {}), each.template.names
        if len(atoms) != len(names) or not all(name in atoms for name in names):
            unlike.append(f"{each} {_difference(atoms, names)}")
            continue
        found.append(Residue(each, len(places)))
        places += [atoms[name] for name in names]
    return _arrays(found, places), unlike


def _chain_order(expected: Sequence[Wanted]) -> Callable[[Wanted], tuple[int, int]]:
    """Return a key that puts residues of a chain together, in the order of the document."""
    order = {chain: at for at, chain in enumerate(dict.fromkeys(each.chain for each in expected))}
    return lambda each: (order[each.chain], each.number)


def _difference(atoms: Mapping[str, object], names: Sequence[str]) -> str:
    lacking = [name for name in names if name not in atoms]
    if lacking:
        return f"lacks {', '.join(lacking[:3])}"
    more = [name for name in atoms if name not in names]
    return f"has {', '.join(more[:3])}, which are not its own"


def _arrays(found: Sequence[Residue], places: Sequence[Sequence[float]]) -> Atoms:
    sizes = [len(residue.atoms) for residue in found]
    elements = [residue.wanted.template.elements for residue in found]
    return Atoms(
        found,
        np.array(places, dtype=float).reshape(-1, 3),
        np.concatenate([np.zeros(0, dtype=int), *elements]),
        np.repeat(np.arange(len(found)), sizes),
    )
