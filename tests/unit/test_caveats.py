import pytest
from support.inputs import one_protein

from inputs.caveats import affinity_caveats
from inputs.read import read_input

RNA = "sequences:\n- rna: {id: R, sequence: GGUCAC}\n"
ASKED = "properties: [{affinity: {binder: L}}]\n"


def caveats(polymers: str, ligand: str, asked: str = ASKED) -> str:
    text = f"{polymers}- ligand: {{id: L, {ligand}}}\n{asked}"
    return " ".join(affinity_caveats(read_input("a.yaml", text.encode())))


def test_an_affinity_to_no_protein_is_unreliable() -> None:
    assert caveats(RNA, "ccd: GOL").startswith("There is no protein in the input")
    assert caveats(RNA, "ccd: GOL", asked="") == ""


@pytest.mark.parametrize(
    ("ligand", "atoms"),
    [
        (f"smiles: {'C' * 56}", None),
        (f"smiles: {'C' * 57}", 57),
        ("ccd: ATP", None),  # 31 heavy atoms, 47 with hydrogens
        ("ccd: TA1", 62),  # paclitaxel
    ],
)
def test_a_ligand_larger_than_any_of_the_training_is_told_with_its_size(
    ligand: str, atoms: int | None
) -> None:
    said = f"The ligand has {atoms} heavy atoms; the model was trained with up to 56." if atoms else ""
    assert caveats(one_protein(), ligand) == said
