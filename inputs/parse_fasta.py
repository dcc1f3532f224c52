"""Reads FASTA as Boltz does (Biopython's SeqIO): ``>ID|TYPE|MSA``, TYPE protein, dna, rna, ccd or smiles.

The identifier is the header up to its first blank; sequence lines are joined and their spaces removed. Text
before the first ``>``, which SeqIO skips without a word, is refused.
"""

import difflib
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from inputs.tree import MAX_PROBLEMS, Diagnostic, Loc, Place, Tree, UnreadableError, shorten

MAX_RECORDS = 1_000
"""Most chains in one file; more than fit on any device."""

_KEYS = {
    "protein": ("protein", "sequence"),
    "dna": ("dna", "sequence"),
    "rna": ("rna", "sequence"),
    "ccd": ("ligand", "ccd"),
    "smiles": ("ligand", "smiles"),
}
_HEADER = "Write the header as `>ID|TYPE`, or `>ID|protein|MSA`, with TYPE one of " + ", ".join(_KEYS) + "."


class _Record(NamedTuple):
    """One record: its fields between bars, its sequence, and the line of its header."""

    fields: list[str]
    sequence: str
    line: int

    @property
    def kind(self) -> str:
        """Type of the molecule, in lower case: Boltz ignores the case."""
        return self.fields[1].lower()


def read_fasta(text: str) -> Tree:
    """Parse records into the same tree that the YAML form makes; lines end with a line feed.

    Raises UnreadableError with every record whose header Boltz would refuse or would read only in part.
    """
    records = _records(text)
    found = (problem for index, record in enumerate(records) for problem in _check(index, record))
    if problems := tuple(islice(found, MAX_PROBLEMS + 1)):
        raise UnreadableError(*problems)
    places: dict[Loc, Place] = {(): Place(1, 1)}
    places |= {("sequences", index): Place(record.line, 1) for index, record in enumerate(records)}
    return Tree({"sequences": [_entry(record) for record in records]}, places)


def _records(text: str) -> list[_Record]:
    before, *chunks = f"\n{text}".split("\n>")
    if before.strip():
        what = "has text before its first header, which Boltz-2 would skip"
        raise UnreadableError(Diagnostic(what, "Begin the file with `>`.", value=shorten(before.strip())))
    if not 0 < len(chunks) <= MAX_RECORDS:
        what = f"holds {len(chunks)} records"
        raise UnreadableError(Diagnostic(what, f"{_HEADER} A file holds 1 to {MAX_RECORDS} of them."))
    return list(_numbered(chunks, before.count("\n") + 1))


def _numbered(chunks: list[str], line: int) -> Iterator[_Record]:
    for chunk in chunks:
        title, *lines = chunk.split("\n")
        words = title.split(maxsplit=1)
        sequence = "".join(part.rstrip() for part in lines).replace(" ", "")
        yield _Record(words[0].split("|") if words else [""], sequence, line)
        line += len(lines) + 1


def _entry(record: _Record) -> dict[str, object]:
    kind, key = _KEYS[record.kind]
    molecule = {"id": record.fields[0], key: record.sequence}
    if record.fields[2:] and record.fields[2]:
        molecule["msa"] = record.fields[2]
    return {kind: molecule}


def _check(index: int, record: _Record) -> Iterator[Diagnostic]:
    what, remedy = _complaint(record)
    if what:
        header = shorten("|".join(record.fields))
        yield Diagnostic(what, remedy, ("sequences", index), f">{header}", Place(record.line, 1))


def _complaint(record: _Record) -> tuple[str, str]:
    fields = record.fields
    if len(fields) == 1:
        return "has a header without a type", _HEADER
    if record.kind not in _KEYS:
        near = difflib.get_close_matches(record.kind, _KEYS, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        return f"has the unknown type {shorten(fields[1], 40)!r}", hint + _HEADER
    if len(fields) > len(("id", "type", "msa")):
        return "has a header of more than three fields, whose MSA Boltz-2 would ignore", _HEADER
    if fields[2:] and fields[2] and record.kind != "protein":
        return (
            "names an MSA, which only a protein can have",
            f"Write `>{shorten(fields[0], 40)}|{record.kind}`.",
        )
    return "", ""
