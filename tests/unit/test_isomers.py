"""Which isomer was built: of a SMILES as its user wrote it, of a component as the dictionary has it."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem
from scipy.spatial.transform import Rotation
from support.structures import DEXAMETHASONE, Built, Place, components, examined, ligand, moved, right
from support.structures import component as component_of

from inputs.ccd import component
from schemas.checks import CheckedSample, Verdict
from worker.checks.covalent import hands
from worker.checks.limits import HAND
from worker.checks.molecules import named_as
from worker.checks.templates import Centre, heavy
from worker.checks.truth import of_component, of_smiles

L_TARTARIC, MESO_TARTARIC = "OC(=O)[C@H](O)[C@@H](O)C(=O)O", "OC(=O)[C@H](O)[C@H](O)C(=O)O"
FUMARATE, MALEATE = "OC(=O)/C=C/C(=O)O", r"OC(=O)/C=C\C(=O)O"
CIS_RING, TRANS_RING = "C[C@H]1CC[C@@H](C)CC1", "C[C@H]1CC[C@H](C)CC1"
OMEPRAZOLE = "Cc1c(OC)c(C)cnc1C[S@](=O)c1nc2ccc(OC)cc2[nH]1"
SOFOSBUVIR = "C[C@@H](C(=O)OC(C)C)N[P@](=O)(OC[C@@H]1[C@H]([C@@]([C@@H](O1)n2ccc(=O)[nH]c2=O)(C)F)O)Oc3ccccc3"
PENICILLIN = "CC1([C@@H](N2[C@H](S1)[C@@H](C2=O)NC(=O)CC3=CC=CC=C3)C(=O)O)C"
STRYCHNINE = "C1CN2CC3=CCO[C@H]4CC(=O)N5[C@H]6[C@H]4[C@H]3C[C@H]2[C@@]61C7=CC=CC=C75"
TRIS_PHOSPHATE = "OP(=O)(O)OC[C@H](O)C(=O)O"
PACLITAXEL = (
    "CC1=C2[C@H](C(=O)[C@@]3([C@H](C[C@@H]4[C@]([C@H]3[C@@H]([C@@](C2(C)C)(C[C@@H]1OC(=O)[C@@H]([C@H]"
    "(C5=CC=CC=C5)NC(=O)C6=CC=CC=C6)O)O)OC(=O)C7=CC=CC=C7)(CO4)OC(=O)C)O)C)OC(=O)C"
)


def alone(smiles: str) -> str:
    """Return an input of a ligand by itself."""
    return f"sequences:\n- ligand: {{id: L, smiles: '{smiles}'}}\n"


def mirror(built: Built) -> Built:
    return moved(built, lambda _, place: place * [1, 1, -1])


def asked_and_built(asked: str, other: str) -> Built:
    """Return a structure of another isomer than its input asks for, its atoms named as the input's."""
    wanted, made = right(alone(asked)), ligand(other)
    match = made.GetSubstructMatch(wanted.molecules["LIG1"])  # no chirality
    names = [atom.GetProp("name") for atom in wanted.molecules["LIG1"].GetAtoms()]
    places = made.GetConformer().GetPositions()[list(match)]
    found = {("L", 1, name): place for name, place in zip(names, places, strict=True)}
    return Built(wanted.document, found, wanted.molecules)


def failed(sample: CheckedSample) -> dict[str, int]:
    """Return what failed."""
    kinds = [outlier.check for outlier in sample.outliers if outlier.level == "failed"]
    return {kind: kinds.count(kind) for kind in kinds}


@pytest.mark.parametrize(
    ("smiles", "centres"),
    [
        (DEXAMETHASONE, 8),
        (L_TARTARIC, 2),
        (OMEPRAZOLE, 1),  # sulfur
        (SOFOSBUVIR, 6),  # phosphorus among them
        (PENICILLIN, 3),
        (STRYCHNINE, 6),
        (TRIS_PHOSPHATE, 1),  # no phosphorus
        ("C[C@@H]1O[C@H]1C", 2),
        ("C[C@@H](N)C(=O)O", 1),
        ("C[N@+](CC)(C(C)C)c1ccccc1", 1),  # nitrogen with four neighbours
    ],
)
def test_a_ligand_passes_and_its_mirror_image_fails(smiles: str, centres: int, tmp_path: Path) -> None:
    built = right(alone(smiles))
    sample = examined(built, tmp_path)
    assert (sample.verdict, sample.looked_at["stereocentre"]) == (Verdict.PASSED, centres)
    assert failed(examined(mirror(built), tmp_path)) == {"stereocentre": centres}


