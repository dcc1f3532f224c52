"""What counts as a whole result, on files written here in the form that Boltz-2 writes."""

import json
from collections.abc import Callable
from pathlib import Path

import gemmi
import numpy as np
import pytest

from schemas.checks import Interface
from schemas.failure import Code, FailedError
from schemas.options import Options
from worker.boltz2.workspace import Workspace
from worker.outputs import Expected, checked, scores

STEM = "3f2a"
TOKENS = 4
EXPECTED = Expected(chains={"A": 3, "L": None}, samples=2, affinity=True)


def structure(chains: dict[str, int]) -> gemmi.Structure:
    molecule = gemmi.Structure()
    model = gemmi.Model("1")
    for name, residues in chains.items():
        chain = gemmi.Chain(name)
        for number in range(1, residues + 1):
            chain.add_residue(residue(number))
        model.add_chain(chain)
    molecule.add_model(model)
    molecule.setup_entities()
    return molecule


def residue(number: int) -> gemmi.Residue:
    made = gemmi.Residue()
    made.name, made.seqid = "GLY", gemmi.SeqId(number, " ")
    atom = gemmi.Atom()
    atom.name, atom.element, atom.pos = "CA", gemmi.Element("C"), gemmi.Position(number, 0.5, -1.25)
    made.add_atom(atom)
    return made


def write_sample(folder: Path, rank: int, chains: dict[str, int]) -> None:
    structure(chains).make_mmcif_document().write_file(str(folder / f"{STEM}_model_{rank}.cif"))
    structure(chains).write_pdb(str(folder / f"{STEM}_model_{rank}.pdb"))
    summary = {
        "confidence_score": 0.9 - rank / 10,
        "ptm": 0.8,
        "iptm": 0.0,
        "complex_plddt": 0.7,
        "chains_ptm": {"0": 0.5},
    }
    (folder / f"confidence_{STEM}_model_{rank}.json").write_text(json.dumps(summary))
    np.savez(folder / f"plddt_{STEM}_model_{rank}.npz", plddt=np.full(TOKENS, 0.5))
    for kind in ("pae", "pde"):
        np.savez(folder / f"{kind}_{STEM}_model_{rank}.npz", **{kind: np.ones((TOKENS, TOKENS))})


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "predictions" / STEM
    folder.mkdir(parents=True)
    for rank in range(2):
        write_sample(folder, rank, {"A": 3, "L": 1})
    affinity = {"affinity_pred_value": -1.5, "affinity_probability_binary": 0.25}
    (folder / f"affinity_{STEM}.json").write_text(json.dumps(affinity))
    return tmp_path


def collected(out: Path, expected: Expected) -> dict[str, Path]:
    """Check what lies under Boltz-2's names, as the predictor hands it on."""
    options = Options(samples=expected.samples, output_format=expected.output_format)
    workspace = Workspace(Path(f"{STEM}.yaml"), options, 1, out, out)
    return checked(workspace.files(range(expected.samples), affinity=expected.affinity), expected)


def boltz_file(out: Path, name: str) -> Path:
    return out / "predictions" / STEM / name


def reason(out: Path, expected: Expected = EXPECTED) -> tuple[str | None, str]:
    with pytest.raises(FailedError) as caught:
        collected(out, expected)
    assert caught.value.failure.code is Code.NO_OUTPUT
    assert caught.value.failure.remedy
    return caught.value.failure.field, caught.value.failure.message


def test_a_whole_prediction_is_delivered_under_names_without_the_stem(out: Path) -> None:
    files = collected(out, EXPECTED)
    assert list(files) == [
        "model_0.cif",
        "confidence_model_0.json",
        "plddt_model_0.npz",
        "pae_model_0.npz",
        "pde_model_0.npz",
        "model_1.cif",
        "confidence_model_1.json",
        "plddt_model_1.npz",
        "pae_model_1.npz",
        "pde_model_1.npz",
        "affinity.json",
    ]
    assert all(path.is_file() for path in files.values())
    assert files["affinity.json"].name == f"affinity_{STEM}.json"


def test_scores_are_those_of_the_best_sample_and_of_the_affinity(out: Path) -> None:
    assert scores(collected(out, EXPECTED)) == {
        "confidence_score": 0.9,
        "ptm": 0.8,
        "iptm": 0.0,
        "complex_plddt": 0.7,
        "affinity_pred_value": -1.5,
        "affinity_probability_binary": 0.25,
    }


def pair(chains: tuple[str, str], pae: float, **scores: float) -> Interface:
    return Interface(chains=chains, mean_pae=pae, **scores)


def test_scores_of_an_interface_are_of_the_pair_of_polymers_with_the_best_ipsae(out: Path) -> None:
    best = {"ipsae": 0.8, "ipsae_min": 0.4, "pdockq2": 0.6, "lis": 0.5, "lia": 1200}
    interfaces = [pair(("A", "L"), 1.0), pair(("A", "B"), 20.0, ipsae=0.2), pair(("B", "C"), 5.5, **best)]
    assert scores(collected(out, EXPECTED), interfaces).items() >= (best | {"interface_pae": 5.5}).items()


