"""Each limit from both sides: what lies just within is silent, what lies just past it is found."""

from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from support.structures import Built, Place, arranged, examined, moved, protein, right

from schemas.checks import Verdict
from worker.checks import bounds, contacts, covalent, polymers
from worker.checks.atoms import Atoms
from worker.checks.bounds import Lengths
from worker.checks.found import Found
from worker.checks.templates import heavy

NONE = np.zeros((0, 2), dtype=int)


def level(found: Found) -> str:
    """Return the level of the only thing that was found, if there is one."""
    assert len(found) <= 1
    return "" if not len(found) else "failed" if found.failed[0] else "warning"


def on_a_line(text: str, apart: float) -> Built:
    """Return a ligand whose atoms lie on a line, this far apart."""
    built = right(text)
    names = built.molecules["LIG1"].GetAtoms()
    places = {("L", 1, atom.GetProp("name")): np.array([at * apart, 0, 0]) for at, atom in enumerate(names)}
    return Built(built.document, places, built.molecules)


def lengths(text: str, kind: str) -> Lengths:
    [group] = arranged(right(text)).groups
    found: Lengths = getattr(group.template, kind)
    return found


METHANOL, ETHER, BUTANE = (
    f"sequences:\n- ligand: {{id: L, smiles: {each}}}\n" for each in ("CO", "COC", "CCCC")
)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.124, ""), (0.126, "warning"), (0.249, "warning"), (0.251, "failed")]
)
@pytest.mark.parametrize("longer", [True, False])
def test_a_bond(share: float, expected: str, longer: bool) -> None:
    known = lengths(METHANOL, "bonds")
    length = known.high[0] * (1 + share) if longer else known.low[0] * (1 - share)
    assert level(covalent.bond(arranged(on_a_line(METHANOL, length)))) == expected


@pytest.mark.parametrize(("share", "expected"), [(0.249, ""), (0.251, "failed")])
@pytest.mark.parametrize("longer", [True, False])
def test_an_angle(share: float, expected: str, longer: bool) -> None:
    known = lengths(ETHER, "angles")
    length = known.high[0] * (1 + share) if longer else known.low[0] * (1 - share)
    assert level(covalent.angle(arranged(on_a_line(ETHER, length / 2)))) == expected


@pytest.mark.parametrize(("part", "expected"), [(0.71, ""), (0.69, "failed")])
def test_an_inner_clash(part: float, expected: str) -> None:
    known = lengths(BUTANE, "far")
    assert len(known.pairs) == 1
    assert level(covalent.inner_clash(arranged(on_a_line(BUTANE, part * known.low[0] / 3)))) == expected


@pytest.mark.parametrize(("off", "expected"), [(0.249, ""), (0.251, "failed")])
def test_a_ring(off: float, expected: str) -> None:
    built = right("sequences:\n- ligand: {id: L, smiles: c1ccccc1}\n")
    around = np.radians(60 * np.arange(6))
    places = np.stack([1.39 * np.cos(around), 1.39 * np.sin(around), off * (-1.0) ** np.arange(6)], axis=1)
    found = dict(zip(built.places, places, strict=True))
    atoms = arranged(Built(built.document, found, built.molecules))
    assert level(covalent.plane(atoms, "ring", lambda template: template.rings, failed=True)) == expected


def test_a_bent_double_bond_is_a_warning(tmp_path: Path) -> None:
    built = right("sequences:\n- ligand: {id: L, smiles: CC(C)=C(C)C}\n")
    flat = examined(built, tmp_path)
    one = next(iter(built.places))
    places = built.places | {one: built.places[one] + covalent_normal(built) * 0.6}
    bent = examined(Built(built.document, places, built.molecules), tmp_path)
    assert (flat.verdict, flat.looked_at["double bond plane"]) == (Verdict.PASSED, 1)
    assert (bent.verdict, bent.counts) == (Verdict.WARNINGS, {"double bond plane": 1})


def covalent_normal(built: Built) -> Place:
    places = np.array(list(built.places.values()))
    normal: Place = np.linalg.svd(places - places.mean(axis=0))[2][-1]
    return normal


