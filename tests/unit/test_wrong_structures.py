"""What is wrong is seen, at the right atoms: one thing at a time in a structure that is right."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from support.structures import (
    ALL_RESIDUES,
    COMPLEX,
    NEAREST,
    Built,
    Key,
    Place,
    build,
    examined,
    mirrored,
    moved,
    point,
    protein,
    right,
)

from schemas.checks import CheckedSample, Verdict

BOND = "constraints:\n- bond: {atom1: [A, 3, OG], atom2: [L, 1, C5]}\n"
CYCLIC = protein("GRCTKSIP", more="cyclic: true")


def changed(built: Built, change: Callable[[dict[Key, Place]], None]) -> Built:
    """Return a copy after a change of places."""
    copy = moved(built, lambda _, place: place)
    change(copy.places)
    return copy


def chain_moved(chain: str, vector: Place | tuple[float, float, float]) -> Callable[[Key, Place], Place]:
    """Return what moves a chain."""
    return lambda key, place: place + vector if key[0] == chain else place


def middle(built: Built, chain: str) -> Place:
    """Return the middle of a chain's atoms."""
    place: Place = np.mean([built.places[key] for key in built.chain(chain)], axis=0)
    return place


def said(sample: CheckedSample, check: str) -> list[str]:
    """Return what is said of a check."""
    return [outlier.what for outlier in sample.outliers if outlier.check == check]


def test_a_mirror_image_is_seen_at_every_stereocentre(tmp_path: Path) -> None:
    sample = examined(moved(right(COMPLEX), lambda _, place: place * [1, 1, -1]), tmp_path)
    assert (sample.verdict, sample.counts) == (Verdict.FAILED, {"stereocentre": 44})
    assert "A ALA 1 CA is inverted (the mirror image of its amino acid)" in said(sample, "stereocentre")


def test_a_mirrored_ligand_is_seen_at_its_eight_centres(tmp_path: Path) -> None:
    built = right(COMPLEX)
    middle = np.mean([built.places[key] for key in built.chain("L")], axis=0)
    sample = examined(
        moved(built, lambda key, place: (place - middle) * [1, 1, -1] + middle if key[0] == "L" else place),
        tmp_path,
    )
    assert sample.counts["stereocentre"] == 8
    assert {outlier.chain for outlier in sample.outliers if outlier.check == "stereocentre"} == {"L"}


def test_one_mirrored_side_chain_is_seen(tmp_path: Path) -> None:
    def change(places: dict[Key, Place]) -> None:
        plane = [places["A", 5, name] for name in ("CA", "N", "C")]
        for key, place in places.items():
            if key[:2] == ("A", 5) and key[2] not in {"N", "CA", "C", "O"}:
                places[key] = mirrored(place, *plane)

    sample = examined(changed(right(protein(ALL_RESIDUES)), change), tmp_path)
    assert said(sample, "stereocentre") == ["A PHE 5 CA is inverted (the mirror image of its amino acid)"]
    assert sample.verdict == Verdict.FAILED


def test_a_flat_centre_is_seen(tmp_path: Path) -> None:
    def change(places: dict[Key, Place]) -> None:
        places["A", 5, "CA"] = np.mean([places["A", 5, name] for name in ("N", "C", "CB")], axis=0)

    sample = examined(changed(right(protein(ALL_RESIDUES)), change), tmp_path)
    assert said(sample, "stereocentre") == ["A PHE 5 CA is flat"]


def test_a_sugar_s_other_anomer_is_seen(tmp_path: Path) -> None:
    def change(places: dict[Key, Place]) -> None:
        places["N", 1, "O1"] = mirrored(*(places["N", 1, name] for name in ("O1", "C1", "C2", "O5")))

    sample = examined(changed(right(COMPLEX), change), tmp_path)
    assert said(sample, "stereocentre") == ["N NAG 1 C1 is inverted"]


def test_a_stretched_bond_is_seen(tmp_path: Path) -> None:
    def change(places: dict[Key, Place]) -> None:
        carbon, oxygen = places["A", 3, "C"], places["A", 3, "O"]
        places["A", 3, "O"] = carbon + 1.5 * (oxygen - carbon)

    sample = examined(changed(right(protein(ALL_RESIDUES)), change), tmp_path)
    [words] = said(sample, "bond")
    assert words.startswith("A ASP 3 C to A ASP 3 O: 1.8")
    assert sample.verdict == Verdict.FAILED


