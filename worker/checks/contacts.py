"""What holds between residues that are not bound to each other: no overlaps, and no chain by itself."""

from collections.abc import Iterable, Iterator
from itertools import combinations

import numpy as np
from scipy.sparse import csr_array, identity
from scipy.spatial import cKDTree

from worker.checks.atoms import Atoms
from worker.checks.covalent import distances
from worker.checks.elements import COVALENT, IS_METAL, POLAR, VAN_DER_WAALS
from worker.checks.found import Bools, Floats, Found, Ints, nothing
from worker.checks.limits import (
    ALONE,
    APART,
    CLASH,
    CLASH_POLAR,
    CLASH_SEVERE,
    CLASHES,
    CLASHES_WARNING,
    CROWDED,
    DISULFIDE,
)

NEAR = 5.0
"""Angstrom within which neighbours are counted, to see whether a structure has collapsed."""


def contacts(atoms: Atoms, bonds: Ints) -> Iterator[Found]:
    """Yield what these checks find; ``bonds`` are those between residues, [bonds, 2]."""
    yield clash(atoms, bonds)
    yield alone(atoms)


def clash(atoms: Atoms, bonds: Ints) -> Found:
    """Check pairs of atoms of different residues; the value is their distance as a part of that of radii."""
    tree = cKDTree(atoms.places)
    neighbours = tree.count_neighbors(tree, NEAR) / max(1, len(atoms.places)) - 1
    if neighbours > CROWDED:
        return _collapsed(atoms, neighbours)
    pairs, part = _close(atoms, tree)
    apart = ~_within(atoms, bonds, pairs)
    pairs, part = pairs[apart], part[apart]
    failed, warning = _levels(atoms, pairs, part)
    at = np.flatnonzero(failed | warning)
    distance = distances(atoms, pairs)

    def words(i: int) -> str:
        one, other = pairs[at[i]]
        return f"{atoms.label(one)} and {atoms.label(other)} overlap ({distance[at[i]]:.2f} Å apart)"

    return Found("clash", len(atoms.places), failed[at], pairs[at, 0], part[at], 1 - part[at], words)


def _collapsed(atoms: Atoms, neighbours: float) -> Found:
    words = f"atoms lie on top of each other: {neighbours:.0f} are within {NEAR:g} Å of one, 27 usually"
    one = np.ones(1)
    return Found("clash", len(atoms.places), one > 0, one.astype(int) - 1, one * 0, one, lambda _: words)


def _close(atoms: Atoms, tree: cKDTree) -> tuple[Ints, Floats]:
    """Return pairs of atoms of different residues that are too close, as a part of their radii's sum."""
    elements = atoms.elements
    radii = np.maximum(VAN_DER_WAALS, np.where(IS_METAL, COVALENT, 0))[elements]
    pairs = tree.query_pairs(CLASH * 2 * radii.max(initial=0), output_type="ndarray")
    pairs = pairs[atoms.residue[pairs[:, 0]] != atoms.residue[pairs[:, 1]]].astype(int)
    kinds = elements[pairs]
    metal = IS_METAL[kinds].any(axis=1)
    part = distances(atoms, pairs) / np.where(metal, COVALENT[kinds].sum(1), VAN_DER_WAALS[kinds].sum(1))
    close = part < np.where(POLAR[kinds].all(axis=1), CLASH_POLAR, CLASH)
    return pairs[close], part[close]


def _within(atoms: Atoms, bonds: Ints, pairs: Ints) -> Bools:
    """Return which pairs are within a few bonds of each other."""
    count = len(atoms.places)
    edges = np.concatenate([bonds, *(_edges(atoms)), _disulfides(atoms)])
    ones = np.ones(len(edges), dtype=np.int32)
    graph = csr_array((ones, (edges[:, 0], edges[:, 1])), shape=(count, count))
    step = graph + graph.T + csr_array(identity(count, dtype=np.int32))
    firsts = np.unique(pairs[:, 0])
    reach = step[firsts]
    for _ in range(APART - 1):
        reach = reach @ step
    row, column = reach.nonzero()
    within: Bools = np.isin(pairs @ [count, 1], firsts[row].astype(int) * count + column)
    return within


def _edges(atoms: Atoms) -> Iterable[Ints]:
    return (group.places(group.template.edges).reshape(-1, 2) for group in atoms.groups)


def _disulfides(atoms: Atoms) -> Ints:
    sulfurs = [residue.atom("SG") for residue in atoms.residues if residue.wanted.kind == "protein"]
    known = np.array([atom for atom in sulfurs if atom is not None], dtype=int)
    if len(known) < 2:  # noqa: PLR2004  a pair
        return np.zeros((0, 2), dtype=int)
    near = cKDTree(atoms.places[known]).query_pairs(DISULFIDE, output_type="ndarray")
    pairs: Ints = known[near.reshape(-1, 2)]
    return pairs


def _levels(atoms: Atoms, pairs: Ints, part: Floats) -> tuple[Bools, Bools]:
    """Return which overlaps fail a structure, and which are a warning; a few in a polymer are neither."""
    ligand = atoms.in_ligand[pairs].any(axis=1)
    between = atoms.chain[pairs[:, 0]] != atoms.chain[pairs[:, 1]]
    severe = part < CLASH_SEVERE
    rate = 1000 * (~ligand).sum() / max(1, (~atoms.in_ligand).sum())
    failed = ligand | (severe & between) | (rate > CLASHES)
    return failed, severe | (rate > CLASHES_WARNING)


def alone(atoms: Atoms) -> Found:
    """Check that each chain touches another; the value is the distance in angstrom."""
    count = len(atoms.chains)
    if count < 2:  # noqa: PLR2004  a chain and another
        return nothing("alone")
    trees = [cKDTree(atoms.places[atoms.chain == chain]) for chain in range(count)]
    nearest = np.full(count, np.inf)
    for one, other in combinations(range(count), 2):
        limit = max(nearest[one], nearest[other])
        apart, _ = trees[one].query(trees[other].data, distance_upper_bound=limit)
        nearest[[one, other]] = np.minimum(nearest[[one, other]], apart.min())
    first = [residues[0] for residues in atoms.chains.values()]
    ligand = np.array([residue.wanted.kind == "ligand" for residue in first])
    at = np.flatnonzero(nearest > ALONE)

    def words(i: int) -> str:
        chain = first[at[i]].wanted.chain
        return f"chain {chain} touches no other chain (nearest atom {nearest[at[i]]:.1f} Å away)"

    starts = np.array([residue.start for residue in first])
    return Found("alone", count, ligand[at], starts[at], nearest[at], nearest[at], words)
