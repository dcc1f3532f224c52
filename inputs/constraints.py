"""Checks that constraints name chains of the file, and residues and atoms of these chains.

Boltz 2.2.1 fails on an atom that it does not know, and drops a residue behind the end without a word.
"""

import difflib
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from inputs.grammar import BoltzInput, Constraint, Entry
from inputs.tokens import atoms, residues
from inputs.tree import Diagnostic, Loc, shorten

MAX_SUGGESTED = 50
"""Most chain ids that an unknown one is compared with; bounds the time when both are thousands."""


class Mention(NamedTuple):
    """A chain, residue or atom that a constraint names, and its place in the document.

    A ligand's atom in a pocket or contact is of the ligand's first residue: Boltz looks nowhere else.
    """

    loc: Loc
    chain: str
    residue: int | None = None
    atom: str | None = None


def constraints(document: BoltzInput) -> Iterator[Diagnostic]:
    """Require chains of the file, residues by number, a ligand's atoms by name, and two different ends."""
    known = chains(document)
    renamed = {wanted.affinity.binder for wanted in document.properties if wanted.affinity}
    for mention in mentions(document):
        entry = known.get(mention.chain)
        if entry is None:
            # a binder stands alone; all others begin a list
            loc = mention.loc if mention.loc[-1] == "binder" else (*mention.loc, 0)
            yield unknown_chain(loc, mention.chain, known)
        elif mention.residue is not None or mention.atom is not None:
            # Boltz standardises a SMILES for the affinity, after which its atoms may have other names.
            yield from _spot(mention, entry, named=not (mention.chain in renamed and _has_smiles(entry)))
    for at, constraint in enumerate(document.constraints):
        yield from _ends(("constraints", at, constraint.kind), constraint)


def chains(document: BoltzInput) -> dict[str, Entry]:
    """Return the entry of each chain id."""
    return {chain: entry for entry in document.sequences for chain in entry.molecule.id}


def unknown_chain(loc: Loc, chain: str, known: dict[str, Entry]) -> Diagnostic:
    """Return the problem of a chain id that no entry has."""
    some = list(islice(known, MAX_SUGGESTED))
    near = difflib.get_close_matches(chain, some, n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    remedy = f"{hint}Chains of this file: {shorten(', '.join(some), 200)}."
    return Diagnostic(f"names chain {shorten(chain, 40)}, which is not in sequences", remedy, loc, chain)


def mentions(document: BoltzInput) -> Iterator[Mention]:
    """Yield what constraints name, in document order."""
    for at, constraint in enumerate(document.constraints):
        for mention in _mentions(constraint):
            yield mention._replace(loc=("constraints", at, constraint.kind, *mention.loc))


def _mentions(constraint: Constraint) -> Iterator[Mention]:
    if bond := constraint.bond:
        yield Mention(("atom1",), *bond.atom1)
        yield Mention(("atom2",), *bond.atom2)
    if pocket := constraint.pocket:
        yield Mention(("binder",), pocket.binder)
        yield from (_token(("contacts", at), *token) for at, token in enumerate(pocket.contacts))
    if contact := constraint.contact:
        yield _token(("token1",), *contact.token1)
        yield _token(("token2",), *contact.token2)


def _token(loc: Loc, chain: str, spot: int | str) -> Mention:
    return Mention(loc, chain, atom=spot) if isinstance(spot, str) else Mention(loc, chain, spot)


def _has_smiles(entry: Entry) -> bool:
    return entry.ligand is not None and entry.ligand.smiles is not None


def _spot(mention: Mention, entry: Entry, *, named: bool) -> Iterator[Diagnostic]:
    loc, chain, residue, atom = mention
    count = residues(entry.molecule)
    if residue is None and not entry.ligand:
        what = f"is an atom name, but chain {chain} is a {entry.kind} chain"
        yield Diagnostic(what, "Give a residue number, without quotes.", (*loc, 1), atom)
    elif atom is None and entry.ligand:
        what = f"is a number, but chain {chain} is a ligand"
        yield Diagnostic(what, 'Name an atom in quotes, such as "C1".', (*loc, 1), str(residue))
    elif residue is not None and residue > count:
        what = f"is {residue}, but chain {chain} has {count} residue{'s' * (count > 1)}"
        remedy = f"Give a residue from 1 to {count}." if count > 1 else "Give residue 1."
        yield Diagnostic(what, remedy, (*loc, 1), str(residue))
    elif atom is not None and named:
        yield from _atom((*loc, 1 if residue is None else 2), atom, atoms(entry.molecule, residue or 1))


def _atom(loc: Loc, atom: str, names: tuple[str, ...]) -> Iterator[Diagnostic]:
    if atom not in names:
        near = next((name for name in names if name == atom.upper().replace("*", "'")), None)
        hint = f"Did you mean {near}? " if near else ""
        what = f"is {atom}, no atom that Boltz-2 has in this residue (it leaves hydrogens out)"
        yield Diagnostic(what, f"{hint}Its atoms: {shorten(', '.join(names), 300)}.", loc, atom)


def _ends(loc: Loc, constraint: Constraint) -> Iterator[Diagnostic]:
    bond, pocket, contact = constraint.bond, constraint.pocket, constraint.contact
    if bond and bond.atom1 == bond.atom2:
        yield Diagnostic("is the same atom as atom1", "Name the other atom.", (*loc, "atom2"))
    if contact and contact.token1 == contact.token2:
        yield Diagnostic("is the same as token1", "Name the other residue or atom.", (*loc, "token2"))
    for at, (chain, _) in enumerate(pocket.contacts if pocket else ()):
        if pocket and chain == pocket.binder:
            what = f"is of chain {chain}, which is the binder itself"
            yield Diagnostic(
                what, "Name residues that it binds to; within a chain use `contact`.", (*loc, "contacts", at)
            )
