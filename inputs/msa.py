"""Checks that Boltz 2.2.1 uses an alignment for the chains that name it.

Where the first row, the query, is not the chain's sequence, Boltz predicts without the MSA and only prints
so; a row of another width shifts its residues to wrong columns. A query that has the chain as a part of it is
right: the worker cuts the alignment to that part (worker/repair/msas.py). Boltz stops reading after 8,192
rows that differ, and so do we.
"""

import io
import posixpath
from collections.abc import Iterable, Iterator
from itertools import islice

from inputs import excerpt
from inputs.excerpt import Excerpt
from inputs.grammar import BoltzInput, Protein
from inputs.msa_rows import Row, WrongMsaError, rows
from inputs.residues import AMINO_ACIDS
from inputs.tree import dotted
from schemas.failure import Failure

MAX_ROWS = 8192
"""Most different rows that are used: --max_msa_seqs of `boltz predict`, also the limit of pairing."""

MAX_READ = 1_000_000
"""Most rows that are read: an alignment that has 8,192 different ones has them before."""

_UNKNOWN = "X"
_ONE_TOKEN = str.maketrans("BJOUZ", _UNKNOWN * 5)  # Boltz has one token for all unknown residues
_LETTERS = {code: letter for letter, code in AMINO_ACIDS.items()} | {"MSE": "M"}
"""One-letter codes of the components that Boltz knows in a chain; a modification by another is unknown."""


def can_share(one: str, other: str) -> bool:
    """Return whether two chains, given by their `letters`, can have the same query."""
    return len(one) == len(other) and all(
        _UNKNOWN in pair for pair in zip(one, other, strict=True) if len(set(pair)) > 1
    )


def same_residues(row: str, sequence: str) -> bool:
    """Return whether a row is a protein's sequence to Boltz, which has one token for all unknown residues."""
    return row.translate(_ONE_TOKEN) == sequence.translate(_ONE_TOKEN)


def check_beginning(file: str, content: bytes, document: BoltzInput, *, whole: bool) -> Failure | None:
    """Check an MSA by its first bytes: its query, and all of it where these are the ``whole`` file.

    ``file`` is its name in the document, normalised. A first row that does not end here is left to the
    worker.
    """
    if whole:
        return check_file(file, io.TextIOWrapper(io.BytesIO(content), "utf-8"), document)
    text = content.decode(errors="replace")
    seen = text[: text.rfind("\n") + 1]
    try:
        if query := next(rows(file, io.StringIO(seen, newline=None)), None):
            _check_query(file, query, document)
    except WrongMsaError as wrong:
        return wrong.of(file)
    return None


def check_file(file: str, lines: Iterable[str], document: BoltzInput) -> Failure | None:
    """Check all that Boltz reads of the MSA: its query, and letters and width of each row."""
    try:
        found = rows(file, lines)
        query = _check_query(file, next(found, None), document)
        _check_width(query, found)
    except WrongMsaError as wrong:
        return wrong.of(file)
    except UnicodeDecodeError:
        return WrongMsaError("is not UTF-8 text", "Save it as plain text in UTF-8, and upload it again.").of(
            file
        )
    return None


def used(read: Iterable[Row]) -> Iterator[Row]:
    """Yield the rows of an MSA that Boltz uses: the first MAX_ROWS that differ."""
    seen = set[int]()
    for row in islice(read, MAX_READ):
        if len(seen) == MAX_ROWS:
            return
        if row.identity not in seen:
            seen.add(row.identity)
            yield row


def place_in(columns: str, chain: Protein) -> Excerpt | None:
    """Return the place of a chain in a query's columns where it is a construct of it, else None."""
    found = excerpt.nearest(letters(chain), columns.translate(_ONE_TOKEN))
    return found if found and excerpt.fits(chain.sequence, found) else None


def _check_query(file: str, query: Row | None, document: BoltzInput) -> Row:
    if query is None:
        raise WrongMsaError(
            "holds no row", "Give the chain's own sequence as its first row, or write `msa: empty`."
        )
    columns = query.columns  # a row of insertions alone may be as long as the file
    for at, entry in enumerate(document.sequences):
        if entry.protein and entry.protein.msa and posixpath.normpath(entry.protein.msa) == file:
            _compare(query, columns, entry.protein, dotted(("sequences", at, "protein", "msa")))
    return query


def _compare(query: Row, columns: str, chain: Protein, field: str) -> None:
    """Raise WrongMsaError unless, as in Boltz, all differences are unknown residues, or all X for M (MSE)."""
    ours, theirs = letters(chain), columns.translate(_ONE_TOKEN)
    if len(ours) != len(theirs):
        if place_in(columns, chain) is None:
            raise WrongMsaError(_other_width(columns, chain), _remedy(query, chain), field)
        return
    differing = [at for at, pair in enumerate(zip(ours, theirs, strict=True)) if len(set(pair)) > 1]
    pairs = {(ours[at], theirs[at]) for at in differing}
    if pairs - {("M", _UNKNOWN)} and any(residue != _UNKNOWN for residue, _ in pairs):
        at = next(at for at in differing if ours[at] != _UNKNOWN)
        what = f"has {columns[at]} at position {at + 1} of its first row, where chain {chain.id[0]} has"
        raise WrongMsaError(f"{what} {ours[at]}", _remedy(query, chain), field)


def _other_width(columns: str, chain: Protein) -> str:
    """Return how a query that is longer or shorter than a chain differs from it."""
    ours, theirs, name = letters(chain), columns.translate(_ONE_TOKEN), chain.id[0]
    what = f"has {len(theirs)} columns in its first row, but chain {name} has {len(ours)} residues"
    near = excerpt.nearest(ours, theirs)
    if near and 2 * len(near.differing) < len(ours):
        first, last, at = near.start + 1, near.start + len(ours), near.differing[0]
        return (
            f"{what}; nearest to them are columns {first} to {last}, which differ in {len(near.differing)}: "
            f"at position {at + 1} chain {name} has {ours[at]}, the MSA {columns[near.start + at]}"
        )
    pairs = enumerate(zip(ours, theirs, strict=False))
    at = next((at for at, pair in pairs if len(set(pair)) > 1), min(len(ours), len(theirs)))
    return f"{what}; they differ from position {at + 1} on"


def letters(chain: Protein) -> str:
    """Return a chain's sequence in the letters that Boltz knows, modified residues included."""
    modified = {at: _LETTERS.get(code, _UNKNOWN) for at, code in chain.modified.items()}
    known = chain.sequence.translate(_ONE_TOKEN)
    return "".join(modified.get(at, letter) for at, letter in enumerate(known, 1))


def _remedy(query: Row, chain: Protein) -> str:
    capitals = "in capitals, since small letters are insertions" if query.text != query.columns else "whole"
    return (
        f"Make the first row the sequence of chain {chain.id[0]}, {capitals}, on one line; or name the MSA "
        "that was made for this chain."
    )


def _check_width(query: Row, others: Iterable[Row]) -> None:
    seen, width = {query.identity}, len(query.columns)
    for number, row in enumerate(others, 2):
        if len(seen) == MAX_ROWS:
            return
        if number > MAX_READ:
            what = f"has more than {MAX_READ:,} rows, of which {len(seen):,} differ"
            raise WrongMsaError(
                what, f"Leave out rows that are there twice: Boltz-2 uses {MAX_ROWS:,} that differ."
            )
        if len(row.columns) != width:
            what = f"has {len(row.columns)} columns in line {row.line}, but {width} in its first row"
            remedy = "Give every row as many capitals and gaps as the first, each row on one line."
            raise WrongMsaError(what, remedy)
        seen.add(row.identity)
