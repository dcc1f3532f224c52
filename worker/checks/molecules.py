"""The templates of a document's residues and ligands, each made once."""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rdkit import Chem

from inputs.ccd import component
from inputs.grammar import BoltzInput, Ligand, Polymer
from inputs.tokens import residue_code
from worker.checks import truth
from worker.checks.elements import HYDROGEN
from worker.checks.found import UncheckedError
from worker.checks.templates import Template, heavy, template

SAME_AS = {"MSE": "MET"}
"""What Boltz-2 builds in a polymer in place of another."""

UNKNOWN = {"UNK": ("N", "CA", "C", "O", "CB")}
"""Atoms of a residue that Boltz-2 does not know; the dictionary's UNK has one more."""

Molecule = Any
"""An RDKit molecule: RDKit has no annotations."""

Key = tuple[str, bool, str]
"""Code of a residue, whether it is one of a polymer, and its SMILES if it has one."""


class Molecules:
    """What Boltz-2 builds for each residue of a document, and what is true of it."""

    def __init__(self, document: BoltzInput, own: Path, components: Path) -> None:
        """``own`` is the pickle of the input's SMILES by code, ``components`` the folder of all others."""
        self._own, self._components = own, components
        self._codes = _ligand_codes(document)
        self._made: dict[Key, Template | UncheckedError] = {}

    def name(self, molecule: Polymer | Ligand, residue: int) -> str:
        """Return Boltz-2's code of a residue, which counts from 1."""
        if isinstance(molecule, Polymer):
            return residue_code(molecule, residue)
        return molecule.ccd[residue - 1] if molecule.ccd else self._codes[molecule.smiles or ""]

    def template(self, molecule: Polymer | Ligand, residue: int) -> Template:
        """Return the template of a residue, which counts from 1. Raises UncheckedError."""
        key = self.name(molecule, residue), isinstance(molecule, Polymer), _smiles(molecule)
        if key not in self._made:
            self._made[key] = self._make(*key)
        made = self._made[key]
        if isinstance(made, UncheckedError):
            raise made
        return made

    def _make(self, code: str, bound: bool, smiles: str) -> Template | UncheckedError:
        try:
            return self._of_smiles(code, smiles) if smiles else self._of_component(code, bound=bound)
        except UncheckedError as error:
            return error
        except (KeyError, RuntimeError, ValueError):  # RDKit's, of a molecule that it cannot work with
            return UncheckedError("its molecule has no names of atoms, or makes no sense to RDKit")

    def _of_component(self, code: str, *, bound: bool) -> Template:
        built = SAME_AS.get(code, code) if bound else code
        known = _unpickled(self._components / f"{built}.pkl")
        kept = heavy(known, leaving=not bound)
        if bound and code in UNKNOWN:
            kept = [index for index in kept if known.GetAtomWithIdx(index).GetProp("name") in UNKNOWN[code]]
        place = {index: at for at, index in enumerate(kept)}
        stereo = truth.of_component(known, place, component(built))
        return template(known, kept, stereo, whole=not bound)

    def _of_smiles(self, code: str, smiles: str) -> Template:
        own: Mapping[str, Molecule] = _unpickled(self._own)
        if code not in own:
            raise UncheckedError("Boltz-2 left no molecule of it")
        known = named_as(own[code], Chem.AddHs(Chem.MolFromSmiles(smiles)))
        kept = heavy(known)
        place = {index: at for at, index in enumerate(kept)}
        return template(known, kept, truth.of_smiles(known, place), whole=True)


def _smiles(molecule: Polymer | Ligand) -> str:
    return "" if isinstance(molecule, Polymer) else molecule.smiles or ""


def _ligand_codes(document: BoltzInput) -> dict[str, str]:
    """Return Boltz-2's code of each SMILES: it counts those that differ."""
    ligands = (entry.molecule for entry in document.sequences if entry.ligand)
    texts = dict.fromkeys(each.smiles for each in ligands if isinstance(each, Ligand) and each.smiles)
    return {smiles: f"LIG{count}" for count, smiles in enumerate(texts, start=1)}


def _unpickled(path: Path) -> Any:  # noqa: ANN401 (a molecule, or several by code)
    try:
        return pickle.loads(path.read_bytes())  # noqa: S301  Boltz-2's own files
    except FileNotFoundError as error:
        raise UncheckedError(f"{path.name} is not there") from error
    except Exception as error:  # whatever a reader of pickles raises
        raise UncheckedError(f"{path.name} cannot be read") from error


def named_as(boltz: Molecule, truth: Molecule) -> Molecule:
    """Give a molecule, which has its hydrogens, the names that Boltz-2's has, and return it.

    Boltz-2 standardises the ligand of an affinity, after which its atoms may have other names, charges and
    bonds: then their places in the graph tell. Raises UncheckedError where the graphs differ.
    """
    theirs = _heavy_atoms(boltz)
    match = _same_names(boltz, truth) or _same_graph(boltz, truth)
    for at, atom in zip(match, _heavy_atoms(truth), strict=True):
        atom.SetProp("name", theirs[at].GetProp("name"))
    return truth


def _same_names(boltz: Molecule, truth: Molecule) -> Sequence[int]:
    """Name a molecule as Boltz-2 does; return which of its atoms each is, nothing where the bonds differ."""
    for atom, rank in zip(truth.GetAtoms(), Chem.CanonicalRankAtoms(truth), strict=True):
        atom.SetProp("name", f"{atom.GetSymbol().upper()}{rank + 1}")
    if _bonds(truth) != _bonds(boltz):
        return ()
    names = [atom.GetProp("name") for atom in _heavy_atoms(boltz)]
    ours = [atom.GetProp("name") for atom in _heavy_atoms(truth)]
    return [names.index(name) for name in ours] if set(names) == set(ours) else ()


def _bonds(molecule: Molecule) -> set[frozenset[str]]:
    ends = ((bond.GetBeginAtom(), bond.GetEndAtom()) for bond in molecule.GetBonds())
    both = (pair for pair in ends if all(atom.GetAtomicNum() != HYDROGEN for atom in pair))
    return {frozenset(atom.GetProp("name") for atom in pair) for pair in both}


def _same_graph(boltz: Molecule, truth: Molecule) -> Sequence[int]:
    for orders in (True, False):
        graph = _graph(boltz, orders=orders)
        match: Sequence[int] = graph.GetSubstructMatch(_graph(truth, orders=orders))
        if match and len(match) == graph.GetNumAtoms():
            return match
    raise UncheckedError("Boltz-2 made another molecule of its SMILES")


def _heavy_atoms(molecule: Molecule) -> list[Any]:
    return [atom for atom in molecule.GetAtoms() if atom.GetAtomicNum() != HYDROGEN]


def _graph(molecule: Molecule, *, orders: bool) -> Molecule:
    """Return the heavy atoms and their bonds, without charges, and with orders of bonds if asked."""
    graph = Chem.RWMol()
    place = {atom.GetIdx(): graph.AddAtom(Chem.Atom(atom.GetAtomicNum())) for atom in _heavy_atoms(molecule)}
    for bond in molecule.GetBonds():
        one, other = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        if one in place and other in place:
            order = bond.GetBondType() if orders else Chem.BondType.SINGLE
            graph.AddBond(place[one], place[other], order)
    return graph.GetMol()
