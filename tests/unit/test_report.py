"""The page of a prediction, made from files as Boltz-2 writes them; test_report_page.py looks at it."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from support.fakes import a_job
from support.html import Elements
from support.predictions import MODEL, a_prediction

from schemas.job import Alignment
from schemas.options import Options
from worker.report import affinity, page
from worker.report.prediction import Prediction


def test_the_page_is_whole_and_holds_every_sample(tmp_path: Path) -> None:
    html = page.render(a_prediction(tmp_path, samples=2))
    data = json.loads(Elements(html).scripts[0])
    assert [sample["rank"] for sample in data["samples"]] == [0, 1]
    assert len(data["tokens"]) == len(data["samples"][0]["plddt"])
    assert "Random weights" in html


def test_it_asks_for_nothing_from_anywhere(tmp_path: Path) -> None:
    html = page.render(a_prediction(tmp_path))
    markup = re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    assert not re.search(r"""(src|href)=["'](?!data:)""", markup)
    assert "url(" not in markup
    assert "@import" not in markup


def test_what_an_uploader_wrote_is_text_and_nothing_else(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script>{{ 7 * 7 }}"
    prediction = a_prediction(tmp_path, text=f"# {evil}\n", name=f"{evil}.yaml")
    html = page.render(prediction)
    assert "<script>alert" not in html
    assert "{{ 7 * 7 }}" in html
    assert len(Elements(html).scripts) == 3


def test_real_weights_have_no_banner_and_poor_confidence_a_warning(tmp_path: Path) -> None:
    model = MODEL.model_copy(update={"random_weights": False})
    html = page.render(a_prediction(tmp_path, model=model, plddt=0.3))
    assert "Random weights" not in html
    assert "Low confidence" in html
    assert "Single-sequence mode" in html
    assert "Low confidence" not in page.render(a_prediction(tmp_path / "good", model=model, plddt=0.9))


def test_it_says_which_model_and_where_it_computed_otherwise_than_boltz(tmp_path: Path) -> None:
    fast = MODEL.model_copy(update={"speed": "fast"})
    assert "Predicted by boltz-2 2.2.1 ·" in page.render(a_prediction(tmp_path))
    assert "Predicted by boltz-2 2.2.1, fast ·" in page.render(a_prediction(tmp_path / "fast", model=fast))


def test_five_hundred_residues_in_five_samples_stay_below_five_megabytes(tmp_path: Path) -> None:
    prediction = a_prediction(tmp_path, length=500, samples=5)
    page.write(prediction, tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < 5_000_000


def test_maps_beyond_the_first_samples_are_left_out_and_the_rest_is_there(tmp_path: Path) -> None:
    html = page.render(a_prediction(tmp_path, samples=7))
    samples = json.loads(Elements(html).scripts[0])["samples"]
    assert [sample["pae"] is not None for sample in samples] == [True] * 5 + [False] * 2
    assert all(sample["structure"] for sample in samples)


def named(prediction: Prediction) -> list[str]:
    return [" ".join(token) for token in prediction.tokens]


SEQUENCES = "sequences:\n"
DIMER = """\
- protein: {id: A, sequence: LRRAXLG, msa: empty, modifications: [{position: 5, ccd: SEP}]}
- protein: {id: B, sequence: LRRASLG, msa: empty}
"""
DUPLEX = """\
- dna: {id: A, sequence: CGC, modifications: [{position: 3, ccd: 5CM}]}
- rna: {id: B, sequence: GUG, modifications: [{position: 2, ccd: PSU}]}
- ligand: {id: M, ccd: MG}
"""
CAPPED = """\
- protein:
    {id: A, sequence: XAX, msa: empty, modifications: [{position: 1, ccd: ACE}, {position: 3, ccd: NH2}]}
"""


@pytest.mark.parametrize("output_format", ["mmcif", "pdb"])
@pytest.mark.parametrize(
    ("sequences", "names"),
    [
        (DIMER, ["A SEP 5", "A LEU 6", "A GLY 7", "B LEU 1"]),
        (DUPLEX, ["A 5CM 3", "B G 1", "B PSU 2", "B G 3", "M MG 1 MG"]),
        (CAPPED, ["A ACE 1", "A ALA 2", "A NH2 3"]),
        (
            "- ligand: {id: L, ccd: GLY}\n",
            ["L GLY 1 N", "L GLY 1 CA", "L GLY 1 C", "L GLY 1 O", "L GLY 1 OXT"],
        ),
        ("- ligand: {id: L, smiles: CCO}\n", ["L LIG 1 C8", "L LIG 1 C9", "L LIG 1 O7"]),
        ("- ligand: {id: L, ccd: [MG, ZN]}\n", ["L MG 1 MG", "L ZN 2 ZN"]),
    ],
)
def test_a_residue_of_a_polymer_is_a_token_modified_or_not_and_so_is_each_atom_of_a_ligand(
    tmp_path: Path, sequences: str, names: list[str], output_format: Literal["mmcif", "pdb"]
) -> None:
    options = Options(output_format=output_format)
    prediction = a_prediction(tmp_path, sequences=SEQUENCES + sequences, options=options)
    found = named(prediction)
    assert len(found) == len(prediction.array("plddt", 0))
    at = found.index(names[0])
    assert found[at : at + len(names)] == names


def test_values_that_do_not_fit_the_structure_are_left_out_and_the_page_says_so(tmp_path: Path) -> None:
    prediction = a_prediction(tmp_path, length=7, samples=2)
    said = "do not fit the structure"
    assert said not in page.render(prediction).partition("<script")[0]
    np.savez(prediction.files["pae_model_1.npz"], pae=np.zeros((9, 9)))
    html = page.render(prediction)
    first, second = json.loads(Elements(html).scripts[0])["samples"]
    assert (len(first["plddt"]), first["pae"] is not None) == (10, True)
    assert (second["plddt"], second["pae"]) == (None, None)
    assert said in html.partition("<script")[0]


@pytest.mark.parametrize(
    ("sequences", "order"),
    [
        (
            """\
- protein: {id: A, sequence: LRRA, msa: empty}
- protein: {id: B, sequence: GYDP, msa: empty}
- protein: {id: C, sequence: LRRA, msa: empty}
- protein: {id: D, sequence: GYDP, msa: empty}
""",
            "ACBD",
        ),
        (
            """\
- ligand: {id: B, ccd: MG}
- ligand: {id: C, ccd: ATP}
- ligand: {id: D, ccd: MG}
""",
            "BDC",
        ),
    ],
)
def test_pairs_of_chains_have_the_letters_of_the_input_in_the_order_of_boltz(
    tmp_path: Path, sequences: str, order: str
) -> None:
    html = page.render(a_prediction(tmp_path, sequences=SEQUENCES + sequences))
    heads, *rows = (re.sub("<[^>]+>", " ", row).split() for row in table(html, "pairs"))
    assert heads == [*order]
    assert [row[0] for row in rows] == [*order]
    assert rows[1][1:] == [f"{0.9 - 0.1 - j / 100:.3f}" for j in range(len(order))]


def test_pairs_of_chains_that_are_not_those_of_the_structure_are_not_shown(tmp_path: Path) -> None:
    prediction = a_prediction(tmp_path)
    confidence = prediction.confidence(0)
    del confidence["pair_chains_iptm"]["1"]
    prediction.files["confidence_model_0.json"].write_text(json.dumps(confidence))
    assert not table(page.render(prediction), "pairs")


def table(html: str, kind: str) -> list[str]:
    """Return the rows of the first table of a kind."""
    found = re.search(rf'<table class="{kind}[ "].*?</table>', html, re.DOTALL)
    return re.findall(r"<tr.*?</tr>", found[0], re.DOTALL) if found else []


@pytest.mark.parametrize(
    ("value", "probability", "ic50", "words"),
    [
        (0.0, 0.9, "1 µM", "for a binder"),
        (-3.0, 0.5, "1 nM", "cannot tell"),
        (3.0, 0.1, "1 mM", "does not take"),
    ],
)
def test_an_affinity_is_said_in_words_and_units(
    value: float, probability: float, ic50: str, words: str
) -> None:
    said = affinity.in_words({"affinity_pred_value": value, "affinity_probability_binary": probability})
    assert (said["ic50"], words in said["verdict"]) == (ic50, True)
    assert float(said["pic50"]) == 6 - value


def alignment(*chains: str, rows: int, paired: int = 0, database: str = "uniref30") -> Alignment:
    return Alignment(
        chains=chains,
        server="msa.example",
        database=database,
        rows=rows,
        paired=paired,
        sha256="0" * 64,
        object="x/unpaired/1.a3m",
    )


def test_alignments_that_were_made_are_told_with_their_depth(tmp_path: Path) -> None:
    made = (alignment("A", "C", rows=1815, paired=283), alignment("B", rows=2, database=""))
    html = page.render(dataclasses.replace(a_prediction(tmp_path), alignments=made))
    first, second = re.findall(r"<tr><th scope=\"row\">.*</tr>", html.partition("Alignments</h3>")[2])
    told = [re.sub(r"<[^>]+>", "|", row).strip("|") for row in (first, second)]
    assert told == ["A, C||msa.example||uniref30||1,815||283", "B||msa.example||not named||2||0"]
    assert "no homologues" not in html
    assert "Alignments" not in page.render(a_prediction(tmp_path)).partition("<script")[0]


def test_a_chain_without_homologues_has_a_warning_of_its_own(tmp_path: Path) -> None:
    made = (alignment("A", rows=1), alignment("B", rows=2), alignment("C", "D", rows=1, paired=1))
    html = page.render(dataclasses.replace(a_prediction(tmp_path), alignments=made))
    alone = re.findall(r'<p class="warning">(Chains? .*)</p>', html)
    one, two = "of this chain rests on its", "of these chains rests on their"
    assert alone == [
        f"Chain A: no homologues were found: the prediction {one} sequence alone.",
        f"Chains C, D: no homologues were found: the prediction {two} sequence alone.",
    ]


def test_what_was_read_otherwise_of_a_file_is_a_warning(tmp_path: Path) -> None:
    said = ("Of the template <t>.pdb the first of its 2 models was used.",)
    html = page.render(dataclasses.replace(a_prediction(tmp_path), warnings=said))
    assert '<p class="warning">Of the template &lt;t&gt;.pdb the first of its 2 models was used.</p>' in html


def test_options_are_shown_as_they_were(tmp_path: Path) -> None:
    prediction = a_prediction(tmp_path)
    html = page.render(prediction)
    assert prediction.job.options == Options(seed=5)
    for name in Options.model_fields:
        assert f"<dt>{name.replace('_', ' ')}</dt>" in html
    assert a_job().job_id in html


def test_what_was_decided_is_said_with_its_reason(tmp_path: Path) -> None:
    prediction = a_prediction(tmp_path)
    assert "(auto, " not in page.render(prediction)
    job = prediction.job.evolve(decided={"potentials": "on: stereochemistry in L <1>"})
    html = page.render(dataclasses.replace(prediction, job=job))
    assert "(auto, on: stereochemistry in L &lt;1&gt;)" in html


def test_the_cost_is_that_of_the_turns_on_the_device_and_left_out_where_no_price_is_known(
    tmp_path: Path,
) -> None:
    prediction = a_prediction(tmp_path)
    seconds = {"featurise": 5.0, "predict": 3.0, "affinity_predict": 0.6, "write": 2.0}
    priced = dataclasses.replace(prediction, seconds=seconds, usd_per_hour=1.0)
    assert "0.00100 USD for the time on the device, at 1.00 USD an hour" in page.render(priced)
    assert "USD" not in page.render(prediction).partition("<script")[0]