def test_a_bent_ring_is_seen(tmp_path: Path) -> None:
    def change(places: dict[Key, Place]) -> None:
        zeta, one, two, gamma = (places["A", 5, name] for name in ("CZ", "CE1", "CE2", "CG"))
        normal = np.cross(one - gamma, two - gamma)
        places["A", 5, "CZ"] = zeta + normal / np.linalg.norm(normal)

    sample = examined(changed(right(protein(ALL_RESIDUES)), change), tmp_path)
    assert sample.counts["ring"] == 1
    assert sample.verdict == Verdict.FAILED


def test_a_torn_chain_is_seen(tmp_path: Path) -> None:
    tear = moved(
        right(protein(ALL_RESIDUES)),
        lambda key, place: place + np.array([0, 0, 1.0]) if key[1] > 10 else place,
    )
    sample = examined(tear, tmp_path)
    [words] = said(sample, "backbone")
    assert words.startswith("A LEU 10 C to A MET 11 N: ")
    assert sample.verdict == Verdict.FAILED


def test_a_closed_ring_passes_and_an_open_one_does_not(tmp_path: Path) -> None:
    sample = examined(build(CYCLIC), tmp_path)
    [words] = said(sample, "backbone")
    assert words.startswith("A PRO 8 C to A GLY 1 N: ")
    assert (sample.verdict, sample.looked_at["backbone"]) == (Verdict.FAILED, 8)


def turned(built: Built, number: int, degrees: float) -> Built:
    """Turn all from a residue on about the peptide bond before it."""
    origin, end = built.places["A", number - 1, "C"], built.places["A", number, "N"]
    axis = (end - origin) / np.linalg.norm(end - origin)
    turn = Rotation.from_rotvec(np.radians(degrees) * axis).as_matrix()
    return moved(built, lambda key, place: origin + turn @ (place - origin) if key[1] >= number else place)


@pytest.mark.parametrize(
    ("degrees", "number", "counts"),
    [
        (0, 19, {}),
        (29, 19, {}),
        (31, 19, {"peptide twisted": 1}),
        (180, 20, {"peptide cis": 1}),
        (180, 13, {}),  # before proline
    ],
)
def test_a_peptide_bond_off_its_plane_is_a_warning(
    degrees: float, number: int, counts: dict[str, int], tmp_path: Path
) -> None:
    sample = examined(turned(right(protein(ALL_RESIDUES)), number, degrees), tmp_path)
    found = {check: count for check, count in sample.counts.items() if check.startswith("peptide")}
    assert found == counts


def test_many_twisted_peptide_bonds_fail(tmp_path: Path) -> None:
    built = right(protein(ALL_RESIDUES))
    for number in (3, 6, 9, 15):
        built = turned(built, number, 40)
    few = examined(built, tmp_path)
    many = examined(turned(built, 18, 40), tmp_path)
    levels = [
        {outlier.level for outlier in sample.outliers if outlier.check == "peptide twisted"}
        for sample in (few, many)
    ]
    assert levels == [{"warning"}, {"failed"}]


@pytest.mark.parametrize("what", ["smiles: CCO", "ccd: MG"])
def test_a_ligand_or_ion_by_itself_fails(what: str, tmp_path: Path) -> None:
    built = right(protein("AASTK", chain="[A, B]") + f"- ligand: {{id: L, {what}}}\n")
    sample = examined(moved(built, chain_moved("L", (400, 0, 0))), tmp_path)
    [outlier] = sample.outliers
    assert (outlier.check, outlier.level, outlier.chain) == ("alone", "failed", "L")
    assert "touches no other chain" in outlier.what


def test_a_polymer_by_itself_is_a_warning(tmp_path: Path) -> None:
    built = right(protein("AASTK", chain="[A, B]"))
    sample = examined(moved(built, chain_moved("B", (0, 400, 0))), tmp_path)
    assert (sample.verdict, sample.counts) == (Verdict.WARNINGS, {"alone": 2})