@pytest.mark.parametrize(
    "smiles", [MESO_TARTARIC, CIS_RING, TRANS_RING, "CCO[P@](=O)(O)OC", "CC(C)C", "C1CC1"]
)
def test_a_molecule_that_is_its_own_mirror_image_passes_as_such(smiles: str, tmp_path: Path) -> None:
    built = right(alone(smiles))
    assert [examined(each, tmp_path).verdict for each in (built, mirror(built))] == [Verdict.PASSED] * 2


@pytest.mark.parametrize(
    ("asked", "other", "check"),
    [
        (FUMARATE, MALEATE, "double bond"),
        (MALEATE, FUMARATE, "double bond"),
        (L_TARTARIC, MESO_TARTARIC, "stereocentre"),
        (CIS_RING, TRANS_RING, "stereocentre"),
        (TRANS_RING, CIS_RING, "stereocentre"),
    ],
)
def test_another_isomer_than_asked_for_fails(asked: str, other: str, check: str, tmp_path: Path) -> None:
    sample = examined(asked_and_built(asked, other), tmp_path)
    assert list(failed(sample)) == [check]
    assert examined(asked_and_built(asked, asked), tmp_path).verdict == Verdict.PASSED


def test_paclitaxel_does_not_fail(tmp_path: Path) -> None:
    sample = examined(right(alone(PACLITAXEL)), tmp_path)
    assert failed(sample) == {}
    assert sample.looked_at["stereocentre"] == 11


@pytest.mark.parametrize(("built", "name"), [("C[C@H](O)CC", "S"), ("C[C@@H](O)CC", "R")])
def test_an_open_stereocentre_is_a_warning_that_says_what_was_built(
    built: str, name: str, tmp_path: Path
) -> None:
    find: Any = Chem.FindMolChiralCenters  # without annotations
    assert find(Chem.MolFromSmiles(built)) == [(1, name)]
    sample = examined(asked_and_built("CC(O)CC", built), tmp_path)
    [outlier] = sample.outliers
    assert (sample.verdict, outlier.check, outlier.level) == (
        Verdict.WARNINGS,
        "open stereocentre",
        "warning",
    )
    assert outlier.what.endswith(f"was left open by the SMILES; {name} was built")


@pytest.mark.parametrize("smiles", ["CCN(C)C(C)C", "CCOP(=O)(O)OC", "CCO", "C[Si](C)(C)C"])
def test_what_is_no_stereocentre_is_not_left_open(smiles: str, tmp_path: Path) -> None:
    assert "open stereocentre" not in examined(right(alone(smiles)), tmp_path).looked_at


def test_a_component_is_held_to_the_dictionary_not_to_boltz_s_own_molecule(tmp_path: Path) -> None:
    """SAM's sulfur, which Boltz's own components are known to have the wrong way round."""
    built = right("sequences:\n- ligand: {id: S, ccd: SAM}\n")
    sulfur, near = built.places["S", 1, "SD"], [built.places["S", 1, name] for name in ("CG", "C5'")]
    normal = np.cross(near[0] - sulfur, near[1] - sulfur)
    normal /= np.linalg.norm(normal)
    methyl = built.places["S", 1, "CE"]
    turned = methyl - 2 * ((methyl - sulfur) @ normal) * normal
    wrong = Built(built.document, built.places | {("S", 1, "CE"): turned}, {})
    molecule = Chem.Mol(component_of("SAM"))
    for atom in molecule.GetAtoms():
        atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    Chem.SetDefaultPickleProperties(Chem.PropertyPickleOptions.AllProps)
    (tmp_path / "SAM.pkl").write_bytes(pickle.dumps(molecule))
    sample = examined(wrong, tmp_path, folder_of_components=tmp_path)
    assert [each.what for each in sample.outliers if each.check == "stereocentre"] == [
        "S SAM 1 SD is inverted"
    ]


