"""Pairing of a user's alignments: rows of one organism in several chains become rows of the complex.

Boltz-2 pairs the rows of CSV files that have the same key, and never those of a3m files. As in the greedy
pairing of MMseqs2, the first row of each organism is paired: the best hit of a search. An organism is
told by its NCBI taxonomy id in the header (``TaxID=9606`` of UniRef, ``OX=9606`` of UniProt), else by the
species of a UniProt entry name (``HBA_HUMAN``).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from inputs.alignments import MAX_PAIRED, MAX_ROWS

MAX_PAIRS = MAX_PAIRED - 1
"""Organisms that are paired, beside the query, which is paired with the other queries."""

_TAXON = re.compile(r"\b(?:TaxID|OX|taxid)[=:](\d+)")
_SPECIES = re.compile(r"(?:^|[|\s=])[A-Z0-9]{1,10}_([A-Z][A-Z0-9]{2,4})(?![A-Z0-9])")
"""Those that begin with 9 are groups of species, and pair nothing."""


class Row(NamedTuple):
    """A row of an alignment, and its organism, None where the header names none."""

    text: str
    organism: str | None


class Paired(NamedTuple):
    """An alignment as Boltz-2's CSV; how many rows it has, and how many are paired, its query among both."""

    csv: str
    rows: int
    paired: int


def paired(alignments: Sequence[Iterable[str]]) -> list[Paired]:
    """Return alignments, given as the lines of a3m files, with the rows of each organism under one key.

    The first row of each, its query, has key 0. Raises ValueError with the number of a file that has no row.
    """
    rows = [list(_rows(lines)) for lines in alignments]
    if empty := [number for number, each in enumerate(rows, 1) if not each]:
        raise ValueError(empty[0])
    keys = {organism: key for key, organism in enumerate(_shared(rows), 1)}
    return [_written(each, keys) for each in rows]


def organism(header: str) -> str | None:
    """Return what tells an organism in a header, or None."""
    if found := _TAXON.search(header):
        return found[1]
    found = _SPECIES.search(header)
    return found[1] if found else None


def _rows(lines: Iterable[str]) -> Iterator[Row]:
    """Yield the rows as Boltz reads them: each line that is no header and no comment."""
    header = ""
    for line in lines:
        text = line.strip()
        if text.startswith(">"):
            header = text[1:]
        elif text and not text.startswith("#"):
            yield Row(text, organism(header))


def _shared(alignments: Sequence[Sequence[Row]]) -> list[str]:
    """Return the organisms that at least two alignments have beside their queries, in their order."""
    found: dict[str, int] = {}
    for rows in alignments:
        for each in dict.fromkeys(row.organism for row in rows[1:] if row.organism):
            found[each] = found.get(each, 0) + 1
    return [each for each, count in found.items() if count > 1][:MAX_PAIRS]


def _written(rows: Sequence[Row], keys: dict[str, int]) -> Paired:
    first: dict[int, str] = {0: rows[0].text}
    others: list[str] = []
    for row in rows[1:]:
        key = keys.get(row.organism or "")
        if key is None or key in first:
            others.append(row.text)
        else:
            first[key] = row.text
    others = others[: MAX_ROWS - len(first)]
    lines = [f"{key},{text}" for key, text in sorted(first.items())] + [f"-1,{text}" for text in others]
    return Paired("\n".join(["key,sequence", *lines]) + "\n", len(lines), len(first))
