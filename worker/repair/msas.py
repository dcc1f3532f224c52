"""MSAs that Boltz 2.2.1 would misread, written anew in their place.

- One that was made for a longer protein is cut to the columns of the chain, the first row made the chain's.
- Keys of a CSV are texts to people (species, accessions) and 32-bit integers to Boltz: the same text gets the
  same number in all files of an input.
- Behind a byte order mark Boltz takes the header of an a3m for a row.

What none of these concerns stays as it is, byte for byte.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from inputs import msa
from inputs.excerpt import Excerpt
from inputs.grammar import BoltzInput, Protein
from inputs.msa_rows import Row, rows
from inputs.suffixes import kind
from inputs.tree import shorten
from inputs.values import EMPTY_MSA

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NUMBER = re.compile(r"[+-]?\d{1,10}(\.0*)?", re.ASCII)
_LARGEST = 2**31 - 1
_NONE = {"", "-1", "<na>", "n/a", "na", "nan", "none", "null", "#n/a"}
"""Keys of a row that pairs with none, in small letters; pandas reads most of them so."""

_TOLD = 5
"""Most differing residues that a warning names."""


def repair(document: BoltzInput, folder: Path) -> tuple[str, ...]:
    """Repair the MSAs of a document, which have been checked, in a folder; return what people should know."""
    chains = _chains(document)
    numbers = _numbers([name for name in chains if kind(name).format == "CSV"], folder)
    found = (_repair(name, chain, numbers, folder) for name, chain in chains.items())
    return tuple(warning for warning in found if warning)


def _chains(document: BoltzInput) -> dict[str, Protein]:
    """Return the first chain of each MSA, by the normalised name of the file."""
    chains = dict[str, Protein]()
    for protein in (entry.protein for entry in document.sequences):
        if protein and protein.msa and protein.msa != EMPTY_MSA:
            chains.setdefault(posixpath.normpath(protein.msa), protein)
    return chains


def _repair(name: str, chain: Protein, numbers: Mapping[str, int], folder: Path) -> str | None:
    with _used(folder / name, name) as used:
        columns = next(used).columns
    place = msa.place_in(columns, chain)
    format_ = kind(name).format
    if place or (numbers and format_ == "CSV") or (format_ == "A3M" and _is_marked(folder / name)):
        _write(folder / name, name, chain, place, numbers)
    return _said(name, columns, chain, place) if place else None


def _is_marked(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_BYTE_ORDER_MARK)) == _BYTE_ORDER_MARK


@contextmanager
def _used(path: Path, name: str) -> Iterator[Iterator[Row]]:
    with path.open(encoding="utf-8", newline=None) as lines:
        yield msa.used(rows(name, lines))


def _numbers(names: list[str], folder: Path) -> dict[str, int]:
    """Return a number for each key of CSV files, as they appear; none where Boltz reads all of them."""
    numbers, readable = dict[str, int](), True
    for name in names:
        with _used(folder / name, name) as used:
            for key in (_key(row) for row in used):
                readable = readable and _is_readable(key)
                if key not in _NONE:
                    numbers.setdefault(key, len(numbers))
    return {} if readable else numbers


def _key(row: Row) -> str:
    """Return the key of a row, the same for equal numbers; one of _NONE for none."""
    if _NUMBER.fullmatch(row.key):
        return str(int(float(row.key)))
    return row.key.lower() if row.key.lower() in _NONE else row.key


def _is_readable(key: str) -> bool:
    return key in _NONE or (_NUMBER.fullmatch(key) is not None and abs(int(key)) <= _LARGEST)


def _write(path: Path, name: str, chain: Protein, place: Excerpt | None, numbers: Mapping[str, int]) -> None:
    """Write the rows that Boltz uses anew, cut to a chain's place, and with numbers for keys."""
    new, csv = path.with_suffix(".new"), kind(name).format == "CSV"
    with _used(path, name) as used, new.open("w", encoding="utf-8", newline="\n") as file:
        if csv:
            file.write("key,sequence\n")
        for row in _cut(used, chain, place) if place else used:
            file.write(f"{_number(row, numbers)},{row.text}\n" if csv else f">{row.line}\n{row.text}\n")
    new.replace(path)


def _number(row: Row, numbers: Mapping[str, int]) -> int:
    key = _key(row)
    return -1 if key in _NONE else numbers[key] if numbers else int(key)


def _cut(used: Iterator[Row], chain: Protein, place: Excerpt) -> Iterator[Row]:
    """Yield rows cut to a place, without those that have no residue there; the first one is the chain's."""
    start, end = place.start, place.start + len(chain.sequence)
    query = next(used)
    pairs = zip(msa.letters(chain), query.columns[start:end], strict=True)
    yield query._replace(text="".join(theirs if ours == "X" else ours for ours, theirs in pairs))
    for row in used:
        if (text := cut(row.text, start, end)).strip("-"):
            yield row._replace(text=text)


def cut(row: str, start: int, end: int) -> str:
    """Return the columns of a row from ``start`` to before ``end``, and the insertions between them."""
    columns = np.flatnonzero(np.frombuffer(row.encode(), np.uint8) < ord("a"))
    return row[columns[start] : columns[end - 1] + 1]


def _said(name: str, columns: str, chain: Protein, place: Excerpt) -> str:
    first, last = place.start + 1, place.start + len(chain.sequence)
    said = (
        f"The MSA {shorten(name)} was made for a longer protein: of its {len(columns):,} columns "
        f"{first:,} to {last:,} were used, which are chain {chain.id[0]}"
    )
    if not place.differing:
        return f"{said}."
    changes = [f"{columns[place.start + at]}{at + 1}{chain.sequence[at]}" for at in place.differing[:_TOLD]]
    more = ", …" if len(place.differing) > _TOLD else ""
    return f"{said}; {len(place.differing)} residues differ ({', '.join(changes)}{more})."
