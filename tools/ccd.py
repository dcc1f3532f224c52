"""Write the list of chemical components that the intake checks codes and atom names against.

``python -m tools.ccd [FILE]`` makes ``inputs/ccd.txt.xz`` from the wwPDB's Chemical Component
Dictionary (CC0 1.0), which biotite carries; 15 s. Run it after raising biotite's version. The format
is described where it is read, in inputs/ccd.py.
"""

import lzma
import sys
from importlib.metadata import version
from pathlib import Path

from biotite.structure.info.ccd import get_ccd

from inputs.ccd import FILE, NO_ELEMENT

HEADER = (
    "# Chemical Component Dictionary of the wwPDB, https://www.wwpdb.org/data/ccd, CC0 1.0 (public domain);"
)
HYDROGEN = ("H", "D")
ANY_ELEMENT = "X"


def text() -> str:
    """Return the list: one component a line, those first that have been in the dictionary longest."""
    components, atoms = get_ccd()["chem_comp"], _atoms()
    codes, kinds, dates = (
        components[key].as_array(str).tolist() for key in ("id", "type", "pdbx_initial_date")
    )
    rows = sorted(zip(dates, codes, kinds, strict=True))
    lines = [_line(code, kind, atoms.get(code, [])) for _, code, kind in rows]
    return "\n".join((f"{HEADER} from biotite {version('biotite')}", *lines, ""))


def _atoms() -> dict[str, list[tuple[str, str, str]]]:
    """Return name, element and leaving flag of each atom, by component."""
    table = get_ccd()["chem_comp_atom"]
    keys = ("comp_id", "atom_id", "type_symbol", "pdbx_leaving_atom_flag")
    columns = (table[key].as_array(str).tolist() for key in keys)
    found: dict[str, list[tuple[str, str, str]]] = {}
    for code, name, element, leaves in zip(*columns, strict=True):
        found.setdefault(code, []).append((name, element, leaves))
    return found


def _line(code: str, kind: str, atoms: list[tuple[str, str, str]]) -> str:
    names = [name + "-" * (leaves == "Y") for name, element, leaves in atoms if element not in HYDROGEN]
    unknown = any(element == ANY_ELEMENT for _, element, _ in atoms)
    return "\t".join(
        (code, NO_ELEMENT if unknown else _polymer(kind.upper()), str(len(atoms)), " ".join(names))
    )


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
