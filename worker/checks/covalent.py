"""What holds within a residue or ligand: bonds, angles, rings, stereocentres, double bonds."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from worker.checks.atoms import Atoms, Group, Residue
from worker.checks.bounds import Lengths
from worker.checks.found import Bools, Floats, Found, Ints, nothing
from worker.checks.limits import ANGLE, FLAT, HAND, INNER, LENGTH, LENGTH_WARNING
from worker.checks.templates import Centre, Template

RIGHT_ANGLE = 90.0
TINY = 1e-6


def covalent(atoms: Atoms) -> Iterator[Found]:
    """Yield what each of these checks finds."""
    yield bond(atoms)
    yield angle(atoms)
    yield inner_clash(atoms)
    yield from stereo(atoms)
    yield open_centre(atoms)
    yield plane(atoms, "ring", lambda template: template.rings, failed=True)
    yield plane(atoms, "double bond plane", lambda template: template.planes, failed=False)


def bond(atoms: Atoms) -> Found:
    """Check bonds; the value is the share."""
    return _share(atoms, "bond", lambda template: template.bonds, LENGTH, LENGTH_WARNING)


def angle(atoms: Atoms) -> Found:
    """Check the distances of atoms that share a neighbour; the value is the share."""
    return _share(atoms, "angle", lambda template: template.angles, ANGLE, ANGLE)


def share(distance: Floats, low: Floats, high: Floats) -> Floats:
    """Return how far distances are outside of their bounds, as a part of the bound."""
    outside: Floats = np.maximum(0.0, np.maximum(1 - distance / low, distance / high - 1))
    return outside


def _share(
    atoms: Atoms, check: str, of: Callable[[Template], Lengths], limit: float, warning: float
) -> Found:
    pairs, low, high = _pairs(atoms, of)
    distance = distances(atoms, pairs)
    outside = share(distance, low, high)
    at = np.flatnonzero(outside > warning)

    def words(i: int) -> str:
        one, other = pairs[at[i]]
        return (
            f"{atoms.label(one)} to {atoms.label(other)}: {distance[at[i]]:.2f} Å, "
            f"normally {low[at[i]]:.2f} to {high[at[i]]:.2f}"
        )

    bad = outside[at]
    return Found(check, len(pairs), bad > limit, pairs[at, 0], bad, bad, words)


def inner_clash(atoms: Atoms) -> Found:
    """Check pairs of a ligand's atoms that are far apart in its graph; the value is in angstrom."""
    pairs, low, _ = _pairs(atoms, lambda template: template.far)
    distance = distances(atoms, pairs)
    at = np.flatnonzero(distance < INNER * low)

    def words(i: int) -> str:
        one, other = pairs[at[i]]
        return (
            f"{atoms.label(one)} and {atoms.label(other)}: {distance[at[i]]:.2f} Å apart, "
            f"at least {low[at[i]]:.2f} expected"
        )

    return Found(
        "inner clash",
        len(pairs),
        np.ones(len(at), dtype=bool),
        pairs[at, 0],
        distance[at],
        low[at] - distance[at],
        words,
    )


def distances(atoms: Atoms, pairs: Ints) -> Floats:
    """Return the distance of each pair of atoms, in angstrom."""
    apart: Floats = np.linalg.norm(atoms.places[pairs[:, 0]] - atoms.places[pairs[:, 1]], axis=1)
    return apart


def _pairs(atoms: Atoms, of: Callable[[Template], Lengths]) -> tuple[Ints, Floats, Floats]:
    """Return the pairs of all residues, with the least and the largest distance of each."""
    pairs, low, high = [np.zeros((0, 2), dtype=int)], [np.zeros(0)], [np.zeros(0)]
    for group in atoms.groups:
        lengths, count = of(group.template), len(group.residues)
        pairs.append(group.places(lengths.pairs).reshape(-1, 2))
        low.append(np.tile(lengths.low, count))
        high.append(np.tile(lengths.high, count))
    return np.concatenate(pairs), np.concatenate(low), np.concatenate(high)


