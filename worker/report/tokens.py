"""Which token of Boltz-2 is what: pLDDT and PAE are per token, a person thinks in chains, residues and atoms.

A residue of a polymer is one token, modified or not; a ligand is one token per heavy atom, whatever its code
(Boltz 2.2.1, boltz/data/tokenize/boltz2.py).
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import gemmi


class Token(NamedTuple):
    """A token: its chain, and what a person calls it, such as ``LEU 12`` or ``LIG 1 C5``."""

    chain: str
    name: str


def tokens(structure: Path, polymers: Collection[str]) -> list[Token]:
    """List the tokens of a predicted structure, mmCIF or PDB, in Boltz-2's order.

    ``polymers`` are the ids of the chains that are no ligands: the file alone does not tell them apart.
    """
    [model] = gemmi.read_structure(str(structure))
    return [
        Token(chain.name, name)
        for chain in model
        for residue in chain
        for name in _names(residue, whole=chain.name in polymers)
    ]


def _names(residue: gemmi.Residue, *, whole: bool) -> Iterator[str]:
    name = f"{residue.name} {residue.seqid.num}"
    if whole:
        yield name
    else:
        yield from (f"{name} {atom.name}" for atom in residue)
