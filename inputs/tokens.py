"""Residues, atoms and tokens of a molecule in Boltz-2 2.2.1, and its names of the atoms.

A token is a residue of a polymer, modified or not, or an atom of a ligand (boltz/data/tokenize/boltz2.py).
Hydrogens are never there; nor, in a polymer, what a residue loses when it is bound.
"""

from inputs.ccd import component
from inputs.grammar import BoltzInput, Dna, Ligand, Polymer, Protein
from inputs.residues import AMINO_ACIDS, UNKNOWN_AMINO_ACID
from inputs.smiles import ParsedSmiles, read_smiles

_UNKNOWN = ("N", "CA", "C", "O", "CB")
"""Atoms of a residue that Boltz does not know; the dictionary's UNK has one more."""


def count_tokens(document: BoltzInput) -> int:
    """Return the number of tokens of all chains: memory and time of a prediction grow with it."""
    molecules = (entry.molecule for entry in document.sequences)
    return sum(len(molecule.id) * _tokens(molecule) for molecule in molecules)


def _tokens(molecule: Polymer | Ligand) -> int:
    if isinstance(molecule, Polymer):
        return len(molecule.sequence)
    return sum(len(atoms(molecule, residue)) for residue in range(1, residues(molecule) + 1))


def residues(molecule: Polymer | Ligand) -> int:
    """Return the number of residues; a SMILES is one, and so is each CCD code."""
    if isinstance(molecule, Polymer):
        return len(molecule.sequence)
    return len(molecule.ccd or ("",))


def atoms(molecule: Polymer | Ligand, residue: int) -> tuple[str, ...]:
    """Return the names of the atoms of a residue, which counts from 1."""
    if isinstance(molecule, Polymer):
        return _bound(residue_code(molecule, residue))
    if molecule.ccd:
        return component(molecule.ccd[residue - 1]).names
    return read_valid(molecule).names


def read_valid(ligand: Ligand) -> ParsedSmiles:
    """Return the molecule of a SMILES that the grammar has accepted. Raises TypeError for another."""
    molecule = read_smiles(ligand.smiles or "")
    if not isinstance(molecule, ParsedSmiles):
        raise TypeError(f"{ligand.smiles!r} was accepted, and cannot be read: {molecule}")
    return molecule


def residue_code(polymer: Polymer, residue: int) -> str:
    """Return the code, in the CCD, of a residue, which counts from 1."""
    return polymer.modified.get(residue) or _standard(polymer, polymer.sequence[residue - 1])


def _standard(polymer: Polymer, letter: str) -> str:
    if isinstance(polymer, Protein):
        return AMINO_ACIDS.get(letter, UNKNOWN_AMINO_ACID)
    return f"D{letter}" if isinstance(polymer, Dna) else letter


def _bound(code: str) -> tuple[str, ...]:
    if code == "UNK":
        return _UNKNOWN
    return component("MET" if code == "MSE" else code).bound  # as Boltz has it
