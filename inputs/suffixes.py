"""The kinds of files that an input may refer to, by suffix: all that depends on the kind is in this table."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

_MIB = 1024 * 1024


class Kind(NamedTuple):
    """A kind of file: its format's name, whether it is an MSA or else a template, the most bytes of one.

    ``errors`` is the error handler of ``bytes.decode``.
    """

    format: str
    msa: bool
    most_bytes: int
    errors: Literal["strict", "replace"]


_MSA_BYTES = 256 * _MIB
"""Most bytes of an MSA. The 8,192 rows that Boltz reads are 20 MiB for 2,400 residues; the rest is for
headers, insertions, and rows that it does not read."""

_TEMPLATE_BYTES = 64 * _MIB
"""Most bytes of a template: half a million atoms as mmCIF, more than any protein that fits on a device."""

SIDECARS: Mapping[str, Kind] = {
    ".a3m": Kind("A3M", msa=True, most_bytes=_MSA_BYTES, errors="strict"),
    ".csv": Kind("CSV", msa=True, most_bytes=_MSA_BYTES, errors="strict"),
    ".cif": Kind("mmCIF", msa=False, most_bytes=_TEMPLATE_BYTES, errors="replace"),
    ".pdb": Kind("PDB", msa=False, most_bytes=_TEMPLATE_BYTES, errors="replace"),
}
"""Kinds by suffix, which is case-sensitive, as in Boltz."""

MSAS = tuple(suffix for suffix, kind in SIDECARS.items() if kind.msa)


def kind(name: str) -> Kind:
    """Return the kind of a file that an input refers to: the grammar accepts only these suffixes."""
    return SIDECARS[PurePosixPath(name).suffix]
