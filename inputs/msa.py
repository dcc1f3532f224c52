"""Checks that Boltz 2.2.1 uses an alignment for the chains that name it.

Where the first row, the query, is not the chain's sequence, Boltz predicts without the MSA and only prints
so; a row of another width shifts its residues to wrong columns. Formats: a3m as Boltz reads it, where every
line that is neither empty nor begins with # or > is a row; CSV with the columns ``key`` and ``sequence`` in
any order. In a row, small letters are insertions and take no column, and - is a gap. Boltz stops reading
after 8,192 rows that differ, and so do we.
"""

import csv
import io
import posixpath
import re
import string
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from inputs.grammar import BoltzInput, Protein
from inputs.residues import AMINO_ACIDS
from inputs.suffixes import kind
from inputs.tree import dotted, shorten
from schemas.failure import Code, Failure

MAX_ROWS = 8192
"""Most different rows that are used: --max_msa_seqs of `boltz predict`, also the limit of pairing."""

MAX_READ = 1_000_000
"""Most rows that are read: an alignment that has 8,192 different ones has them before."""

_NOT_OF_A_ROW = re.compile("[^A-Za-z-]", re.ASCII)
_INSERTIONS = str.maketrans("", "", string.ascii_lowercase)
_UNKNOWN = "X"
_ONE_TOKEN = str.maketrans("BJOUZ", _UNKNOWN * 5)  # Boltz has one token for all unknown residues
_COLUMNS = ["key", "sequence"]
_LETTERS = {code: letter for letter, code in AMINO_ACIDS.items()} | {"MSE": "M"}
"""One-letter codes of the components that Boltz knows in a chain; a modification by another is unknown."""


class _Row(NamedTuple):
    """A row as it is written, and the line where it ends."""

    text: str
    line: int

    @property
    def columns(self) -> str:
        """The row without its insertions."""
        return self.text.translate(_INSERTIONS)


class _WrongError(Exception):
    """The file is not an alignment of a chain; ``what`` completes a sentence that begins with the file."""

    def __init__(self, what: str, remedy: str, field: str | None = None) -> None:
        super().__init__(what)
        self.what, self.remedy, self.field = what, remedy, field

    def of(self, file: str) -> Failure:
        """Return the failure for the person who uploaded the file."""
        message = f"The MSA {shorten(file, 300)} {self.what}."
        return Failure(
            code=Code.INVALID_INPUT, message=message, field=self.field, value=file, remedy=self.remedy
        )


def can_share(one: str, other: str) -> bool:
    """Return whether two chains, given by their `letters`, can have the same query."""
    return len(one) == len(other) and all(
        _UNKNOWN in pair for pair in zip(one, other, strict=True) if len(set(pair)) > 1
    )


def same_residues(row: str, sequence: str) -> bool:
    """Return whether a row is a protein's sequence to Boltz, which has one token for all unknown residues."""
    return row.translate(_ONE_TOKEN) == sequence.translate(_ONE_TOKEN)


def check_beginning(file: str, content: bytes, document: BoltzInput, *, whole: bool) -> Failure | None:
    """Check the query of the MSA ``file``, named as `references` does, if the content reaches so far."""
    text = content.decode(errors="replace")
    seen = text if whole else text[: text.rfind("\n") + 1]
    try:
        query = next(_rows(file, io.StringIO(seen, newline=None)), None)
        if query or whole:
            _check_query(file, query, document)
    except _WrongError as wrong:
        return wrong.of(file)
    return None


def check_file(file: str, lines: Iterable[str], document: BoltzInput) -> Failure | None:
    """Check all that Boltz reads of the MSA: its query, and letters and width of each row."""
    try:
        rows = _rows(file, lines)
        query = _check_query(file, next(rows, None), document)
        _check_width(query, rows)
    except _WrongError as wrong:
        return wrong.of(file)
    except UnicodeDecodeError:
        return _WrongError("is not UTF-8 text", "Save it as plain text in UTF-8, and upload it again.").of(
            file
        )
    return None


def _rows(file: str, lines: Iterable[str]) -> Iterator[_Row]:
    for row in _csv_rows(lines) if kind(file).format == "CSV" else _a3m_rows(lines):
        yield _spelt(row)


def _spelt(row: _Row) -> _Row:
    if found := _NOT_OF_A_ROW.search(row.text):
        raise _WrongError(
            f"has {found[0]!a} at position {found.start() + 1} of the row in line {row.line}",
            "Write rows in the letters A to Z, with - for a gap and small letters for insertions.",
        )
    return row


