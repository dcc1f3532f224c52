"""The elements of atoms in structure files: those of the molecules, where Boltz guesses them from names.

Its writers know 185 names and take the first letter of all others (boltz 2.2.1: data/write/mmcif.py, l. 160,
data/write/pdb.py, l. 68), so that [Ca+2] as SMILES, whose atom is CA1, is written as carbon
(github.com/jwohlwend/boltz/issues/458). In PDB all names begin in column 14, where a calcium, CA, is a
C-alpha. A file in which all is right stays as it is, byte for byte.
"""

import pickle
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from boltz.data.mol import load_molecules
from boltz.data.types import StructureV2

from schemas import outputs
from worker.boltz2.workspace import Workspace


class NamedAtom(NamedTuple):
    """An atom's name, and its element in capitals; None where its molecule does not have it."""

    name: str
    element: str | None


def correct(workspace: Workspace) -> None:
    """Write the elements of the molecules into all structures of a prediction."""
    stem, suffix = workspace.input_file.stem, outputs.SUFFIXES[workspace.options.output_format]
    structure = StructureV2.load(workspace.processed / "structures" / f"{stem}.npz")
    atoms = list(_atoms(structure.remove_invalid_chains(), workspace))
    corrected = in_pdb if workspace.options.output_format == "pdb" else in_mmcif
    for path in (workspace.predictions / stem).glob(f"{stem}_model_*.{suffix}"):
        written = path.read_text()
        right = "\n".join(corrected(written.split("\n"), atoms))
        if right != written:
            path.write_text(right)


def in_pdb(lines: Sequence[str], atoms: Sequence[NamedAtom]) -> Iterator[str]:
    """Yield lines with names and elements corrected, by the format's columns.

    A name, columns 13 to 16, begins in the first of them where it has four letters, or its element two.
    """
    left = iter(atoms)
    for line in lines:
        name, element = next(left) if line.startswith(("ATOM", "HETATM")) else ("", None)
        if element is None:
            yield line
            continue
        named = f"{name:<4}" if len(element) > 1 and name.startswith(element) else line[12:16]
        yield f"{line[:12]}{named}{line[16:-4]}{element:>2}{line[-2:]}"


def in_mmcif(lines: Sequence[str], atoms: Sequence[NamedAtom]) -> Iterator[str]:
    """Yield lines with the third value of each atom corrected, and the list of elements behind them."""
    left, used, listing = iter(atoms), set[str](), False
    for line in lines:
        if line.startswith(("ATOM ", "HETATM ")):
            kind, serial, guess, rest = line.split(" ", 3)
            element = next(left).element or guess
            used.add(element)
            yield f"{kind} {serial} {element} {rest}"
        elif not listing or line == "#":
            yield line
            listing = line == "_atom_type.symbol"
            if listing:
                yield from sorted(used)


def _atoms(structure: StructureV2, workspace: Workspace) -> Iterator[NamedAtom]:
    """Yield atoms in the order of the files."""
    elements = _elements({str(name) for name in structure.residues["name"]}, workspace)
    for chain in structure.chains:
        first = chain["res_idx"]
        for residue in structure.residues[first : first + chain["res_num"]]:
            known, start = elements[str(residue["name"])], residue["atom_idx"]
            for name in structure.atoms["name"][start : start + residue["atom_num"]]:
                yield NamedAtom(str(name), known.get(str(name)))


def _elements(names: set[str], workspace: Workspace) -> dict[str, dict[str, str]]:
    """Return elements by residue and atom; molecules are the input's own ones, else components."""
    own = pickle.loads(workspace.molecules.read_bytes())  # noqa: S301 (Boltz's parser has just made it)
    components = load_molecules(str(workspace.components), sorted(names - own.keys()))
    return {name: _by_name(molecule) for name, molecule in (components | own).items()}


def _by_name(molecule: Any) -> dict[str, str]:  # noqa: ANN401 (RDKit has no annotations)
    atoms = [atom for atom in molecule.GetAtoms() if atom.GetAtomicNum() and atom.HasProp("name")]
    return {atom.GetProp("name"): atom.GetSymbol().upper() for atom in atoms}
