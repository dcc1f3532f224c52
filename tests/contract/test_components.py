"""The committed list of components, against the dictionary it is made from and what Boltz-2 knows."""

import lzma

import pytest
from boltz.data import const
from chembl_structure_pipeline.exclude_flag import METAL_LIST

from inputs.ccd import FILE, component, nearest
from inputs.checks import NOT_FOR_AFFINITY
from inputs.grammar import Dna, Modification, Polymer, Protein, Rna
from inputs.tokens import atoms
from tools.ccd import text


@pytest.mark.extra
def test_the_list_is_that_of_the_dictionary() -> None:
    # When this fails: biotite was raised, or its reading changed. `python -m tools.ccd`, and commit.
    assert lzma.decompress(FILE.read_bytes()).decode() == text()


@pytest.mark.parametrize(
    ("code", "polymer", "count", "heavy"),
    [("ATP", "-", 47, 31), ("MG", "-", 1, 1), ("SEP", "P", 19, 11), ("PSU", "N", 34, 21), ("UNX", "?", 1, 1)],
)
def test_a_component_has_its_atoms(code: str, polymer: str, count: int, heavy: int) -> None:
    found = component(code)
    assert (found.polymer, found.atoms, len(found.names)) == (polymer, count, heavy)


@pytest.mark.parametrize(
    ("code", "near"),
    [("atp", "ATP"), ("HEME", "HEM"), ("SEPP", "SEP"), ("XYZ1", "XYZ"), ("GLUCOSE", None), ("", None)],
)
def test_a_code_is_suggested_for_a_slip(code: str, near: str | None) -> None:
    assert nearest(code) == near


def polymer(code: str) -> tuple[Polymer, int]:
    """Make a chain whose one residue is standard to Boltz, by its letter if it has one."""
    letters = {token: letter for letter, token in const.prot_letter_to_token.items()}
    if code in letters and letters[code].isalpha():
        return Protein(id=("A",), sequence=letters[code], msa="empty"), 1
    if code.startswith("D"):
        return Dna(id=("A",), sequence=code[1]), 1
    return Rna(id=("A",), sequence=code), 1


@pytest.mark.parametrize("code", [code for code in const.ref_atoms if code not in {"PAD", "-"}])
def test_a_standard_residue_has_the_atoms_that_boltz_gives_it(code: str) -> None:
    assert sorted(atoms(*polymer(code))) == sorted(const.ref_atoms[code])


def test_selenomethionine_is_methionine_as_to_boltz() -> None:
    chain = Protein(
        id=("A",), sequence="M", msa="empty", modifications=(Modification(position=1, ccd="MSE"),)
    )
    assert sorted(atoms(chain, 1)) == sorted(const.ref_atoms["MET"])


def test_metals_without_affinity_are_those_that_boltz_s_standardiser_excludes() -> None:
    assert set(NOT_FOR_AFFINITY.split()) == METAL_LIST


@pytest.mark.parametrize(
    ("code", "signs"),
    [
        ("ALA", {"CA": 1}),  # N, C, CB of an L-amino acid
        ("DAL", {"CA": 1}),  # N, CB, C of a D-amino acid
        ("GLY", {}),
        ("ILE", {"CA": 1, "CB": 1}),
        ("SAM", {"CA": 1, "SD": 1, "C4'": -1, "C3'": -1, "C2'": -1, "C1'": 1}),
        ("ATP", {"C4'": -1, "C3'": -1, "C2'": -1, "C1'": 1}),  # and no phosphorus
    ],
)
def test_a_component_has_its_stereocentres(code: str, signs: dict[str, int]) -> None:
    assert component(code).signs == signs
