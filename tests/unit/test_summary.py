"""The picture of a prediction, made from files as Boltz-2 writes them, and what it is drawn from."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from support.predictions import MODEL, a_prediction

from worker.report import summary
from worker.report.prediction import Prediction
from worker.report.trace import Trace, seen, trace

REAL = MODEL.model_copy(update={"random_weights": False})
AFFINITY = {"affinity_pred_value": -1.0, "affinity_probability_binary": 0.8}
MOST_BYTES = 300_000


def drawn(folder: Path, **changes: object) -> Image.Image:
    prediction = a_prediction(folder / "prediction", **changes)  # type: ignore[arg-type]  # by keyword
    summary.write(prediction, folder / "summary.png")
    return Image.open(folder / "summary.png")


def count(picture: Image.Image, colour: Sequence[int], box: summary.Box) -> int:
    area = (box.left, box.top, box.left + box.width, box.top + box.height)
    return int((np.asarray(picture.convert("RGB").crop(area)) == colour).all(axis=2).sum())


@pytest.mark.parametrize("residues", [1, 40, 800])
def test_it_is_of_one_size_and_small_whatever_was_predicted(tmp_path: Path, residues: int) -> None:
    assert drawn(tmp_path, length=residues, name=f"run42/{'long_name_' * 100}.yaml").size == (1200, 675)
    assert (tmp_path / "summary.png").stat().st_size < MOST_BYTES


@pytest.mark.parametrize(("plddt", "colour"), [(0.95, summary.BANDS[0][1]), (0.3, summary.BANDS[3][1])])
def test_structure_and_curve_have_the_colour_of_their_confidence(
    tmp_path: Path, plddt: float, colour: Sequence[int]
) -> None:
    picture = drawn(tmp_path, plddt=plddt, model=REAL)
    assert count(picture, colour, summary.PLDDT) > 100
    structure = np.asarray(
        picture.convert("RGB").crop((30, 140, 590, 615)), dtype=int
    )  # paler where it is farther away: the hue is the same
    inked = structure[structure.min(axis=2) < 200]
    assert len(inked) > 1000
    assert (inked.argmin(axis=1) == int(np.argmin(colour))).mean() > 0.95


def test_the_map_is_drawn_from_sure_to_unsure(tmp_path: Path) -> None:
    prediction = a_prediction(tmp_path, length=37, model=REAL)  # 40 tokens
    errors = np.full((40, 40), 30.0)
    errors[:20] = 0.0
    np.savez(prediction.files["pae_model_0.npz"], pae=errors)
    summary.write(prediction, tmp_path / "summary.png")
    pae, picture = summary.PAE, Image.open(tmp_path / "summary.png")
    upper = pae._replace(height=pae.height // 2)
    assert count(picture, summary.SURE, upper) > 0.95 * upper.width * upper.height
    assert count(picture, summary.SURE, pae) < 0.55 * pae.width * pae.height


def test_random_weights_are_said_in_red_and_in_words(tmp_path: Path) -> None:
    band = summary.Box(0, 94, 1200, 32)
    for model, red in ((MODEL, True), (REAL, False)):
        folder = tmp_path / str(red)
        folder.mkdir()
        picture = drawn(folder, model=model)
        assert (count(picture, summary.ALARM, band) > 20_000) is red
        assert ("RANDOM WEIGHTS" in picture.info["Description"]) is red
        assert "run42/foo.yaml: confidence 0.800" in picture.info["Description"]


def test_an_affinity_is_among_the_figures(tmp_path: Path) -> None:
    prediction = a_prediction(tmp_path)
    assert "IC50, if it binds" not in dict(summary.scores(prediction))
    path = tmp_path / "affinity.json"
    path.write_text(json.dumps(AFFINITY))
    with_affinity = dict(summary.scores(a_prediction(tmp_path, affinity=path)))
    assert with_affinity["binder, probability"] == "80%"
    assert with_affinity["IC50, if it binds"] == "100 nM"


def test_a_name_too_long_keeps_its_beginning_and_its_end_in_one_line() -> None:
    shown = summary.shortened("run42/" + "x" * 500 + "\n\tend.yaml", 27, 600)
    assert shown.startswith("run42/")
    assert shown.endswith("end.yaml")
    assert "\n" not in shown
    assert summary.font(27).getlength(shown) <= 600 * summary.ZOOM
    assert summary.shortened("short.yaml", 27, 600) == "short.yaml"


def traced(prediction: Prediction) -> Trace:
    return trace(prediction.structure(0), prediction.polymers)


def test_a_backbone_is_one_point_a_residue_and_a_ligand_all_its_atoms(tmp_path: Path) -> None:
    found = traced(a_prediction(tmp_path, length=5))
    assert len(found.places) == 5 + 3
    assert found.atoms == {5, 6, 7}
    assert found.links == [(0, 1), (1, 2), (2, 3), (3, 4), (5, 6), (6, 7)]


@pytest.mark.parametrize(
    "chain",
    [
        "protein: {id: A, sequence: XSSG, msa: empty, modifications: [{position: 1, ccd: ACE}]}",
        "protein: {id: A, sequence: SSSG, msa: empty, modifications: [{position: 3, ccd: SEP}]}",
        "dna: {id: A, sequence: CGCG, modifications: [{position: 3, ccd: 5CM}]}",
        "rna: {id: A, sequence: CUCG, modifications: [{position: 2, ccd: PSU}]}",
    ],
)
def test_a_backbone_goes_on_through_modified_residues_and_begins_at_a_cap(tmp_path: Path, chain: str) -> None:
    sequences = f"sequences:\n- {chain}\n- ligand: {{id: L, ccd: GLY}}\n"
    found = traced(a_prediction(tmp_path, sequences=sequences))
    assert found.links[:3] == [(0, 1), (1, 2), (2, 3)]
    assert found.atoms == set(range(4, 9))


def test_chains_with_modified_residues_have_a_border_between_them_and_values_that_do_not_fit_no_curve(
    tmp_path: Path,
) -> None:
    sep = "modifications: [{position: 1, ccd: SEP}]"
    one, two = (
        f"- protein: {{id: {chain}, sequence: {letters}, msa: empty{more}}}\n"
        for chain, letters, more in (("A", "SAAA", f", {sep}"), ("B", "AAAA", ""))
    )
    prediction = a_prediction(tmp_path, sequences=f"sequences:\n{one}{two}", model=REAL)
    summary.write(prediction, tmp_path / "summary.png")
    box = summary.PLDDT
    border = summary.Box(box.left + box.width // 2 - 2, box.top + 5, 5, 20)  # where no curve and no level is
    assert count(Image.open(tmp_path / "summary.png"), summary.QUIET, border) >= 15
    np.savez(prediction.files["plddt_model_0.npz"], plddt=np.full(13, 0.95))
    summary.write(prediction, tmp_path / "summary.png")
    assert count(Image.open(tmp_path / "summary.png"), summary.BANDS[0][1], box) == 0


def test_a_structure_is_turned_never_mirrored_and_lies_along_its_longest_axis() -> None:
    places = [(0.0, 0.0, 0.0), (0.0, 0.0, 9.0), (0.0, 4.0, 0.0), (1.0, 0.0, 0.0)]
    turned = seen(places)
    spans = np.ptp(turned, axis=0)
    assert spans[0] > spans[1] > spans[2]

    def volume(points: npt.NDArray[np.float64]) -> float:
        return float(np.linalg.det(points[1:] - points[0]))

    assert volume(turned) == pytest.approx(volume(np.array(places)))
    assert seen([(1.0, 2.0, 3.0)]).tolist() == [[0.0, 0.0, 0.0]]
