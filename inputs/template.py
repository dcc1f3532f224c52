"""Checks that a template has the format that its name promises, and the chains that its input names.

By its lines, not by reading the structure: what these pass, the worker reads (worker/repair/structures.py).
Formats: mmCIF begins with a data block and has a table of atoms, a row on a line; PDB has a line for each
atom, with its fields in fixed columns. A protein has alpha carbons.
"""

import io
import posixpath
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from inputs.grammar import BoltzInput
from inputs.suffixes import kind
from inputs.tree import InputError, dotted, shorten
from schemas.failure import Code, Failure

_TOLD = 20
"""Most chains that are named."""

_NO_BLOCK, _BLOCK = "does not begin with data_", "begins with data_, as mmCIF does"
_ATOMS = "_atom_site."
_ATOM, _RESIDUE, _NAME, _AUTHOR = ("label_atom_id", "label_comp_id", "label_asym_id", "auth_asym_id")


class Chain(NamedTuple):
    """A protein of a template: its name to Boltz, and its author's name of it."""

    name: str
    author: str

    def __str__(self) -> str:
        return self.author if self.author == self.name else f"{self.author} (to Boltz-2 {self.name})"


class _OtherFormatError(InputError):
    """The file has not the format of its suffix: the message completes a sentence that begins with "it"."""


def check_beginning(file: str, content: bytes, document: BoltzInput, *, whole: bool) -> Failure | None:
    """Check a template by its first bytes, in full where these are the ``whole`` file.

    ``file`` is its name in the document, normalised.
    """
    text = content.decode(errors="replace")
    if whole:
        return check_file(file, io.StringIO(text, newline=None), document)
    first = _first(io.StringIO(text[: text.rfind("\n") + 1], newline=None))
    mmcif = kind(file).format == "mmCIF"
    if not first or _is_block(first) == mmcif:
        return None
    return _refused(file, _NO_BLOCK if mmcif else _BLOCK)


def check_file(file: str, lines: Iterable[str], document: BoltzInput) -> Failure | None:
    """Check a whole template. Bytes that are not UTF-8 do not matter."""
    try:
        chains = tuple(dict.fromkeys((_mmcif if kind(file).format == "mmCIF" else _pdb)(lines)))
    except _OtherFormatError as error:
        return _refused(file, str(error))
    known = {name for each in chains for name in each}
    for at, template in enumerate(document.templates):
        named = template.template_id if posixpath.normpath(template.file) == file else None
        for asked in named or ():
            if known and asked not in known:
                return without_chain(file, asked, chains, at)
    return None


def without_chain(file: str, asked: str, there: Iterable[Chain], at: int) -> Failure:
    """Return the failure of a document's template ``at``, whose file lacks the chain that was asked for."""
    names = [shorten(str(each), 40) for each in there]
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return Failure(
        code=Code.INVALID_INPUT,
        message=(
            f"The template {shorten(file, 300)} has no protein of the name {shorten(asked)}; "
            f"it has {', '.join(names[:_TOLD])}{more}."
        ),
        field=dotted(("templates", at, "template_id")),
        value=asked,
        remedy="Name one of these in `template_id`, or leave it out: Boltz-2 then takes what fits best.",
    )


def _pdb(lines: Iterable[str]) -> Iterator[Chain]:
    """Yield the chain of each alpha carbon. Raises _OtherFormatError."""
    rest = iter(lines)
    before = _first(rest)
    if _is_block(before):
        raise _OtherFormatError(_BLOCK)
    atoms = (line for line in chain((before,), rest) if line.startswith(("ATOM  ", "HETATM")))
    first = next(atoms, None)
    if first is None:
        raise _OtherFormatError("has no line that begins with ATOM")
    for line in chain((first,), atoms):
        if line[12:16] == " CA ":
            name = line[20:22].strip()
            yield Chain(f"{name}1", name)


def _mmcif(lines: Iterable[str]) -> Iterator[Chain]:
    """Yield the chain of each alpha carbon. Raises _OtherFormatError."""
    rest = _block(lines)
    columns = list[str]()
    for line in rest:
        if line.lstrip().lower().startswith(_ATOMS):
            columns.append(line.strip().lower().removeprefix(_ATOMS))
        elif columns:
            break
    if not columns:
        raise _OtherFormatError("has no table _atom_site of atoms")
    yield from _alpha_carbons(columns, chain((line,), rest))


def _alpha_carbons(columns: list[str], lines: Iterable[str]) -> Iterator[Chain]:
    if not {_ATOM, _RESIDUE, _NAME} <= set(columns):
        return
    atom, residue, name = (columns.index(each) for each in (_ATOM, _RESIDUE, _NAME))
    author = columns.index(_AUTHOR) if _AUTHOR in columns else name
    for line in lines:
        fields = line.split()
        if len(fields) != len(columns):
            return  # the end of the table, or one that is written otherwise: the worker reads it
        if fields[atom] == "CA" and fields[residue] != "CA":
            yield Chain(fields[name], fields[author])


def _block(lines: Iterable[str]) -> Iterator[str]:
    """Return the lines behind the first one of a data block. Raises _OtherFormatError."""
    rest = iter(lines)
    if not _is_block(_first(rest)):
        raise _OtherFormatError(_NO_BLOCK)
    return rest


def _first(lines: Iterable[str]) -> str:
    """Return the first line that is neither empty nor a comment, or an empty text."""
    filled = (line.strip() for line in lines)
    return next((line for line in filled if line and not line.startswith("#")), "")


def _is_block(line: str) -> bool:
    return line.lower().startswith("data_")


def _refused(file: str, what: str) -> Failure:
    name = kind(file).format
    return Failure(
        code=Code.INVALID_INPUT,
        message=f"The template {shorten(file, 300)} is no {name} file: it {what}.",
        value=file,
        remedy=f"Upload a structure in {name} format under this name, uncompressed.",
    )
