"""What checks found, on the page of a prediction and in its picture; test_report_page.py looks at it."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.html import Elements
from support.predictions import MODEL, a_prediction
from support.verdicts import ALONE, CAVEAT, CIS, CONSTRAINTS, FLAT, REMEDY, a_sample, a_summary, checked

from schemas.checks import MAX_CONSTRAINTS, Checks, Outlier, Verdict
from worker.report import page, summary
from worker.report.prediction import Prediction
from worker.report.verdict import LISTED, in_short

NOT_MADE = "\N{EN DASH}"
AFFINITY = {"affinity_pred_value": -1.0, "affinity_probability_binary": 0.8}


def markup(html: str) -> str:
    """Return the page before its data."""
    return html.partition('<script type="application/json"')[0]


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def rows(html: str, kind: str) -> list[list[str]]:
    """Return the rows of the first table of a kind, cell by cell."""
    found = re.search(rf'<table class="{kind}".*?</table>', html, re.DOTALL)
    assert found
    lines = re.findall(r"<tr>.*?</tr>", found[0], re.DOTALL)
    return [[words(cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", line, re.DOTALL)] for line in lines]


def test_one_line_has_the_verdict_and_the_checks_that_found_the_most() -> None:
    counts = {"ring": 0, "bond": 7, "stereocentre": 1200, "alone": 1, "backbone": 3}
    sample = a_sample(0, FLAT).model_copy(update={"counts": counts})
    assert in_short(a_summary(sample)) == "checks: failed (stereocentre 1,200, bond 7, backbone 3, …)"
    assert in_short(a_summary(a_sample(0))) == "checks: passed"


@pytest.mark.parametrize(("outliers", "colour"), [((FLAT,), summary.ALARM), ((), (27, 110, 60))])
def test_the_picture_has_the_verdict_in_its_colour_and_in_words(
    tmp_path: Path, outliers: Sequence[Outlier], colour: tuple[int, int, int]
) -> None:
    real = MODEL.model_copy(update={"random_weights": False})
    old = a_prediction(tmp_path / "files", model=real)
    assert written(old, colour, tmp_path) == (0, False)
    pixels, told = written(checked(old, [a_sample(0, *outliers)]), colour, tmp_path)
    assert pixels > 50
    assert told


def written(prediction: Prediction, colour: tuple[int, int, int], folder: Path) -> tuple[int, bool]:
    """Count the pixels of a colour in the line of the verdict, and tell whether it is in words, too."""
    summary.write(prediction, folder / "summary.png")
    picture = Image.open(folder / "summary.png")
    line = np.asarray(picture.convert("RGB").crop((600, 55, 1190, 90)))
    return int((line == colour).all(axis=2).sum()), " Checks: " in picture.info["Description"]


@pytest.mark.parametrize(
    ("outliers", "verdict", "sentence"),
    [
        ((FLAT, CIS), "failed", "chemically impossible"),
        ((CIS,), "warnings", "may be right"),
        ((), "passed", "nothing is wrong"),
    ],
)
def test_the_verdict_stands_under_the_title_in_its_colour_and_in_words(
    tmp_path: Path, outliers: Sequence[Outlier], verdict: str, sentence: str
) -> None:
    html = page.render(checked(a_prediction(tmp_path), [a_sample(0, *outliers)]))
    above, _, banner = markup(html).partition(f'<section class="verdict {verdict}"')
    assert above.index("Random weights") > above.index("</header>")
    said = words(banner.partition("</section>")[0])
    assert f"Checks: {verdict} Of the best sample: " in said
    assert sentence in said
    assert "<main>" not in above


def test_each_reason_has_a_button_that_knows_the_atom(tmp_path: Path) -> None:
    alone = ALONE.model_copy(update={"what": "chain L touches no other chain"})  # a sentence begins with it
    prediction = checked(a_prediction(tmp_path), [a_sample(0, FLAT, alone)])
    assert prediction.summary
    reasons = (f"{FLAT.what}. {REMEDY}", "Chain L touches no other chain.")
    html = page.render(
        replace(prediction, summary=prediction.summary.model_copy(update={"reasons": reasons}))
    )
    banner = html.partition('<section class="verdict')[2].partition("</section>")[0]
    first, second = re.findall(r"<li>.*?</li>", banner, re.DOTALL)
    assert words(first) == f"{FLAT.what}. {REMEDY} show"
    asked = [found for tag, found in Elements(first + second).elements if tag == "button"]
    places = [[button[f"data-{key}"] for key in ("sample", "chain", "residue", "atom")] for button in asked]
    assert places == [["0", "A", "7", "CA"], ["0", "L", "", ""]]
    assert asked[0]["aria-label"] == f"Show in the structure: {FLAT.what}"


def test_a_reason_that_is_about_no_one_place_has_no_button(tmp_path: Path) -> None:
    prediction = checked(a_prediction(tmp_path), [a_sample(0, FLAT)])
    assert prediction.summary
    reasons = ("432 of 1,961 peptide bonds are twisted.",)
    html = page.render(
        replace(prediction, summary=prediction.summary.model_copy(update={"reasons": reasons}))
    )
    assert "button" not in html.partition('<section class="verdict')[2].partition("</section>")[0]


def test_samples_are_told_by_check_with_the_place_that_boltz_gave_them(tmp_path: Path) -> None:
    prediction = a_prediction(tmp_path, samples=2)
    samples = [a_sample(0, CIS, boltz_rank=1), a_sample(1, FLAT, CIS, boltz_rank=0)]
    html = page.render(checked(prediction, samples))
    assert rows(html, "checks") == [
        ["sample", "Boltz-2's rank", "verdict", "peptide cis", "stereocentre"],
        ["1", "2", "warnings", "1", "0"],
        ["2", "1", "failed", "1", "1"],
    ]
    in_place = page.render(checked(prediction, [a_sample(0, CIS), a_sample(1, FLAT)]))
    assert rows(in_place, "checks")[0] == ["sample", "verdict", "peptide cis", "stereocentre"]


def test_what_was_found_is_listed_up_to_a_number_and_the_rest_counted(tmp_path: Path) -> None:
    outliers = [FLAT.model_copy(update={"residue": n, "what": f"A ALA {n} CA is flat"}) for n in range(1, 31)]
    many = a_sample(0, *outliers).model_copy(update={"counts": {"stereocentre": 1500}})
    html = page.render(checked(a_prediction(tmp_path), [many]))
    listed = html.partition('<ul class="outliers">')[2].partition("</ul>")[0]
    assert listed.count("<li>") == LISTED
    assert "And 1,480 more" in html


def test_constraints_are_met_or_not_and_those_that_are_not_come_first(tmp_path: Path) -> None:
    html = page.render(checked(a_prediction(tmp_path), [a_sample(0)]))
    assert rows(html, "constraints")[1:] == [
        ["contact of A 3 and L", "12.3", "8.0", "no"],
        ["pocket of L: A 10", "4.7", "6.0", "yes"],
    ]


def test_more_constraints_than_a_page_has_room_for_are_counted(tmp_path: Path) -> None:
    many = a_sample(0).model_copy(update={"constraints": CONSTRAINTS * 600})
    html = page.render(checked(a_prediction(tmp_path), [many]))
    assert len(rows(html, "constraints")) == 1 + MAX_CONSTRAINTS
    assert "Of 1,200; checks.json has all." in html


def test_interfaces_have_the_input_s_chains_the_best_first_and_no_figure_that_is_not_made_for_them(
    tmp_path: Path,
) -> None:
    html = page.render(checked(a_prediction(tmp_path), [a_sample(0)]))
    assert rows(html, "interfaces")[1:] == [
        ["A with B", "0.871", "4.2", "0.866", "0.449", "0.712", "0.656", "17243"],
        ["A with L", "0.500", "9.5", *[NOT_MADE] * 5],
    ]


def test_an_affinity_has_its_caveats_and_its_energy_says_what_it_takes_for_what(tmp_path: Path) -> None:
    path = tmp_path / "affinity.json"
    path.write_text(json.dumps(AFFINITY))
    html = page.render(checked(a_prediction(tmp_path, affinity=path), [a_sample(0)]))
    assert f"<li>{CAVEAT}</li>" in html
    assert "as if IC50 were Kd" in html
    assert CAVEAT not in page.render(checked(a_prediction(tmp_path), [a_sample(0)]))


def test_what_could_not_be_checked_is_said_and_why(tmp_path: Path) -> None:
    why = "the checks took longer than they may"
    sample = a_sample(0).model_copy(update={"verdict": Verdict.UNCHECKED, "unchecked": why})
    html = page.render(checked(a_prediction(tmp_path), [sample]))
    assert '<section class="verdict unchecked"' in html
    assert f"Not checked: {why}" in html


def test_a_result_from_before_there_were_checks_has_a_page_as_before(tmp_path: Path) -> None:
    old = a_prediction(tmp_path, model=MODEL.model_copy(update={"random_weights": False}))
    said = words(markup(page.render(old)))
    assert not re.search("[Cc]hecks|[Ii]nterfaces", re.sub("<style>.*</style>", "", said))
    copied = replace(old, summary=Checks(verdict=Verdict.UNCHECKED, reasons=("Not checked: too old.",)))
    html = page.render(copied)
    assert "<li>Not checked: too old.</li>" in html
    assert 'id="checks-title"' not in html


def test_words_of_a_check_are_text_and_nothing_else(tmp_path: Path) -> None:
    evil = FLAT.model_copy(update={"what": '"><script>alert(1)</script>', "check": "<b>"})
    html = page.render(checked(a_prediction(tmp_path), [a_sample(0, evil)]))
    assert "<script>alert" not in html
    assert len(Elements(html).scripts) == 3


def test_a_verdict_of_a_later_release_is_shown_as_it_is(tmp_path: Path) -> None:
    later = Checks(verdict=Verdict("doubtful"))
    assert "Checks: doubtful" in page.render(replace(a_prediction(tmp_path), summary=later))