def test_two_chains_through_each_other_fail(tmp_path: Path) -> None:
    built = right(protein("AASTKLLE", chain="[A, B]"))
    onto = {key: built.places["A", *key[1:]] + 0.7 for key in built.chain("B")}
    sample = examined(Built(built.document, built.places | onto, {}), tmp_path)
    assert sample.counts["clash"] > 20
    assert sample.verdict == Verdict.FAILED


def test_a_chain_pushed_four_angstrom_into_another_fails(tmp_path: Path) -> None:
    built = right(protein("AASTKLLE", chain="[A, B]"))
    between = middle(built, "A") - middle(built, "B")
    push = (4 + NEAREST) * between / np.linalg.norm(between)
    sample = examined(moved(built, chain_moved("B", push)), tmp_path)
    assert sample.counts["clash"] > 1
    assert sample.verdict == Verdict.FAILED


def test_a_ligand_in_a_protein_s_middle_fails(tmp_path: Path) -> None:
    built = right(COMPLEX)
    sample = examined(moved(built, chain_moved("L", middle(built, "A") - middle(built, "L"))), tmp_path)
    assert sample.counts["clash"] > 3
    assert any("L LIG1 1" in words for words in said(sample, "clash"))
    assert sample.verdict == Verdict.FAILED


def test_one_overlap_with_a_ligand_fails_and_names_both_atoms(tmp_path: Path) -> None:
    text = protein("AASTK") + "- ligand: {id: L, smiles: C}\n"
    built = right(text)
    near = built.places["A", 3, "CB"]
    away = near - built.places["A", 3, "CA"]
    sample = examined(
        moved(built, lambda key, place: near + 2.5 * away / np.linalg.norm(away) if key[0] == "L" else place),
        tmp_path,
    )
    assert any("A SER 3 CB" in words and "L LIG1 1 C" in words for words in said(sample, "clash"))
    assert sample.verdict == Verdict.FAILED


def test_a_collapsed_structure_fails(tmp_path: Path) -> None:
    dense = moved(right(COMPLEX), lambda _, place: place / 50)
    sample = examined(dense, tmp_path)
    assert "lie on top of each other" in said(sample, "clash")[0]
    assert sample.verdict == Verdict.FAILED


def test_a_metal_may_be_near_what_binds_it(tmp_path: Path) -> None:
    built = right(protein("AASTK") + "- ligand: {id: M, ccd: MG}\n")
    oxygen, carbon = built.places["A", 3, "OG"], built.places["A", 3, "CB"]
    away = (oxygen - carbon) / np.linalg.norm(oxygen - carbon)

    def at(distance: float) -> Built:
        return Built(built.document, built.places | {("M", 1, "MG"): oxygen + distance * away}, {})

    assert examined(at(2.1), tmp_path).verdict == Verdict.PASSED
    assert examined(at(1.4), tmp_path).counts["clash"] >= 1


@pytest.mark.parametrize(("constraint", "overlaps"), [("", True), (BOND, False)])
def test_a_bond_that_was_asked_for_is_no_overlap(constraint: str, overlaps: bool, tmp_path: Path) -> None:
    built = right(protein("AASTK") + "- ligand: {id: L, smiles: C}\n" + constraint)
    oxygen, carbon = built.places["A", 3, "OG"], built.places["A", 3, "CB"]
    [methane] = built.chain("L")
    # Where a next carbon would be, three bonds from CA.
    onto = {methane: point(built.places["A", 3, "CA"], carbon, oxygen, 1.43, 112, 180)}
    sample = examined(Built(built.document, built.places | onto, built.molecules), tmp_path)
    assert bool(sample.counts.get("clash")) is overlaps


def test_a_disulfide_is_no_overlap(tmp_path: Path) -> None:
    built = right(protein("GCG", chain="[A, B]"))
    sulfur, carbon = built.places["A", 2, "SG"], built.places["A", 2, "CB"]
    middle = sulfur + 1.02 * (sulfur - carbon) / np.linalg.norm(sulfur - carbon)
    # Chain B is chain A reflected at a point between them, so its stereocentre is the other one.
    onto = {key: 2 * middle - built.places["A", *key[1:]] for key in built.chain("B")}
    sample = examined(Built(built.document, built.places | onto, {}), tmp_path)
    assert sample.counts == {"stereocentre": 1}
