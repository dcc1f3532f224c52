"""Templates that Boltz could not read: what lies in their place, and what people are told."""

import re
from pathlib import Path

import gemmi
import pytest
from support.backbones import chain, codes, ligand, mmcif, models, seqres
from support.inputs import TRP_CAGE

from inputs.read import read_input
from schemas.failure import Code, FailedError, Failure
from worker.prepare import Prepared, here
from worker.repair.references import repaired

CAGE = codes(TRP_CAGE)
OTHER = codes("GYDPETGTWGLRRASLGGYDP")


def after(folder: Path, name: str, content: str, more: str = "", sequence: str = TRP_CAGE) -> Prepared:
    """Return an input with a template after the repair."""
    text = (
        f"sequences:\n- protein: {{id: A, sequence: {sequence}, msa: empty}}\n"
        f"templates: [{{{name[2:]}: {name}{more}}}]\n"
    )
    (folder / name).write_text(content)
    (folder / "in.yaml").write_text(text)
    return repaired(Prepared(folder / "in.yaml", read_input("in.yaml", text.encode()), text), here)


def refusal(folder: Path, name: str, content: str, more: str = "") -> Failure:
    with pytest.raises(FailedError) as refused:
        after(folder, name, content, more)
    assert refused.value.failure.code is Code.INVALID_INPUT
    return refused.value.failure


def written(path: Path) -> gemmi.Structure:
    structure = gemmi.read_structure(str(path))
    structure.setup_entities()
    return structure


@pytest.mark.parametrize("content", [seqres(CAGE) + chain(CAGE), seqres([*CAGE, "GLY", "SER"]) + chain(CAGE)])
def test_a_template_that_boltz_reads_stays_as_it_is(tmp_path: Path, content: str) -> None:
    prepared = after(tmp_path, "t.pdb", content)
    assert (tmp_path / "t.pdb").read_text() == content
    assert prepared.warnings == ()
    assert prepared.input_file == tmp_path / "in.yaml"
    assert prepared.input_file.read_text() == prepared.text


def test_a_pdb_without_its_sequence_gets_that_of_its_residues(tmp_path: Path) -> None:
    prepared = after(tmp_path, "t.pdb", chain(CAGE) + chain(OTHER, "B"))
    sequences = {entity.name: entity.full_sequence for entity in written(tmp_path / "t.pdb").entities}
    assert sequences == {"A": CAGE, "B": OTHER}
    assert prepared.warnings == ()


def test_residues_that_are_missing_by_their_numbers_are_unknown_ones(tmp_path: Path) -> None:
    numbers = [*range(5, 10), *range(14, 29)]
    after(tmp_path, "t.pdb", chain(CAGE, numbers=numbers))
    [entity] = written(tmp_path / "t.pdb").entities
    assert entity.full_sequence == [*CAGE[:5], *["UNK"] * 4, *CAGE[5:]]


def test_numbers_that_jump_within_a_bound_chain_or_very_far_are_no_gap(tmp_path: Path) -> None:
    bound = chain(CAGE).replace("A  20", "A  30")
    far = chain(CAGE, numbers=[*range(1, 11), *range(1002, 1012)])
    for content in (bound, far):
        after(tmp_path, "t.pdb", content)
        [entity] = written(tmp_path / "t.pdb").entities
        assert entity.full_sequence == CAGE


def test_the_lines_of_a_sequence_need_not_be_filled_up(tmp_path: Path) -> None:
    """Gemmi 0.6.5 reads on in what the line before has left in its memory."""
    lines = "".join(f"{line.rstrip()}\n" for line in seqres(CAGE).splitlines())
    after(tmp_path, "t.pdb", lines + chain(CAGE))
    [entity] = written(tmp_path / "t.pdb").entities
    assert entity.full_sequence == CAGE


def test_a_sequence_of_other_residues_than_those_that_are_there_is_replaced(tmp_path: Path) -> None:
    other = ["ALA" if at == 4 else code for at, code in enumerate(CAGE)]
    after(tmp_path, "t.pdb", seqres(other) + chain(CAGE))
    [entity] = written(tmp_path / "t.pdb").entities
    assert entity.full_sequence == CAGE


@pytest.mark.parametrize("suffix", ["pdb", "cif"])
def test_of_several_models_the_first_is_used(tmp_path: Path, suffix: str) -> None:
    moved = re.sub(r"   0\.000  1\.00", "   9.000  1.00", chain(CAGE))
    ensemble = seqres(CAGE) + models(chain(CAGE), moved, moved)
    content = ensemble if suffix == "pdb" else mmcif(ensemble)
    prepared = after(tmp_path, f"t.{suffix}", content)
    structure = written(tmp_path / f"t.{suffix}")
    assert len(structure) == 1
    assert {atom.pos.z for residue in structure[0]["A"] for atom in residue} == {0}
    assert prepared.warnings == (f"Of the template t.{suffix} the first of its 3 models was used.",)


