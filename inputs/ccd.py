"""The Chemical Component Dictionary (CCD) of the wwPDB: its codes, and the atoms of each.

Read from ``ccd.txt.xz``, which ``python -m tools.ccd`` makes (the dictionary is in the public
domain, CC0 1.0). A line is ``CODE<tab>POLYMER<tab>ATOMS<tab>NAME NAME- ...<tab>NAME+ NAME- ...``: POLYMER is
P for residues of proteins, N of nucleic acids, ? where atoms have no element, else -; ATOMS counts hydrogens
too; the names are those of the other atoms, with a - behind those that leave when the residue is bound into a
chain; then come the stereocentres, with the sign of the triple product of the vectors from each to its first
three neighbours, in the order of the names.
Boltz-2's own molecules are of another date: it may lack the newest codes, which the worker then reports.
"""

import lzma
import string
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_name("ccd.txt.xz")

NO_ELEMENT = "?"
"""Polymer of a component that has atoms without an element."""

_LETTERS = string.digits + string.ascii_uppercase
_MAX_CODE = 5


class Component(NamedTuple):
    """One component. ``atoms`` counts hydrogens too; ``names`` and ``leaving`` are those of other atoms.

    ``signs`` has 1 or -1 for each stereocentre: of the triple product of the vectors to its first three
    neighbours that are no hydrogen, in the order of ``names``.
    """

    code: str
    polymer: str
    atoms: int
    names: tuple[str, ...]
    leaving: frozenset[str]
    signs: Mapping[str, int]

    @property
    def bound(self) -> tuple[str, ...]:
        """Atoms that stay in a chain; Boltz-2 keeps the only one in any case."""
        if len(self.names) == 1:
            return self.names
        return tuple(name for name in self.names if name not in self.leaving)


@lru_cache(maxsize=512)  # an input names the same ones again and again
def component(code: str) -> Component:
    """Return the component of this code. Raises KeyError."""
    polymer, atoms, names, centres = _lines()[code].decode().split("\t")
    marked = names.split()
    return Component(
        code,
        polymer,
        int(atoms),
        tuple(name.removesuffix("-") for name in marked),
        frozenset(name.removesuffix("-") for name in marked if name.endswith("-")),
        {centre[:-1]: 1 if centre.endswith("+") else -1 for centre in centres.split()},
    )


def nearest(code: str) -> str | None:
    """Return the nearest known code: the same in capitals, or one edit away (Damerau-Levenshtein); else None.

    Of several the beginning of the wrong one (HEM for HEME), else the oldest, which is the best known.
    """
    wanted = code.upper()
    if wanted in _lines():
        return wanted
    if not 0 < len(wanted) <= _MAX_CODE + 1:
        return None
    ranks = _ranks()
    found = [near for near in _one_slip(wanted) if near in ranks]
    return min(found, key=lambda near: (not wanted.startswith(near), ranks[near]), default=None)


def _one_slip(code: str) -> Iterator[str]:
    for at in range(len(code) + 1):
        before, after = code[:at], code[at:]
        yield before + after[1:]
        yield before + after[1:2] + after[:1] + after[2:]
        for letter in _LETTERS:
            yield before + letter + after[1:]
            yield before + letter + after


@cache
def _lines() -> Mapping[str, bytes]:
    """Return the lines by code; undecoded, since only a few are ever read."""
    lines = lzma.decompress(FILE.read_bytes()).splitlines()[1:]
    split = (line.partition(b"\t") for line in lines)
    return {code.decode(): rest for code, _, rest in split}


@cache
def _ranks() -> Mapping[str, int]:
    return {code: rank for rank, code in enumerate(_lines())}