@pytest.mark.parametrize("interfaces", [[], [pair(("A", "L"), 1.0)]])
def test_without_two_polymers_there_are_no_scores_of_an_interface(
    out: Path, interfaces: list[Interface]
) -> None:
    assert scores(collected(out, EXPECTED), interfaces) == scores(collected(out, EXPECTED))


def test_a_score_that_is_not_made_for_a_pair_is_left_out(out: Path) -> None:
    nucleic = pair(("A", "R"), 7.0, ipsae=0.0, ipsae_min=0.0, lis=0.0, lia=0)
    found = scores(collected(out, EXPECTED), [nucleic])
    assert (found["ipsae"], found["interface_pae"]) == (0.0, 7.0)
    assert "pdockq2" not in found


def test_an_affinity_that_nobody_asked_for_is_not_delivered(out: Path) -> None:
    files = collected(out, Expected(chains=EXPECTED.chains, samples=2))
    assert "affinity.json" not in files
    assert "affinity_pred_value" not in scores(files)


@pytest.mark.parametrize(
    ("boltz_name", "public"),
    [
        (f"{STEM}_model_0.cif", "model_0.cif"),
        (f"confidence_{STEM}_model_1.json", "confidence_model_1.json"),
        (f"plddt_{STEM}_model_0.npz", "plddt_model_0.npz"),
        (f"pae_{STEM}_model_1.npz", "pae_model_1.npz"),
        (f"pde_{STEM}_model_0.npz", "pde_model_0.npz"),
        (f"affinity_{STEM}.json", "affinity.json"),
    ],
)
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:40])])
def test_a_missing_or_truncated_file_is_no_output_and_is_named(
    out: Path, boltz_name: str, public: str, damage: Callable[[Path], object]
) -> None:
    damage(boltz_file(out, boltz_name))
    field, message = reason(out)
    assert field == public
    assert public in message


def test_nothing_written_at_all_is_no_output(tmp_path: Path) -> None:
    assert reason(tmp_path) == ("model_0.cif", "Boltz-2 ended, but its model_0.cif is missing.")


def test_another_chain_is_no_output(out: Path) -> None:
    write_sample(boltz_file(out, ""), 0, {"A": 3, "B": 1})
    assert "chains A, B instead of A, L" in reason(out)[1]


def test_a_missing_ligand_is_no_output(out: Path) -> None:
    write_sample(boltz_file(out, ""), 1, {"A": 3})
    field, message = reason(out)
    assert (field, "chains A instead of A, L" in message) == ("model_1.cif", True)


def test_a_missing_residue_is_no_output(out: Path) -> None:
    write_sample(boltz_file(out, ""), 0, {"A": 2, "L": 1})
    assert "chain A has 2 residues instead of 3" in reason(out)[1]


@pytest.mark.parametrize("bad", ["nan", "inf", "?"])
def test_a_coordinate_that_is_not_finite_is_no_output(out: Path, bad: str) -> None:
    path = boltz_file(out, f"{STEM}_model_0.cif")
    path.write_text(path.read_text().replace("-1.25", bad, 1))
    assert "a coordinate is not a finite number" in reason(out)[1]


@pytest.mark.parametrize("kind", ["plddt", "pae", "pde"])
def test_an_array_with_a_nan_or_another_shape_is_no_output(out: Path, kind: str) -> None:
    path = boltz_file(out, f"{kind}_{STEM}_model_0.npz")
    array = np.load(path)[kind]
    array.flat[-1] = np.nan
    np.savez(path, **{kind: array})
    assert "not a finite number" in reason(out)[1]
    np.savez(path, **{kind: np.ones((2, 3, 4))})
    assert f"{kind} has shape (2, 3, 4)" in reason(out)[1]


def test_a_confidence_that_is_nan_is_named_by_its_path(out: Path) -> None:
    path = boltz_file(out, f"confidence_{STEM}_model_1.json")
    path.write_text(path.read_text().replace('"chains_ptm": {"0": 0.5}', '"chains_ptm": {"0": NaN}'))
    assert "chains_ptm.0 is nan" in reason(out)[1]


def test_an_affinity_without_its_value_is_no_output(out: Path) -> None:
    boltz_file(out, f"affinity_{STEM}.json").write_text("{}")
    assert "affinity_pred_value is not in it" in reason(out)[1]


def test_a_pdb_file_is_delivered_as_pdb(out: Path) -> None:
    files = collected(out, Expected(chains=EXPECTED.chains, output_format="pdb"))
    assert files["model_0.pdb"].suffix == ".pdb"
    assert "model_0.cif" not in files


def test_a_pdb_line_pushed_out_of_its_columns_is_no_output_and_the_remedy_is_mmcif(out: Path) -> None:
    path = boltz_file(out, f"{STEM}_model_0.pdb")
    # Boltz writes a long chain id whole, and so shifts the coordinates behind it.
    path.write_text(path.read_text().replace("GLY A   ", "GLY AB   "))
    expected = Expected(chains={"AB": 3, "L": None}, output_format="pdb")
    assert "does not fit into PDB's columns" in reason(out, expected)[1]
    with pytest.raises(FailedError) as caught:
        collected(out, expected)
    assert "dropfold-output-format:mmcif" in caught.value.failure.remedy