def test_an_mmcif_of_atoms_alone_gets_entities_and_keeps_the_names_of_its_chains(tmp_path: Path) -> None:
    content = mmcif(chain(CAGE) + chain(OTHER, "B") + ligand("GOL"))
    prepared = after(tmp_path, "t.cif", content, ", chain_id: A, template_id: A")
    structure = written(tmp_path / "t.cif")
    found = {each.subchains[0]: each.full_sequence for each in structure.entities}
    assert found == {"A": CAGE, "B": OTHER}
    assert prepared.document.templates[0].template_id == ("A",)
    assert prepared.warnings == ("Of the template t.cif nothing but its proteins was used (not GOL).",)


def test_coordinates_keep_their_decimals(tmp_path: Path) -> None:
    after(tmp_path, "t.cif", mmcif(chain(CAGE)).replace("    3.300 ", "    3.30012 "))
    assert written(tmp_path / "t.cif")[0]["A"][0][0].pos.x == pytest.approx(3.30012, abs=1e-7)


@pytest.mark.parametrize("code", ["GOL", "UNL", "B-X"])
def test_a_ligand_is_left_out_and_said(tmp_path: Path, code: str) -> None:
    prepared = after(tmp_path, "t.pdb", seqres(CAGE) + chain(CAGE) + ligand(code))
    assert code not in (tmp_path / "t.pdb").read_text()
    assert prepared.warnings == (f"Of the template t.pdb nothing but its proteins was used (not {code}).",)


def test_ions_and_waters_are_left_out_without_a_word(tmp_path: Path) -> None:
    content = seqres(CAGE) + chain(CAGE) + ligand("MG", atoms=1) + ligand("HOH", "W", 1)
    assert after(tmp_path, "t.pdb", content).warnings == ()


def test_a_residue_that_no_dictionary_has_is_an_unknown_one(tmp_path: Path) -> None:
    odd = ["B-X" if at == 4 else code for at, code in enumerate(CAGE)]
    prepared = after(tmp_path, "t.pdb", seqres(odd) + chain(odd))
    [entity] = written(tmp_path / "t.pdb").entities
    assert entity.full_sequence == ["UNK" if at == 4 else code for at, code in enumerate(CAGE)]
    assert prepared.warnings == (
        "Of the template t.pdb residues that no dictionary has were read as unknown ones (B-X).",
    )


@pytest.mark.parametrize(
    ("name", "standard"), [("HIE", "HIS"), ("CYX", "CYS"), ("HSE", "HIS"), ("ASH", "ASP")]
)
@pytest.mark.parametrize("end", ["TER\n", ""])
def test_a_residue_that_is_named_as_in_a_force_field_is_the_dictionary_s(
    tmp_path: Path, name: str, standard: str, end: str
) -> None:
    named = [name if at in {4, 19} else code for at, code in enumerate(CAGE)]
    content = chain(named).replace("TER\n", end)
    prepared = after(tmp_path, "t.pdb", content)
    [entity] = written(tmp_path / "t.pdb").entities
    assert entity.full_sequence == [standard if code == name else code for code in named]
    assert prepared.warnings == ()


def test_another_component_of_such_a_name_keeps_it(tmp_path: Path) -> None:
    """HSE is homoserine in the dictionary: one of its atoms is C3."""
    named = ["HSE" if at == 4 else code for at, code in enumerate(CAGE)]
    lines = chain(named).splitlines(keepends=True)
    homoserine = "".join(line.replace(" O   HSE", " C3  HSE") for line in lines)
    after(tmp_path, "t.pdb", homoserine)
    [entity] = written(tmp_path / "t.pdb").entities
    assert entity.full_sequence == named


@pytest.mark.parametrize("asked", ["B", "B1"])
def test_a_chain_of_a_pdb_has_the_file_s_name_or_boltz_s(tmp_path: Path, asked: str) -> None:
    content = seqres(OTHER) + seqres(CAGE, "B") + chain(OTHER) + chain(CAGE, "B")
    prepared = after(tmp_path, "t.pdb", content, f", chain_id: A, template_id: {asked}")
    assert prepared.document.templates[0].template_id == ("B1",)
    read_again = read_input("in.yaml", prepared.input_file.read_bytes())
    assert read_again == prepared.document
    assert (tmp_path / "t.pdb").read_text() == content


