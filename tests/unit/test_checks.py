"""What is said of a prediction: its verdict, what could not be checked, and the scores of its interfaces."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from support.structures import (
    COMPLEX,
    Built,
    build,
    components,
    examined,
    ligand,
    moved,
    protein,
    right,
    write,
)

from inputs.grammar import Polymer
from inputs.read import read_input
from inputs.tokens import atoms, residues
from schemas.checks import MAX_OUTLIERS, CheckedSample, ChecksReport, Verdict
from worker.checks.order import best_first
from worker.checks.run import check

LIGAND = protein("AAS") + "- ligand: {id: L, smiles: CCO}\n- ligand: {id: M, ccd: NAG}\n"


def without(built: Built, *keys: tuple[str, int, str]) -> Built:
    places = {key: place for key, place in built.places.items() if key not in keys}
    return Built(built.document, places, built.molecules)


def test_a_structure_whose_atoms_are_not_those_of_its_input_is_not_passed(tmp_path: Path) -> None:
    sample = examined(without(right(LIGAND), ("A", 2, "CB")), tmp_path)
    assert (sample.verdict, sample.unchecked) == (Verdict.UNCHECKED, "A ALA 2 lacks CB")


def test_an_atom_too_many_is_not_passed(tmp_path: Path) -> None:
    built = right(LIGAND)
    more = Built(built.document, built.places | {("M", 1, "XX"): np.zeros(3)}, built.molecules)
    sample = examined(more, tmp_path)
    assert (sample.verdict, sample.unchecked) == (Verdict.UNCHECKED, "M NAG 1 has XX, which are not its own")


def test_what_failed_counts_for_more_than_what_could_not_be_checked(tmp_path: Path) -> None:
    wrong = moved(right(LIGAND), lambda _, place: place * [1, 1, -1])
    sample = examined(without(wrong, ("A", 2, "CB")), tmp_path)
    assert (sample.verdict, sample.unchecked) == (Verdict.FAILED, "A ALA 2 lacks CB")


def test_a_molecule_that_is_not_there_leaves_the_rest_checked(tmp_path: Path) -> None:
    for path in components().glob("*.pkl"):
        if path.stem != "NAG":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    sample = examined(right(LIGAND), tmp_path, folder_of_components=tmp_path)
    assert (sample.verdict, sample.unchecked) == (Verdict.UNCHECKED, "M NAG 1: NAG.pkl is not there")
    assert sample.looked_at["stereocentre"] == 3


def test_reasons_beyond_three_are_counted(tmp_path: Path) -> None:
    sample = examined(right(LIGAND), tmp_path, folder_of_components=tmp_path)
    assert sample.unchecked == (
        "A ALA 1: ALA.pkl is not there; A ALA 2: ALA.pkl is not there; A SER 3: SER.pkl is not there; "
        "and 1 more"
    )


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps({})])
def test_molecules_that_cannot_be_read_are_not_passed(content: bytes, tmp_path: Path) -> None:
    asking = write(right(LIGAND), tmp_path)
    asking.molecules.write_bytes(content)
    [sample] = check(asking).samples
    assert sample.verdict == Verdict.UNCHECKED
    assert (sample.unchecked or "").startswith("L LIG1 1: ")


def test_another_molecule_than_the_smiles_is_not_passed(tmp_path: Path) -> None:
    built = right(LIGAND)
    other = build(protein("AAS") + "- ligand: {id: L, smiles: CCN}\n").molecules
    sample = examined(Built(built.document, built.places, other), tmp_path)
    assert sample.unchecked == "L LIG1 1: Boltz-2 made another molecule of its SMILES"


@pytest.mark.parametrize("content", [b"", b"data_x\n"])
def test_a_structure_that_cannot_be_read_is_not_passed(content: bytes, tmp_path: Path) -> None:
    asking = write(right(LIGAND), tmp_path)
    (tmp_path / "model_0.cif").write_bytes(content)
    [sample] = check(asking).samples
    assert (sample.verdict, sample.unchecked) == (Verdict.UNCHECKED, "model_0.cif cannot be read")


def test_a_chain_without_its_backbone_s_atoms_is_not_passed(tmp_path: Path) -> None:
    """Boltz-2 takes any component in place of a residue, and binds it to nothing."""
    text = protein("AAS", more="modifications: [{position: 2, ccd: NAG}]")
    sample = examined(strewn(text), tmp_path)
    assert "no C-N bond from A ALA 1 to A NAG 2" in (sample.unchecked or "")


def strewn(text: str) -> Built:
    """Return a structure of an input whose residues cannot be put together: all atoms far apart."""
    document = read_input("a.yaml", text.encode())
    molecule = document.sequences[0].molecule
    assert isinstance(molecule, Polymer)
    keys = [("A", at, name) for at in range(1, residues(molecule) + 1) for name in atoms(molecule, at)]
    return Built(document, {key: np.array([9.0 * at, 0, 0]) for at, key in enumerate(keys)}, {})


def test_a_file_has_a_thousand_outliers_at_most_and_the_worst_of_each_check(tmp_path: Path) -> None:
    sample = examined(moved(right(COMPLEX), lambda _, place: place / 4), tmp_path)
    assert len(sample.outliers) == MAX_OUTLIERS < sum(sample.counts.values())
    assert {outlier.check for outlier in sample.outliers} == set(sample.counts)
    levels = [outlier.level for outlier in sample.outliers]
    assert levels == sorted(levels)  # failed, then warning
    bonds = [outlier.value or 0 for outlier in sample.outliers if outlier.check == "bond"]
    assert bonds == sorted(bonds, reverse=True)


def test_chains_of_interfaces_are_those_of_the_file_in_its_order(tmp_path: Path) -> None:
    """Boltz-2 puts equal molecules together: its numbers of chains are not the document's."""
    built = right(
        protein("AAS", chain="A") + "- ligand: {id: L, smiles: CCO}\n" + protein("AAS", chain="B")[11:]
    )
    order = [key for chain in "ABL" for key in built.chain(chain)]
    as_boltz = Built(built.document, {key: built.places[key] for key in order}, built.molecules)
    found = examined(as_boltz, tmp_path).interfaces
    assert [(pair.chains, pair.iptm, pair.ipsae is None) for pair in found] == [
        (("A", "B"), 0.6, False),
        (("A", "L"), 0.7, True),
        (("B", "L"), 0.7, True),
    ]
    assert found[0].pdockq2 is not None
    assert found[0].mean_pae == 5.0