def stereo(atoms: Atoms) -> Iterator[Found]:
    """Check stereocentres and double bonds; their values are triple products times the sign, and degrees.

    Another isomer by names is none where a symmetry of the molecule takes one into the other.
    """
    centres: list[tuple[int, float]] = []
    sides: list[tuple[int, int, float]] = []
    for group in atoms.groups:
        for residue in _another_isomer(atoms, group):
            centres += _wrong_centres(atoms, residue)
            sides += _wrong_sides(atoms, residue)
    counted = [(len(group.residues), group.template.stereo) for group in atoms.groups]
    looked_at = sum(count * len(known.centres) for count, known in counted)
    yield _centres_found(atoms, looked_at, centres)
    looked_at = sum(count * len(known.double_bonds) for count, known in counted)
    yield _sides_found(atoms, looked_at, sides)


def hands(places: Floats, centres: Iterable[Centre]) -> Floats:
    """Return triple products of unit vectors times the expected sign; ``places`` is [..., atoms, 3].

    0.77 in a tetrahedron, 0 in a plane, negative in a mirror.
    """
    index = np.array([(each.atom, *each.neighbours) for each in centres], dtype=int).reshape(-1, 4)
    signs = np.array([each.sign for each in centres])
    legs = places[..., index[:, 1:], :] - places[..., index[:, :1], :]
    legs = legs / np.maximum(np.linalg.norm(legs, axis=-1, keepdims=True), TINY)
    product: Floats = np.linalg.det(legs) * signs
    return product


def dihedral(places: Floats) -> Floats:
    """Return the angle between the planes of four points each, [..., 4, 3], from -180 to 180 degrees."""
    first, axis, last = (places[..., at + 1, :] - places[..., at, :] for at in range(3))
    one, other = np.cross(first, axis), np.cross(axis, last)
    length = np.maximum(np.linalg.norm(axis, axis=-1), TINY)
    sine = (np.cross(one, other) * axis).sum(axis=-1) / length
    degrees: Floats = np.degrees(np.arctan2(sine, (one * other).sum(axis=-1)))
    return degrees


def _right(places: Floats, template: Template) -> Bools:
    """Return whether residues, [..., atoms, 3], are of the isomer that their template is of."""
    known = template.stereo
    right: Bools = (hands(places, known.centres) >= HAND).all(axis=-1)
    if known.double_bonds:
        index = np.array([each.atoms for each in known.double_bonds])
        trans = np.array([each.trans for each in known.double_bonds])
        right &= ((np.abs(dihedral(places[..., index, :])) > RIGHT_ANGLE) == trans).all(axis=-1)
    return right


def _another_isomer(atoms: Atoms, group: Group) -> Iterator[Residue]:
    template = group.template
    if not (template.stereo.centres or template.stereo.double_bonds):
        return
    places = atoms.places[group.places(np.arange(len(template.names)))]
    for at in np.flatnonzero(~_right(places, template)):
        if not _right(places[at][template.swaps], template).any():
            yield group.residues[at]


def _wrong_centres(atoms: Atoms, residue: Residue) -> Iterator[tuple[int, float]]:
    centres = residue.wanted.template.stereo.centres
    for centre, hand in zip(centres, hands(atoms.places[residue.atoms], centres), strict=True):
        if hand < HAND:
            yield residue.start + centre.atom, float(hand)


def _wrong_sides(atoms: Atoms, residue: Residue) -> Iterator[tuple[int, int, float]]:
    for double in residue.wanted.template.stereo.double_bonds:
        index = residue.start + np.array(double.atoms)
        degrees = float(dihedral(atoms.places[index]))
        if (abs(degrees) > RIGHT_ANGLE) != double.trans:
            yield int(index[1]), int(index[2]), degrees


