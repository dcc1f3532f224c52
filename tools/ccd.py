"""Write the list of chemical components that the intake checks codes and atom names against.

``python -m tools.ccd [FILE]`` makes ``inputs/ccd.txt.xz`` from the wwPDB's Chemical Component
Dictionary (CC0 1.0), which biotite carries; 30 s. Run it after raising biotite's version. The format
is described where it is read, in inputs/ccd.py.
"""

import lzma
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from biotite.structure.info.ccd import get_ccd

from inputs.ccd import FILE, NO_ELEMENT

HEADER = (
    "# Chemical Component Dictionary of the wwPDB, https://www.wwpdb.org/data/ccd, CC0 1.0 (public domain);"
)
HYDROGEN = ("H", "D")
ANY_ELEMENT = "X"

STEREOCENTRES = frozenset({"C", "SI", "GE", "P", "AS", "S", "SE", "B"})
"""Elements whose stereocentres are kept: nitrogen turns over, and metals have rules of their own."""

RESONANT = frozenset({"P", "AS", "S", "SE"})
"""Elements that are no stereocentre where two terminal neighbours are of one element, as in a phosphate.

Which of them has the double bond is a convention.
"""

FLAT = 0.25
"""Triple product of unit vectors below which ideal coordinates do not tell the hand of a centre."""


class _Atom(NamedTuple):
    """An atom of the dictionary that is no hydrogen: ``stereo`` is R, S or N for none."""

    name: str
    element: str
    leaves: bool
    stereo: str
    place: npt.NDArray[np.float64]


class _Entry(NamedTuple):
    """Atoms of a component by name, in order, the names of the neighbours of each; ``total`` counts all."""

    total: int
    atoms: dict[str, _Atom]
    near: dict[str, set[str]]


def text() -> str:
    """Return the list: one component a line, those first that have been in the dictionary longest."""
    components, entries = get_ccd()["chem_comp"], _entries()
    codes, kinds, dates = (
        components[key].as_array(str).tolist() for key in ("id", "type", "pdbx_initial_date")
    )
    rows = sorted(zip(dates, codes, kinds, strict=True))
    lines = [_line(code, kind, entries.get(code, _Entry(0, {}, {}))) for _, code, kind in rows]
    return "\n".join((f"{HEADER} from biotite {version('biotite')}", *lines, ""))


def _entries() -> dict[str, _Entry]:
    """Return the atoms and bonds of each component."""
    keys = ("comp_id", "atom_id", "type_symbol", "pdbx_leaving_atom_flag", "pdbx_stereo_config")
    table, found = get_ccd()["chem_comp_atom"], dict[str, _Entry]()
    rows = zip(*(table[key].as_array(str).tolist() for key in keys), _places(), strict=True)
    for code, name, element, leaves, stereo, place in rows:
        entry = found.get(code) or _Entry(0, {}, {})
        if element not in HYDROGEN:
            entry.atoms[name] = _Atom(name, element, leaves == "Y", stereo, place)
            entry.near[name] = set()
        found[code] = entry._replace(total=entry.total + 1)
    for code, one, other in _bonds():
        near = found[code].near
        if one in near and other in near:
            near[one].add(other)
            near[other].add(one)
    return found


def _places() -> npt.NDArray[np.float64]:
    """Return the ideal coordinates of all atoms, and those of the model where there are none."""
    table = get_ccd()["chem_comp_atom"]
    ideal, model = (
        np.stack([table[form.format(axis)].as_array(float) for axis in "xyz"], axis=1)
        for form in ("pdbx_model_Cartn_{}_ideal", "model_Cartn_{}")
    )
    return np.where(np.isfinite(ideal).all(axis=1, keepdims=True), ideal, model)


def _bonds() -> Iterator[tuple[str, str, str]]:
    table = get_ccd()["chem_comp_bond"]
    columns = (table[key].as_array(str).tolist() for key in ("comp_id", "atom_id_1", "atom_id_2"))
    return zip(*columns, strict=True)


def _line(code: str, kind: str, entry: _Entry) -> str:
    names = [atom.name + "-" * atom.leaves for atom in entry.atoms.values()]
    unknown = any(atom.element == ANY_ELEMENT for atom in entry.atoms.values())
    columns = code, NO_ELEMENT if unknown else _polymer(kind.upper()), str(entry.total)
    return "\t".join((*columns, " ".join(names), " ".join(_signs(entry))))


def _signs(entry: _Entry) -> Iterator[str]:
    """Yield each stereocentre with its sign."""
    order = list(entry.atoms)
    for atom in entry.atoms.values():
        near = sorted(entry.near[atom.name], key=order.index)
        if atom.stereo in {"R", "S"} and len(near) in {3, 4} and _kept(atom, entry):
            legs = np.array([entry.atoms[name].place - atom.place for name in near[:3]])
            with np.errstate(invalid="ignore"):
                product = float(np.linalg.det(legs / np.linalg.norm(legs, axis=1, keepdims=True)))
            if abs(product) > FLAT:  # neither where a coordinate is missing
                yield f"{atom.name}{'+' if product > 0 else '-'}"


def _kept(atom: _Atom, entry: _Entry) -> bool:
    ends = [entry.atoms[name].element for name in entry.near[atom.name] if len(entry.near[name]) == 1]
    resonant = atom.element in RESONANT and len(ends) > len(set(ends))
    return atom.element in STEREOCENTRES and not resonant


def _polymer(kind: str) -> str:
    """Return the polymer in which a component is a residue: P for protein, N for nucleic acid, else -."""
    if "PEPTIDE" in kind and ("LINKING" in kind or "TERMINUS" in kind):
        return "P"
    return "N" if "DNA" in kind or "RNA" in kind else "-"


def main(file: Path) -> None:
    """Write the list, compressed."""
    file.write_bytes(lzma.compress(text().encode(), preset=9 | lzma.PRESET_EXTREME))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FILE)
