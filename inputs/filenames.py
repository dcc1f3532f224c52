"""Checks of the names by which an input refers to files, and how to write those that cannot be used.

A name is relative to the input, stays below its folder, and ends in the suffix of a format that Boltz reads.
"""

import re
from pathlib import PurePosixPath

from inputs.suffixes import MSAS, SIDECARS
from inputs.tree import shorten

MAX_BYTES = 512
"""Most bytes of a name."""

MAX_PART_BYTES = 255
"""Most bytes of the name of a folder or file, where the worker writes it."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_UNFILLED = re.compile(r"^~[^/]*/|\$[{(]|(?:^|/)\$[A-Za-z_]|\{\{|%[A-Z_]{2,}%|^<.*>$")
"""A home folder, or a variable of a shell or of a template that nothing has replaced."""

_PACKED = frozenset({".gz", ".gzip", ".tgz", ".z", ".bz2", ".xz", ".zst", ".zip", ".tar", ".7z"})

_ALIGNMENTS = {
    ".sto": "sto",
    ".stk": "sto",
    ".stockholm": "sto",
    ".fasta": "fas",
    ".fas": "fas",
    ".fa": "fas",
    ".afa": "fas",
    ".aln": "clu",
    ".clu": "clu",
    ".clustal": "clu",
    ".a2m": "a2m",
    ".psi": "psi",
}
"""Formats of alignments by suffix, in the words of reformat.pl of HH-suite."""

_OTHER_NAMES = {".mmcif": ".cif", ".pdbx": ".cif", ".ent": ".pdb"}
"""Suffixes of formats that Boltz reads under another one."""

_TEMPLATES = frozenset(suffix for suffix, kind in SIDECARS.items() if not kind.msa)
_STRUCTURES = frozenset({".bcif", ".mmtf", ".pdbqt", ".gro", ".mol2"})


def why_not(name: str, *suffixes: str) -> tuple[str, str] | None:
    """Return what is wrong with a name that has to end in one of the suffixes, and the remedy; or None."""
    if where := _misplaced(name):
        return where, _beside(name, *suffixes)
    if name.endswith(suffixes) and PurePosixPath(name).suffix:
        return None
    what = f"names no file that ends in {' or '.join(suffixes)} (in lower case)"
    return what, _unpacked(name, *suffixes) or _other_format(name, *suffixes)


def _misplaced(name: str) -> str | None:
    """Return why a name could lead out of the input's folder or garble a log, or None."""
    complaints = {
        "is too long": len(name.encode(errors="replace")) > MAX_BYTES,
        f"has a part of more than {MAX_PART_BYTES} bytes": any(
            len(part.encode(errors="replace")) > MAX_PART_BYTES for part in name.split("/")
        ),
        "holds control characters": not name.isprintable(),
        "holds a backslash": "\\" in name,
        "is a URL or names a drive; files come from the bucket of the input": bool(_SCHEME.match(name)),
        "is an absolute path": name.startswith("/"),
        "leads out of the input's folder": ".." in name.split("/"),
        "names a folder": name.endswith("/"),
        "holds ~ or a variable, for which nothing is put in here": bool(_UNFILLED.search(name)),
    }
    return next((complaint for complaint, found in complaints.items() if found), None)


def _beside(name: str, *suffixes: str) -> str:
    """Return how to name the file that a name from elsewhere means."""
    below = name.replace("\\", "/")
    if below != name and not _misplaced(below):
        return f"Write it with slashes: {shorten(below)}."
    last = PurePosixPath(below).name
    if last.endswith(suffixes) and PurePosixPath(last).suffix and not _misplaced(last):
        return f"Upload {shorten(last)} beside this file, and write {shorten(last)} alone."
    return f"Write the file's name relative to this one, such as files/chain_a{suffixes[0]}, and upload both."


def _unpacked(name: str, *suffixes: str) -> str | None:
    """Return how to come from a packed file to one that Boltz reads; None if the file is not packed."""
    inner = PurePosixPath(name)
    while inner.suffix.lower() in _PACKED:
        inner = inner.with_suffix("")
    if inner == PurePosixPath(name):
        return None
    if inner.suffix in suffixes:
        return f"Unpack the file, upload it as {shorten(str(inner))}, and write {shorten(str(inner))}."
    return f"Unpack the file. {_other_format(str(inner), *suffixes)}"


def _other_format(name: str, *suffixes: str) -> str:
    """Return how to come from the file of this name to one that Boltz reads."""
    suffix = PurePosixPath(name).suffix.lower()
    better = shorten(f"{name[: len(name) - len(suffix)]}{suffix if suffix in suffixes else suffixes[0]}")
    if suffix in suffixes or _OTHER_NAMES.get(suffix) in suffixes:
        return f"Rename the file, here and in the bucket: {better}."
    if suffix in _TEMPLATES and suffixes != MSAS:
        renamed = "" if name.endswith(suffix) else "Rename the file, with its suffix in small letters. "
        return f"{renamed}Write it behind `{suffix[1:]}:`, not behind `{suffixes[0][1:]}:`."
    if suffix in _ALIGNMENTS and suffixes == MSAS:
        how = f"reformat.pl of HH-suite does it, from {_ALIGNMENTS[suffix]} to a3m"
        return f"Convert the alignment to A3M ({how}), and name that file: {better}."
    if suffix in _STRUCTURES and suffixes != MSAS:
        return f"Convert the structure to {SIDECARS[suffixes[0]].format}, and name that file: {better}."
    formats = " or ".join(SIDECARS[each].format for each in suffixes)
    other = "; or write `empty` for single-sequence mode" if suffixes == MSAS else ""
    return (
        f"Name a file in {formats} format: it ends in {' or '.join(suffixes)}, here and in the bucket{other}."
    )
