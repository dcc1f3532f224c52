"""What is right passes every check: chains, ligands and ions of all kinds, in both formats."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from support.structures import COMPLEX, DEXAMETHASONE, Built, Key, build, examined, moved, protein, right

from schemas.checks import Verdict

MODIFIED = (
    "{position: 1, ccd: SEP}, {position: 3, ccd: MSE}, {position: 4, ccd: HYP}, {position: 5, ccd: TPO}"
)
INPUTS = {
    "complex": COMPLEX,
    "unknown residues": protein("AXBZA"),
    "modified at both ends": protein("AASTK", more=f"modifications: [{MODIFIED}]"),
    "capped": protein("AASTA", more="modifications: [{position: 1, ccd: ACE}, {position: 5, ccd: NH2}]"),
    "DNA": "sequences:\n- dna: {id: [A, B], sequence: ACGTN}\n",
    "RNA": "sequences:\n- rna: {id: A, sequence: ACGUN}\n",
    "long chain ids": protein("AASTK", chain="[ABCDE, FGHIJ]"),
    "one atom": protein("AASTK") + "- ligand: {id: Z, ccd: ZN}\n- ligand: {id: C, smiles: '[Ca+2]'}\n",
    "copies": protein("AASTK", chain="[B, A]") + "- ligand: {id: [L, K], smiles: 'C[C@H](N)C(=O)O'}\n",
    "several SMILES": protein("A")
    + "- ligand: {id: [L, M], smiles: CCO}\n- ligand: {id: K, smiles: 'CC(=O)[O-]'}\n"
    + "- ligand: {id: N, smiles: OCC}\n",
}


@pytest.mark.parametrize("name", INPUTS)
def test_a_right_structure_passes(name: str, tmp_path: Path) -> None:
    sample = examined(build(INPUTS[name]), tmp_path)
    assert (sample.verdict, sample.outliers, sample.unchecked) == (Verdict.PASSED, (), None)


def test_a_right_structure_passes_as_a_pdb_file(tmp_path: Path) -> None:
    text = f"{protein('AASTK')}- ligand: {{id: [L, M], smiles: '{DEXAMETHASONE}'}}\n"
    text += "- ligand: {id: C, ccd: CA}\n"
    assert examined(build(text), tmp_path, "pdb").verdict == Verdict.PASSED


def test_all_kinds_of_things_are_looked_at(tmp_path: Path) -> None:
    sample = examined(right(COMPLEX), tmp_path)
    assert sample.looked_at == {
        "bond": 307,
        "angle": 410,
        "inner clash": 1764,
        "stereocentre": 44,
        "ring": 8,
        "double bond plane": 2,
        "backbone": 19,
        "peptide twisted": 19,
        "peptide cis": 19,
        "clash": 312,
        "alone": 7,
    }


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_turn_and_little_noise_changes_the_verdict(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    draw = np.random.default_rng(seed)
    turn, shift = Rotation.random(random_state=draw).as_matrix(), draw.normal(0, 50, 3)
    noisy = moved(right(COMPLEX), lambda _, place: turn @ place + shift + draw.uniform(-0.02, 0.02, 3))
    assert examined(noisy, tmp_path_factory.mktemp("right")).verdict == Verdict.PASSED


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_much_noise_always_fails(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    draw = np.random.default_rng(seed)
    noisy = moved(right(COMPLEX), lambda _, place: place + draw.normal(0, 0.5, 3))
    assert examined(noisy, tmp_path_factory.mktemp("wrong")).verdict == Verdict.FAILED


def swapped(built: Built, *names: tuple[str, str]) -> Built:
    """Give the atoms of each pair of names the places of each other, in every residue that has both."""
    other = dict(names) | {second: first for first, second in names}

    def place(key: Key) -> Key:
        partner = (key[0], key[1], other.get(key[2], key[2]))
        return partner if partner in built.places else key

    return Built(built.document, {key: built.places[place(key)] for key in built.places}, built.molecules)


def test_equal_oxygens_of_carboxylates_and_phosphates_may_swap(tmp_path: Path) -> None:
    wrong = swapped(
        right(COMPLEX), ("OD1", "OD2"), ("OE1", "OE2"), ("O1A", "O2A"), ("O1B", "O2B"), ("NH1", "NH2")
    )
    assert examined(wrong, tmp_path).verdict == Verdict.PASSED