def test_a_modified_residue_is_one_token_and_a_ligand_s_atom_too(tmp_path: Path) -> None:
    text = protein("AAS", more="modifications: [{position: 2, ccd: SEP}]") + "- ligand: {id: L, ccd: ALA}\n"
    [pair] = examined(right(text), tmp_path).interfaces
    assert (pair.chains, pair.lia) == (("A", "L"), None)


def test_arrays_of_other_tokens_give_no_scores(tmp_path: Path) -> None:
    asking = write(right(LIGAND), tmp_path)
    np.savez(asking.files["pae_model_0.npz"], pae=np.zeros((3, 3)))
    assert check(asking).samples[0].interfaces == ()


def test_scores_of_chains_that_boltz_left_out_are_none(tmp_path: Path) -> None:
    asking = write(right(LIGAND), tmp_path)
    asking.files["confidence_model_0.json"].write_text(json.dumps({"pair_chains_iptm": {"0": {"0": 0.5}}}))
    assert [pair.iptm for pair in check(asking).samples[0].interfaces] == [None] * 3


def test_each_sample_is_checked(tmp_path: Path) -> None:
    asking = write(right(LIGAND), tmp_path, samples=3)
    (tmp_path / "model_1.cif").write_text("")
    report = check(asking)
    found = [(sample.rank, sample.boltz_rank, sample.verdict) for sample in report.samples]
    assert found == [(0, 0, Verdict.PASSED), (1, 1, Verdict.UNCHECKED), (2, 2, Verdict.PASSED)]


def judged(*verdicts: Verdict) -> ChecksReport:
    samples = (CheckedSample(rank=at, boltz_rank=at, verdict=verdict) for at, verdict in enumerate(verdicts))
    return ChecksReport(samples=tuple(samples))


def test_samples_that_failed_come_last_and_else_boltz_s_order_holds() -> None:
    failed, passed, warnings = Verdict.FAILED, Verdict.PASSED, Verdict.WARNINGS
    ordered = best_first(judged(failed, passed, failed, warnings)).samples
    assert [sample.boltz_rank for sample in ordered] == [1, 3, 0, 2]
    assert [sample.rank for sample in ordered] == [0, 1, 2, 3]


def test_where_all_failed_the_order_is_boltz_s() -> None:
    report = judged(*[Verdict.FAILED] * 3)
    assert best_first(report) == report


def test_what_could_not_be_checked_does_not_come_behind() -> None:
    ordered = best_first(judged(Verdict.UNCHECKED, Verdict.PASSED)).samples
    assert [sample.boltz_rank for sample in ordered] == [0, 1]


EXAMPLES = sorted((Path(__file__).parents[2] / "schemas" / "examples" / "boltz-input" / "valid").iterdir())


@pytest.mark.parametrize("example", EXAMPLES, ids=[path.name for path in EXAMPLES])
def test_nothing_random_passes(example: Path, tmp_path: Path) -> None:
    """Whatever kind of input: atoms in a box, as many as fit there in a protein."""
    document = read_input(example.name, example.read_bytes(), msa_service=True)
    draw = np.random.default_rng(1)
    names = [
        (chain, at, name)
        for entry in document.sequences
        for chain in entry.molecule.id
        for at in range(1, residues(entry.molecule) + 1)
        for name in atoms(entry.molecule, at)
    ]
    side = (20 * len(names)) ** (1 / 3)
    places = {key: draw.uniform(0, side, 3) for key in names}
    smiles = dict.fromkeys(entry.ligand.smiles or "" for entry in document.sequences if entry.ligand)
    known = {f"LIG{at}": ligand(each) for at, each in enumerate(filter(None, smiles), start=1)}
    sample = examined(Built(document, places, known), tmp_path)
    assert sample.verdict in {Verdict.FAILED, Verdict.UNCHECKED}, sample
