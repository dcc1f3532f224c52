"""Checks that a template has the format that its name promises: by its lines, not by reading the structure.

What these leave to Boltz, its own parser refuses. Formats: mmCIF begins with a data block and has a table of
atoms; PDB has a line for each atom.
"""

from collections.abc import Iterable

from inputs.suffixes import kind
from inputs.tree import shorten
from schemas.failure import Code, Failure


def check_file(file: str, lines: Iterable[str]) -> Failure | None:
    """Check that a file has the format of its suffix. Bytes that are not UTF-8 do not matter."""
    if kind(file).format == "mmCIF":
        wrong = _not_mmcif(line.lstrip().lower() for line in lines)
    else:
        wrong = (
            None if any(line.startswith("ATOM  ") for line in lines) else "has no line that begins with ATOM"
        )
    return _refused(file, wrong) if wrong else None


def _not_mmcif(lines: Iterable[str]) -> str | None:
    filled = (line for line in lines if line and not line.startswith("#"))
    if not next(filled, "").startswith("data_"):
        return "does not begin with data_"
    return (
        None if any(line.startswith("_atom_site.") for line in filled) else "has no table _atom_site of atoms"
    )


def _refused(file: str, what: str) -> Failure:
    name = kind(file).format
    return Failure(
        code=Code.INVALID_INPUT,
        message=f"The template {shorten(file, 300)} is no {name} file: it {what}.",
        value=file,
        remedy=f"Upload a structure in {name} format under this name, uncompressed.",
    )