def _a3m_rows(lines: Iterable[str]) -> Iterator[_Row]:
    named = False
    for number, line in enumerate(lines, 1):
        text = line.strip()
        named = named or text.startswith(">")
        if text and text[0] not in "#>":
            if not named:
                raise _unnamed(_spelt(_Row(text, number)))
            yield _Row(text, number)


def _unnamed(row: _Row) -> _WrongError:
    """Return the error of a row without a header: Boltz keeps each row with what its header says."""
    remedy = "Begin the file with a line that begins with > and names the first row."
    return _WrongError(f"has a row in line {row.line} before any header", remedy)


def _csv_rows(lines: Iterable[str]) -> Iterator[_Row]:
    records = csv.reader(lines)
    try:
        filled = (record for record in records if record)
        head = next(filled, _COLUMNS)
        if sorted(head) != _COLUMNS:
            raise _columns(f"begins with {shorten(','.join(head))!r}")
        for record in filled:
            if len(record) != len(head) or not record[head.index("sequence")]:
                raise _columns(f"has no key and sequence in line {records.line_num}")
            yield _Row(record[head.index("sequence")].strip(), records.line_num)
    except csv.Error as error:
        raise _columns(f"is no CSV in line {records.line_num} ({error})") from error


def _columns(what: str) -> _WrongError:
    return _WrongError(what, "Begin the file with the line `key,sequence`, and give each further line both.")


def _check_query(file: str, query: _Row | None, document: BoltzInput) -> _Row:
    if query is None:
        raise _WrongError(
            "holds no row", "Give the chain's own sequence as its first row, or write `msa: empty`."
        )
    columns = query.columns  # a row of insertions alone may be as long as the file
    for at, entry in enumerate(document.sequences):
        if entry.protein and entry.protein.msa and posixpath.normpath(entry.protein.msa) == file:
            _compare(query, columns, entry.protein, dotted(("sequences", at, "protein", "msa")))
    return query


def _compare(query: _Row, columns: str, chain: Protein, field: str) -> None:
    """Raise _WrongError unless, as in Boltz, all differences are unknown residues, or all X for M (MSE)."""
    ours, theirs = letters(chain), columns.translate(_ONE_TOKEN)
    differing = [at for at, pair in enumerate(zip(ours, theirs, strict=False)) if len(set(pair)) > 1]
    if len(ours) != len(theirs):
        at = differing[0] if differing else min(len(ours), len(theirs))
        what = f"has {len(theirs)} columns in its first row, but chain {chain.id[0]} has {len(ours)} residues"
        raise _WrongError(f"{what}; they differ from position {at + 1} on", _remedy(query, chain), field)
    pairs = {(ours[at], theirs[at]) for at in differing}
    if pairs - {("M", _UNKNOWN)} and any(residue != _UNKNOWN for residue, _ in pairs):
        at = next(at for at in differing if ours[at] != _UNKNOWN)
        what = f"has {columns[at]} at position {at + 1} of its first row, where chain {chain.id[0]} has"
        raise _WrongError(f"{what} {ours[at]}", _remedy(query, chain), field)


def letters(chain: Protein) -> str:
    """Return a chain's sequence in the letters that Boltz knows, modified residues included."""
    modified = {at: _LETTERS.get(code, _UNKNOWN) for at, code in chain.modified.items()}
    known = chain.sequence.translate(_ONE_TOKEN)
    return "".join(modified.get(at, letter) for at, letter in enumerate(known, 1))


def _remedy(query: _Row, chain: Protein) -> str:
    capitals = "in capitals, since small letters are insertions" if query.text != query.columns else "whole"
    return (
        f"Make the first row the sequence of chain {chain.id[0]}, {capitals}, on one line; or name the MSA "
        "that was made for this chain."
    )


def _check_width(query: _Row, rows: Iterable[_Row]) -> None:
    seen, width = {_identity(query)}, len(query.columns)
    for number, row in enumerate(rows, 2):
        if len(seen) == MAX_ROWS:
            return
        if number > MAX_READ:
            what = f"has more than {MAX_READ:,} rows, of which {len(seen):,} differ"
            raise _WrongError(
                what, f"Leave out rows that are there twice: Boltz-2 uses {MAX_ROWS:,} that differ."
            )
        if len(row.columns) != width:
            what = f"has {len(row.columns)} columns in line {row.line}, but {width} in its first row"
            remedy = "Give every row as many capitals and gaps as the first, each row on one line."
            raise _WrongError(what, remedy)
        seen.add(_identity(row))


def _identity(row: _Row) -> int:
    """Return a hash that is equal for rows that are duplicates to Boltz; it takes less memory than a row."""
    return hash(row.text.replace("-", "").upper())
