"""What is true of a molecule's stereochemistry: as the user's SMILES has it, or the CCD.

Not as Boltz-2's own tables have it, which are what is checked. Two terminal atoms of one element make no
stereocentre of P, S, As and Se, as in a phosphate: which of them has the double bond is a convention.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rdkit import Chem
from rdkit.Chem import BondStereo, ChiralType

from inputs.ccd import Component
from worker.checks.elements import ARSENIC, HYDROGEN, METALS, NITROGEN, PHOSPHORUS, SELENIUM, SULFUR
from worker.checks.found import UncheckedError
from worker.checks.templates import Centre, DoubleBond, Stereo

RESONANT = frozenset({PHOSPHORUS, SULFUR, ARSENIC, SELENIUM})
SIGNS = {ChiralType.CHI_TETRAHEDRAL_CCW: 1, ChiralType.CHI_TETRAHEDRAL_CW: -1}
"""Sign of the triple product of the vectors to the first three neighbours, in the order of the bonds."""

TRANS = {BondStereo.STEREOE: True, BondStereo.STEREOTRANS: True}
SIDES = TRANS | {BondStereo.STEREOZ: False, BondStereo.STEREOCIS: False}

ALL = 4
"""Neighbours of a tetrahedron."""

Molecule = Any
"""An RDKit molecule: RDKit has no annotations."""

Atom = Any


def of_component(molecule: Molecule, place: Mapping[int, int], component: Component) -> Stereo:
    """Return what the CCD says of the atoms in ``place``, which says what each is among them.

    Raises UncheckedError where Boltz-2 has other atoms than the dictionary.
    """
    indices = {atom.GetProp("name"): atom.GetIdx() for atom in molecule.GetAtoms()}
    missing = sorted(set(component.names) - set(indices))
    if missing:
        raise UncheckedError(f"Boltz-2's component lacks the dictionary's {', '.join(missing[:3])}")
    order = {indices[name]: at for at, name in enumerate(component.names)}
    centres: list[Centre] = []
    for name, sign in component.signs.items():
        atom = molecule.GetAtomWithIdx(indices[name])
        near = sorted(
            (other.GetIdx() for other in _heavy(atom)), key=lambda index: order.get(index, len(order))
        )
        centres += _centre(atom, near, sign, place)
    return Stereo(tuple(centres))


def of_smiles(molecule: Molecule, place: Mapping[int, int]) -> Stereo:
    """Return what a molecule, read from a SMILES and with its hydrogens, says of the atoms in ``place``."""
    marked = [atom for atom in molecule.GetAtoms() if atom.GetChiralTag() in SIGNS and _is_centre(atom)]
    centres = [
        centre
        for atom in marked
        for centre in _centre(atom, _in_order(atom), SIGNS[atom.GetChiralTag()], place)
    ]
    sides = [_double_bond(bond, place) for bond in molecule.GetBonds() if bond.GetStereo() in SIDES]
    return Stereo(tuple(centres), tuple(filter(None, sides)), tuple(_open(molecule, place)))


def _heavy(atom: Atom) -> list[Atom]:
    return [near for near in atom.GetNeighbors() if near.GetAtomicNum() != HYDROGEN]


def _in_order(atom: Atom) -> list[int]:
    """Return the neighbours in the order of the bonds, which chiral tags refer to."""
    return [bond.GetOtherAtomIdx(atom.GetIdx()) for bond in atom.GetBonds()]


def _centre(atom: Atom, near: Sequence[int], sign: int, place: Mapping[int, int]) -> Iterator[Centre]:
    """Yield a centre by three neighbours that are in place; nothing where there are fewer.

    ``sign`` is of the first three: leaving out another than the last of four turns it over, or not.
    """
    gone = [at for at, index in enumerate(near) if index not in place]
    kept = [place[index] for index in near if index in place]
    if atom.GetIdx() not in place or len(kept) < ALL - 1 or len(near) > ALL:
        return
    if gone and (ALL - 1 - gone[0]) % 2:
        sign = -sign
    yield Centre(place[atom.GetIdx()], (kept[0], kept[1], kept[2]), sign)


def _is_centre(atom: Atom) -> bool:
    """Whether an atom can be a lasting stereocentre: nitrogen turns over, unless it has four neighbours."""
    number, heavy = atom.GetAtomicNum(), _heavy(atom)
    if number in METALS or (number == NITROGEN and len(heavy) < ALL):
        return False
    ends = [near.GetAtomicNum() for near in heavy if len(_heavy(near)) == 1]
    return not (number in RESONANT and len(ends) > len(set(ends)))


def _double_bond(bond: Any, place: Mapping[int, int]) -> DoubleBond | None:  # noqa: ANN401 (RDKit has no annotations)
    one, other = bond.GetStereoAtoms()
    ends = one, bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), other
    if not place.keys() >= set(ends):
        return None
    first, second, third, fourth = (place[index] for index in ends)
    return DoubleBond((first, second, third, fourth), bond.GetStereo() in TRANS)


def _open(molecule: Molecule, place: Mapping[int, int]) -> Iterator[Centre]:
    """Yield the centres that the SMILES leaves open."""
    find: Any = Chem.FindMolChiralCenters  # without annotations
    found = find(molecule, includeUnassigned=True, useLegacyImplementation=False)
    for index, label in found:
        atom = molecule.GetAtomWithIdx(index)
        if label == "?" and _is_centre(atom):
            yield from _centre(atom, _in_order(atom), _sign_of_r(molecule, index), place)


def _sign_of_r(molecule: Molecule, index: int) -> int:
    """Return the sign that makes a centre R, 0 where it has no such name by itself."""
    tried = Chem.Mol(molecule)
    tried.GetAtomWithIdx(index).SetChiralTag(ChiralType.CHI_TETRAHEDRAL_CCW)
    Chem.AssignStereochemistry(tried, cleanIt=False, force=True)
    atom = tried.GetAtomWithIdx(index)
    return {"R": 1, "S": -1}.get(atom.GetProp("_CIPCode") if atom.HasProp("_CIPCode") else "", 0)