def test_names_are_those_of_boltz_where_it_changed_the_molecule(tmp_path: Path) -> None:
    """It standardises an affinity's ligand: other charges, hydrogens and ranks, so other names."""
    charged = "C[C@H]([NH3+])C(=O)[O-]"
    built = right(alone(charged))
    neutral = ligand("C[C@H](N)C(=O)O")
    names = [atom.GetProp("name") for atom in neutral.GetAtoms()]
    places = neutral.GetConformer().GetPositions()
    found = {("L", 1, name): place for name, place in zip(names, places, strict=True)}
    renamed = Built(built.document, found, {"LIG1": neutral})
    assert set(names) != {name for *_, name in built.places}
    assert examined(renamed, tmp_path).verdict == Verdict.PASSED
    assert failed(examined(mirror(renamed), tmp_path)) == {"stereocentre": 1}


def test_bonds_tell_atoms_apart_where_names_do_not() -> None:
    truth = Chem.AddHs(Chem.MolFromSmiles("C=CCC"))
    other = Chem.MolFromSmiles("CCC=C")
    for atom in other.GetAtoms():
        atom.SetProp("name", f"X{atom.GetIdx()}")
    named = named_as(other, truth)
    assert [atom.GetProp("name") for atom in named.GetAtoms()][:4] == ["X3", "X2", "X1", "X0"]


@pytest.mark.parametrize("gone", range(1, 6))
def test_a_centre_is_known_by_any_three_of_its_neighbours(gone: int) -> None:
    """As where a residue loses an atom when it is bound."""
    molecule = ligand("C[C@](N)(O)F")
    place = {index: index for index in heavy(molecule) if index != gone}
    centres = of_smiles(molecule, place).centres
    values = hands(molecule.GetConformer().GetPositions(), centres)
    assert (len(values), all(values > HAND)) == (0 if gone == 1 else 1, True)


TETRAHEDRON = np.array([[0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1]], dtype=float)


def product(places: Place) -> float:
    return float(hands(places, [Centre(0, (1, 2, 3), 1)])[0])


def test_the_triple_product_of_a_tetrahedron() -> None:
    assert product(TETRAHEDRON) == pytest.approx(0.769800, abs=1e-6)
    assert product(TETRAHEDRON * [1.0, 1.0, -1.0]) == pytest.approx(-0.769800, abs=1e-6)
    assert product(TETRAHEDRON * [1.0, 1.0, 0.0]) == 0


@given(st.integers(0, 2**32 - 1), st.floats(0.5, 3))
def test_the_triple_product_knows_no_turn_shift_or_length(seed: int, length: float) -> None:
    draw = np.random.default_rng(seed)
    turn = Rotation.random(random_state=draw).as_matrix()
    moved_away = length * TETRAHEDRON @ turn.T + draw.normal(0, 100, 3)
    assert product(moved_away) == pytest.approx(0.769800, abs=1e-6)


@pytest.mark.parametrize(("height", "right_hand"), [(0.251, True), (0.249, False), (-0.249, False)])
def test_a_centre_is_right_from_a_quarter_on(height: float, right_hand: bool) -> None:
    """Three unit vectors at equal angles to an axis have a product of h (1 - h²) 3√3/2."""
    axis = min(np.roots([-1, 0, 1, -height / (1.5 * np.sqrt(3))]).real, key=abs)
    side = np.sqrt(1 - axis**2)
    around = np.radians([0, 120, 240])
    legs = np.stack([side * np.cos(around), side * np.sin(around), np.full(3, axis)], axis=1)
    value = product(np.concatenate([np.zeros((1, 3)), legs]))
    assert value == pytest.approx(height, abs=1e-6)
    assert (value >= HAND) is right_hand


@pytest.mark.parametrize("code", sorted(path.stem for path in components().glob("*.pkl")))
def test_a_component_s_signs_are_those_of_its_ideal_places(code: str) -> None:
    molecule = component_of(code)
    place = {index: index for index in heavy(molecule)}
    centres = of_component(molecule, place, component(code)).centres
    assert (
        all(hands(molecule.GetConformer().GetPositions(), centres) > HAND)
        if centres
        else not component(code).signs
    )
