"""Rows of an alignment, as Boltz 2.2.1 reads them.

Formats: a3m, where every line that is neither empty nor begins with # or > is a row; CSV with the columns
``key`` and ``sequence`` in any order. In a row, small letters are insertions and take no column, and - is a
gap. A byte order mark is no part of the first line.
"""

import csv
import re
import string
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from inputs.suffixes import kind
from inputs.tree import InputError, shorten
from schemas.failure import Code, Failure
from schemas.reason import reason

_NOT_OF_A_ROW = re.compile("[^A-Za-z-]", re.ASCII)
_INSERTIONS = str.maketrans("", "", string.ascii_lowercase)
_COLUMNS = ["key", "sequence"]


class Row(NamedTuple):
    """A row as it is written, the line where it ends, and its key, empty in an a3m."""

    text: str
    line: int
    key: str = ""

    @property
    def columns(self) -> str:
        """The row without its insertions."""
        return self.text.translate(_INSERTIONS)

    @property
    def identity(self) -> int:
        """A hash that is equal for rows that are duplicates to Boltz; it takes less memory than a row."""
        return hash(self.text.replace("-", "").upper())


class WrongMsaError(InputError):
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


def rows(file: str, lines: Iterable[str]) -> Iterator[Row]:
    """Yield the rows of a file, whose suffix tells its format. Raises WrongMsaError."""
    rest = iter(lines)
    first = next(rest, "").removeprefix("\ufeff")
    read = _csv_rows if kind(file).format == "CSV" else _a3m_rows
    for row in read(chain((first,), rest)):
        yield _spelt(row)


def _spelt(row: Row) -> Row:
    if found := _NOT_OF_A_ROW.search(row.text):
        raise WrongMsaError(
            f"has {found[0]!a} at position {found.start() + 1} of the row in line {row.line}",
            "Write rows in the letters A to Z, with - for a gap and small letters for insertions.",
        )
    return row


def _a3m_rows(lines: Iterable[str]) -> Iterator[Row]:
    named = False
    for number, line in enumerate(lines, 1):
        text = line.strip()
        named = named or text.startswith(">")
        if text and text[0] not in "#>":
            if not named:
                raise _unnamed(_spelt(Row(text, number)))
            yield Row(text, number)


def _unnamed(row: Row) -> WrongMsaError:
    """Return the error of a row without a header: Boltz keeps each row with what its header says."""
    remedy = "Begin the file with a line that begins with > and names the first row."
    return WrongMsaError(f"has a row in line {row.line} before any header", remedy)


def _csv_rows(lines: Iterable[str]) -> Iterator[Row]:
    records = csv.reader(lines)
    try:
        filled = (record for record in records if record)
        head = next(filled, _COLUMNS)
        if sorted(head) != _COLUMNS:
            raise _columns(f"begins with {shorten(','.join(head))!r}")
        at = head.index("sequence")
        for record in filled:
            if len(record) != len(head) or not record[at]:
                raise _columns(f"has no key and sequence in line {records.line_num}")
            yield Row(record[at].strip(), records.line_num, record[1 - at].strip())
    except csv.Error as error:
        raise _columns(f"is no CSV in line {records.line_num} ({reason(error)})") from error


def _columns(what: str) -> WrongMsaError:
    return WrongMsaError(
        what, "Begin the file with the line `key,sequence`, and give each further line both."
    )
