"""Which token of Boltz-2 is what: pLDDT and PAE are per token, a person thinks in chains, residues and atoms.

A standard residue is one token; any other residue, and a ligand, is one token per heavy atom (Boltz 2.2.1,
boltz/data/tokenize/boltz2.py).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import gemmi

from inputs.residues import STANDARD


class Token(NamedTuple):
    """A token: its chain, and what a person calls it, such as ``LEU 12`` or ``LIG 1 C5``."""

    chain: str
    name: str


def tokens(structure: Path) -> list[Token]:
    """List the tokens of a predicted structure, mmCIF or PDB, in Boltz-2's order."""
    [model] = gemmi.read_structure(str(structure))
    return [token for chain in model for residue in chain for token in _of(chain, residue)]


def _of(chain: gemmi.Chain, residue: gemmi.Residue) -> Iterator[Token]:
    name = f"{residue.name} {residue.seqid.num}"
    if residue.name in STANDARD:
        yield Token(chain.name, name)
    else:
        yield from (Token(chain.name, f"{name} {atom.name}") for atom in residue)