def _centres_found(atoms: Atoms, looked_at: int, wrong: list[tuple[int, float]]) -> Found:
    if not wrong:
        return nothing("stereocentre", looked_at)
    at, values = np.array([atom for atom, _ in wrong]), np.array([hand for _, hand in wrong])

    def words(i: int) -> str:
        kind, name = atoms.of(at[i])
        how = "inverted" if values[i] < -HAND else "flat"
        d_amino = kind.kind == "protein" and name == "CA" and how == "inverted"
        return f"{atoms.label(at[i])} is {how}{' (the mirror image of its amino acid)' * d_amino}"

    return Found("stereocentre", looked_at, np.ones(len(at), dtype=bool), at, values, -values, words)


def _sides_found(atoms: Atoms, looked_at: int, wrong: list[tuple[int, int, float]]) -> Found:
    if not wrong:
        return nothing("double bond", looked_at)
    values = np.array([degrees for *_, degrees in wrong])

    def words(i: int) -> str:
        one, other, degrees = wrong[i]
        built = "trans" if abs(degrees) > RIGHT_ANGLE else "cis"
        return f"{atoms.label(one)}={atoms.of(other)[1]} is {built}, which the SMILES does not have"

    at = np.array([one for one, *_ in wrong])
    badness = np.abs(np.abs(values) - RIGHT_ANGLE)
    return Found("double bond", looked_at, np.ones(len(at), dtype=bool), at, values, badness, words)


def open_centre(atoms: Atoms) -> Found:
    """Tell of centres that the input leaves open which hand was built; the value is the triple product."""
    found: list[tuple[int, float]] = []
    for residue in atoms.residues:
        centres = residue.wanted.template.stereo.open
        if centres:
            values = hands(atoms.places[residue.atoms], centres)
            signs = (each.sign for each in centres)
            known = zip(centres, values, signs, strict=True)
            found += [(residue.start + each.atom, float(value) * abs(sign)) for each, value, sign in known]
    if not found:
        return nothing("open stereocentre")
    at, values = np.array([atom for atom, _ in found]), np.array([value for _, value in found])

    def words(i: int) -> str:
        built = "" if not values[i] else f"; {'R' if values[i] > 0 else 'S'} was built"
        return f"{atoms.label(at[i])} was left open by the SMILES{built}"

    return Found("open stereocentre", len(at), np.zeros(len(at), dtype=bool), at, values, -at, words)


def plane(
    atoms: Atoms, check: str, of: Callable[[Template], Iterable[tuple[int, ...]]], *, failed: bool
) -> Found:
    """Check that atoms lie in a plane; the value is the largest distance from it, in angstrom."""
    looked_at, found = 0, [(np.zeros(0, dtype=int), np.zeros(0))]
    for index in _planes(atoms, of):
        off = off_plane(atoms.places[index])
        looked_at += len(index)
        found.append((index[off > FLAT, 0], off[off > FLAT]))
    at, values = (np.concatenate(each) for each in zip(*found, strict=True))

    def words(i: int) -> str:
        return f"the {check.removesuffix(' plane')} at {atoms.label(at[i])} is bent by {values[i]:.2f} Å"

    return Found(check, looked_at, np.full(len(at), failed), at, values, values, words)


def off_plane(places: Floats) -> Floats:
    """Return the largest distance from the best plane of each set of points, [..., points, 3]; angstrom."""
    centred = places - places.mean(axis=-2, keepdims=True)
    normal = np.linalg.svd(centred)[2][..., -1, :]
    off: Floats = np.abs((centred * normal[..., None, :]).sum(axis=-1)).max(axis=-1)
    return off


def _planes(atoms: Atoms, of: Callable[[Template], Iterable[tuple[int, ...]]]) -> Iterator[Ints]:
    """Yield planes of as many atoms each, [planes, atoms]."""
    by_size: dict[int, list[Ints]] = {}
    for group in atoms.groups:
        for within in of(group.template):
            by_size.setdefault(len(within), []).append(group.places(np.array(within)))
    yield from (np.concatenate(each) for each in by_size.values())