def test_a_chain_of_an_mmcif_has_its_label_or_else_the_author_s_name(tmp_path: Path) -> None:
    structure = written_mmcif(tmp_path)
    for asked, name in (("A", "A"), ("C", "C"), ("X", "A"), ("Y", "C")):
        prepared = after(tmp_path, "t.cif", structure, f", chain_id: A, template_id: {asked}")
        assert prepared.document.templates[0].template_id == (name,)


def test_a_label_that_is_another_chain_s_name_by_the_author_is_told(tmp_path: Path) -> None:
    structure = re.sub(r"\bX\b", "C", written_mmcif(tmp_path))
    prepared = after(tmp_path, "t.cif", structure, ", chain_id: A, template_id: C")
    assert prepared.document.templates[0].template_id == ("C",)
    assert prepared.warnings == (
        "Chain C of the template t.cif was taken by its label: its author calls it Y, "
        "and the one with the label A C.",
    )


def written_mmcif(folder: Path) -> str:
    """Return an mmCIF with entities; the labels of its proteins are A and C, their author's names X and Y."""
    (folder / "pdb.pdb").write_text(
        seqres(CAGE, "X") + chain(CAGE, "X") + seqres(OTHER, "Y") + chain(OTHER, "Y")
    )
    structure = written(folder / "pdb.pdb")
    for entity, label in zip(structure.entities, "AC", strict=True):
        entity.subchains = [label]
    for part, label in zip(structure[0], "AC", strict=True):
        for residue in part:
            residue.subchain = label
    return str(structure.make_mmcif_document().as_string())


@pytest.mark.parametrize(
    ("name", "content", "there"),
    [
        ("t.pdb", chain(CAGE) + chain(OTHER, "B"), r"A (to Boltz-2 A1), B (to Boltz-2 B1)"),
        ("t.cif", mmcif(chain(CAGE) + chain(OTHER, "B")), "A, B"),
    ],
)
def test_a_chain_that_is_not_there_is_refused_with_those_that_are(
    tmp_path: Path, name: str, content: str, there: str
) -> None:
    failure = refusal(tmp_path, name, content, ", chain_id: A, template_id: Z")
    assert failure.message == f"The template {name} has no protein of the name Z; it has {there}."
    assert (failure.field, failure.value) == ("templates[0].template_id", "Z")


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("t.pdb", chain(["DA", "DC", "DG", "DT"] * 3), "has no protein of L-amino acids"),
        ("t.pdb", ligand("GOL"), "has no protein of L-amino acids"),
        ("t.pdb", "ATOM      1  N   GLY A\n", "cannot be read: Problem in line 1"),
        (
            "t.cif",
            "data_x\nloop_\n_atom_site.id\n_atom_site.x\n1\n",
            "cannot be read: t.cif:2:1: Wrong number",
        ),
        ("t.cif", "data_x\nloop_\n_atom_site.id\n1\n", "cannot be read: it has no atoms"),
    ],
)
def test_what_holds_no_protein_is_refused_without_the_words_of_a_program(
    tmp_path: Path, name: str, content: str, why: str
) -> None:
    failure = refusal(tmp_path, name, content)
    assert failure.message.startswith(f"The template {name} {why}")
    assert "Error" not in failure.message


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.pdb").write_bytes(chain(CAGE).encode().replace(b"ASN", b"AS\xff"))
    text = (
        f"sequences:\n- protein: {{id: A, sequence: {TRP_CAGE}, msa: empty}}\ntemplates: [{{pdb: t.pdb}}]\n"
    )
    with pytest.raises(FailedError, match="cannot be read: it is not UTF-8 text"):
        repaired(Prepared(tmp_path / "in.yaml", read_input("in.yaml", text.encode()), text), here)


LONG = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVVHSLAKWKRQTLGQHDFSAGE"


@pytest.mark.parametrize("chosen", ["", ", chain_id: A, template_id: B"])
def test_what_a_gap_leaves_unused_of_a_template_is_said(tmp_path: Path, chosen: str) -> None:
    shorter = codes(LONG[:30] + LONG[45:])
    content = chain(OTHER) + chain(shorter, "B")
    prepared = after(tmp_path, "t.pdb", content, chosen, LONG)
    assert prepared.warnings == (
        "Boltz-2 aligns templates without gaps: of t.pdb chain A takes its residues 43 to 90. 30 more are "
        "equal in chain B, and are not used: between them one of the two has residues that the other lacks.",
    )
    whole = seqres(codes(LONG), "B") + content
    assert after(tmp_path, "t.pdb", whole, chosen, LONG).warnings == ()