@pytest.mark.parametrize(
    ("off", "expected"),
    [
        (0.124, ""),
        (0.126, "warning"),
        (-0.124, ""),
        (-0.126, "warning"),
        (0.249, "warning"),
        (0.251, "failed"),
    ],
)
def test_the_backbone(off: float, expected: str) -> None:
    built = right(protein("GG"))
    bond = built.places["A", 2, "N"] - built.places["A", 1, "C"]
    apart = moved(built, lambda key, place: place + off * bond if key[1] == 2 else place)
    atoms = arranged(apart)
    chain, unknown = polymers.links(atoms, ())
    assert (level(polymers.backbone(atoms, chain)), unknown) == (expected, [])


def glycines(
    count: int, pairs: int, part: float, *, elements: tuple[str, str] = ("CA", "CA"), chains: str = "AB"
) -> Atoms:
    """Return residues far from each other, but for pairs this close, as a part of their radii's sum."""
    built = right(protein("G" * (count // 2), chain="[A, B]"))
    places = {key: np.array([20.0 * at, 0, 0]) for at, key in enumerate(built.places)}
    radii = {"CA": 1.7, "N": 1.6, "O": 1.55}
    for at in range(pairs):
        one = (chains[0], 2 * at + 1, elements[0])
        other = (chains[1], 2 * at + (1 if chains[1] != chains[0] else 3), elements[1])
        apart = part * (radii[elements[0]] + radii[elements[1]])
        places[other] = places[one] + [0, apart, 0]
    return arranged(Built(built.document, places, {}))


def found_levels(atoms: Atoms) -> tuple[int, str]:
    found = contacts.clash(atoms, NONE)
    return len(found), "failed" if found.failed.any() else "warning" if len(found) else ""


@pytest.mark.parametrize(
    ("pairs", "part", "elements", "chains", "expected"),
    [
        (2, 0.74, ("CA", "CA"), "AB", (0, "")),  # 2 in 1,000 atoms
        (3, 0.74, ("CA", "CA"), "AB", (3, "warning")),
        (3, 0.76, ("CA", "CA"), "AB", (0, "")),
        (10, 0.74, ("CA", "CA"), "AB", (10, "warning")),
        (11, 0.74, ("CA", "CA"), "AB", (11, "failed")),
        (11, 0.66, ("N", "O"), "AB", (0, "")),  # a hydrogen between them
        (11, 0.64, ("N", "O"), "AB", (11, "failed")),
        (1, 0.56, ("CA", "CA"), "AB", (0, "")),
        (1, 0.54, ("CA", "CA"), "AB", (1, "failed")),
        (1, 0.54, ("CA", "CA"), "AA", (1, "warning")),
    ],
)
def test_overlaps_in_a_thousand_atoms(
    pairs: int, part: float, elements: tuple[str, str], chains: str, expected: tuple[int, str]
) -> None:
    atoms = glycines(250, pairs, part, elements=elements, chains=chains)
    assert len(atoms.places) == 1000
    assert found_levels(atoms) == expected


@pytest.mark.parametrize(("part", "expected"), [(0.76, ""), (0.74, "failed")])
def test_an_overlap_with_a_ligand(part: float, expected: str) -> None:
    built = right(protein("G") + "- ligand: {id: L, smiles: C}\n")
    places = {key: np.array([20.0 * at, 0, 0]) for at, key in enumerate(built.places)}
    [carbon] = built.chain("L")
    places[carbon] = places["A", 1, "CA"] + [0, part * 3.4, 0]
    assert level(contacts.clash(arranged(Built(built.document, places, built.molecules)), NONE)) == expected


@pytest.mark.parametrize(("bonds", "expected"), [(3, ""), (4, "failed")])
def test_atoms_up_to_three_bonds_apart_do_not_overlap(bonds: int, expected: str) -> None:
    """A ligand bound to CA: C-C-C away from it are two to four bonds from the nitrogen."""
    built = right(protein("G") + "- ligand: {id: L, smiles: CCC}\n")
    places = {key: np.array([20.0 * at, 0, 0]) for at, key in enumerate(built.places)}
    chain = built.chain("L")
    places[chain[bonds - 2]] = places["A", 1, "N"] + [0, 1.5, 0]
    atoms = arranged(Built(built.document, places, built.molecules))
    spots = atoms.spots["A", 1].atom("CA"), atoms.spots["L", 1].start
    assert level(contacts.clash(atoms, np.array([spots], dtype=int))) == expected


@pytest.mark.parametrize(("distance", "count"), [(4.99, 0), (5.01, 2)])
def test_chains_by_themselves(distance: float, count: int) -> None:
    built = right(protein("G", chain="[A, B]"))
    places = {key: np.array([20.0 * at, 0, 0]) for at, key in enumerate(built.places)}
    places["B", 1, "O"] = places["A", 1, "O"] + [0, distance, 0]
    assert len(contacts.alone(arranged(Built(built.document, places, {})))) == count


ASKED = protein("GGG", chain="[A, B]") + "constraints:\n"
CONTACT = "- contact: {token1: [A, 1], token2: [B, 3], max_distance: 8"
POCKET = "- pocket: {binder: B, contacts: [[A, 1]], max_distance: 8"


def asked(constraint: str, distance: float, folder: Path) -> tuple[bool, dict[str, int], str]:
    built = right(ASKED + constraint)
    places = {key: np.array([20.0 * at, 0, 0]) for at, key in enumerate(built.places)}
    places["B", 3, "O"] = places["A", 1, "O"] + [0, distance, 0]
    sample = examined(Built(built.document, places, {}), folder)
    [result] = sample.constraints
    assert result.distance == pytest.approx(distance, abs=0.006)
    kinds = {"contact", "pocket", "bond asked"}
    levels = {outlier.level for outlier in sample.outliers if outlier.check in kinds}
    return result.met, {kind: sample.counts[kind] for kind in kinds & set(sample.counts)}, "".join(levels)


@pytest.mark.parametrize(("force", "expected"), [("}", "warning"), (", force: true}", "failed")])
@pytest.mark.parametrize("constraint", [CONTACT, POCKET])
def test_a_contact_or_pocket(constraint: str, force: str, expected: str, tmp_path: Path) -> None:
    kind = constraint[2:].partition(":")[0]
    assert asked(f"{constraint}{force}\n", 7.9, tmp_path) == (True, {}, "")
    assert asked(f"{constraint}{force}\n", 8.1, tmp_path) == (False, {kind: 1}, expected)


@pytest.mark.parametrize(("part", "met"), [(0.74, False), (0.76, True), (1.24, True), (1.26, False)])
def test_a_bond_that_was_asked_for(part: float, met: bool, tmp_path: Path) -> None:
    bond = "- bond: {atom1: [A, 1, O], atom2: [B, 3, O]}\n"
    expected = (True, {}, "") if met else (False, {"bond asked": 1}, "failed")
    assert asked(bond, part * 2 * 0.66, tmp_path) == expected


def known(smiles: str) -> dict[str, dict[tuple[str, str], float]]:
    """Return the least distances that are held against a molecule, by kind and elements, rounded."""
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    kept = heavy(molecule)
    found = bounds.lengths(molecule, {index: at for at, index in enumerate(kept)}, whole=True)
    symbols = [molecule.GetAtomWithIdx(index).GetSymbol() for index in kept]
    return {
        kind: {
            (symbols[one], symbols[other]): round(float(low), 3)
            for (one, other), low in zip(each.pairs, each.low, strict=True)
        }
        for kind, each in zip(("bonds", "angles", "far"), found, strict=True)
    }


def test_an_acylguanidine_may_have_its_oxygen_at_its_nitrogen() -> None:
    """RDKit's bounds by preferred torsions say 4.1 angstrom, of what is 2.4 in crystals."""
    assert known("CC(=O)NC(=N)N")["far"]["O", "N"] < 2.5


def test_a_metal_holds_its_ligands_to_no_lengths_of_a_ring() -> None:
    chelate, free = known("C1CN[Ru]N1"), known("NCCN")
    assert chelate["angles"]["C", "N"] == free["angles"]["N", "C"]
    assert {pair for kind in chelate.values() for pair in kind if "Ru" in pair} == set()
    assert ("N", "N") not in chelate["far"]  # at the metal
    assert ("N", "N") in free["far"]
