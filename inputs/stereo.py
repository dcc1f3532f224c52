"""Where an input gives stereochemistry that Boltz-2 can steer to: in ligands and modified residues.

Boltz 2.2.1 makes its constraints for these alone (boltz/data/parse/schema.py); standard residues it knows.
"""

from collections.abc import Iterator

from inputs.ccd import component
from inputs.grammar import BoltzInput, Ligand, Polymer
from inputs.residues import STANDARD
from inputs.tokens import read_valid

_AS_STANDARD = STANDARD | {"MSE"}  # Boltz reads it as methionine


def stereo_places(document: BoltzInput) -> tuple[str, ...]:
    """Return the ligands and modified residues with stereochemistry, such as "ligand L" or "SEP 5 of A"."""
    molecules = (entry.molecule for entry in document.sequences)
    return tuple(place for molecule in molecules for place in _places(molecule))


def _places(molecule: Polymer | Ligand) -> Iterator[str]:
    first = molecule.id[0]
    if isinstance(molecule, Polymer):
        modified = ((at, code) for at, code in molecule.modified.items() if code not in _AS_STANDARD)
        yield from (f"{code} {at} of {first}" for at, code in modified if component(code).signs)
    elif _has_stereo(molecule):
        yield f"ligand {first}"


def _has_stereo(ligand: Ligand) -> bool:
    if ligand.ccd:
        return any(component(code).signs for code in ligand.ccd)
    return read_valid(ligand).stereo > 0
