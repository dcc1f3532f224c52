"""The page of a folder in a real browser, without network: it sorts, filters, and shows a thousand rows."""

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pytest
from integration.browser import LARGE_AND_SMALL, keep, launched, needed
from integration.browser import opened as open_in
from playwright.sync_api import Browser, Page
from support.fakes import NOW
from support.predictions import a_prediction
from support.receipts import SCORES, an_end, written
from support.verdicts import CIS, FLAT, a_sample, a_summary

from functions.folder_page import render as batch_page
from functions.folder_page.rows import Row
from schemas.job import State
from schemas.receipt import Receipt
from worker.report import summary

FOLDER = "run42/"
LONG = "run42/" + "a_very_long_name_" * 58 + ".yaml"
EVIL = "run42/<img src=x onerror=alert(1)>\"'&.yaml"
COUNT = 1000
CHECKS, CONFIDENCE = 3, 4
"""Columns, from 0."""
ENDS = cycle([State.FAILED, *[State.SUCCEEDED] * 7, State.REJECTED, State.SUPERSEDED, State.CANCELLED])

FOUND = cycle([[FLAT], [CIS], []])

pytestmark = needed


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as running:
        yield running


def a_row(number: int, name: str, state: State) -> Row:
    scores = SCORES | {"confidence_score": (number * 7 % 1000) / 1000}
    checks = a_summary(a_sample(0, *next(FOUND))) if state is State.SUCCEEDED and number % 10 else None
    job = an_end(name, state, after=number, checks=checks)
    path, body = written(job.evolve(scores=scores) if state is State.SUCCEEDED else job)
    return Row.of(path.removeprefix(FOLDER), Receipt.model_validate_json(body))


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a page of a thousand rows, with the pictures of its successes beside it."""
    home = tmp_path_factory.mktemp("batch") / FOLDER
    home.mkdir()
    given = [LONG, EVIL, "run42/ä 漢字.yaml"] + [
        f"run42/protein_{number}.yaml" for number in range(COUNT - 3)
    ]
    some = [a_row(number, name, next(ENDS)) for number, name in enumerate(given)]  # the long one fails
    summary.write(a_prediction(home / "prediction"), home / "summary.png")
    for row in some:
        if row.picture:
            path = home / row.picture
            path.parent.mkdir(parents=True)
            path.hardlink_to(home / "summary.png")
    (home / "index.html").write_text(batch_page.render(FOLDER, some, "250", 250, NOW))
    return home / "index.html"


@pytest.fixture
def opened(browser: Browser, html: Path) -> Iterator[Page]:
    with open_in(browser, html) as page:
        yield page


def shown(page: Page, column: int) -> list[str]:
    """Return what the rows that can be seen say in a column."""
    rows = "[...document.querySelectorAll('tbody tr')].filter((row) => !row.hidden)"
    found: list[str] = page.evaluate(f"(n) => {rows}.map((row) => row.cells[n].innerText.trim())", column)
    return found


def test_a_thousand_rows_are_there_failures_first(opened: Page) -> None:
    states = shown(opened, 0)
    assert len(states) == COUNT
    failed = states.count("failed")
    assert failed > 80
    assert states[:failed] == ["failed"] * failed
    assert states[failed] == "rejected"
    assert opened.locator("progress").get_attribute("value") == str(COUNT)
    assert "Random weights" in opened.locator("[role=alert]").inner_text()


def test_a_heading_sorts_by_numbers_both_ways_and_tells_so(opened: Page) -> None:
    heading = opened.locator("thead th", has_text="Confidence")
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    up = [float(text) for text in shown(opened, CONFIDENCE) if text]
    assert up == sorted(up)
    assert shown(opened, CONFIDENCE)[-1] == ""
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert [float(text) for text in shown(opened, CONFIDENCE) if text] == up[::-1]
    assert shown(opened, CONFIDENCE)[-1] == ""
    assert opened.locator("thead th[aria-sort]").count() == 1


def test_a_heading_sorts_by_keyboard_and_names_as_people_count(opened: Page) -> None:
    button = opened.locator("thead th", has_text="Input").locator("button")
    button.focus()
    opened.keyboard.press("Enter")
    found = [text.split("\n")[0] for text in shown(opened, 1) if text.startswith("protein_")]
    assert found == [f"protein_{number}.yaml" for number in range(COUNT - 3)]


def test_rows_are_found_by_words_and_by_state(opened: Page) -> None:
    opened.fill("#find", "PROTEIN_99 yaml")
    names = shown(opened, 1)
    assert len(names) == 1 + 7  # 99 and 990 to 996
    assert opened.locator("#told").inner_text() == f"8 of {COUNT} shown"
    opened.fill("#find", "")
    opened.select_option("#state", "REJECTED")
    assert set(shown(opened, 0)) == {"rejected"}
    assert "No chain." in shown(opened, 1)[0]
    opened.fill("#find", "no such row")
    assert shown(opened, 0) == []
    assert opened.locator("#told").inner_text() == f"0 of {COUNT} shown"


def test_rows_are_chosen_and_sorted_by_the_verdict_on_their_structures(opened: Page) -> None:
    opened.locator("thead th", has_text="Checks").locator("button").click()
    found = shown(opened, CHECKS)
    assert list(dict.fromkeys(found)) == ["failed", "warnings", "passed", ""]
    opened.select_option("#checks", "failed")
    assert set(shown(opened, CHECKS)) == {"failed"}
    assert set(shown(opened, 0)) == {"succeeded"}
    assert len(shown(opened, 0)) == found.count("failed") > 100
    colour = "each => getComputedStyle(each.cells[0].firstElementChild).color"
    first = opened.locator("tbody tr:not([hidden])").first
    assert first.evaluate(colour) == "rgb(176, 0, 32)"
    opened.fill("#find", "is cis")
    assert shown(opened, 0) == []
    opened.select_option("#checks", "")
    assert set(shown(opened, CHECKS)) == {"warnings"}


def test_a_name_is_text_whatever_it_is(opened: Page) -> None:
    opened.fill("#find", "onerror")
    assert shown(opened, 1)[0].startswith("<img src=x onerror=alert(1)>")
    opened.fill("#find", "漢字")
    assert len(shown(opened, 1)) == 1


@pytest.mark.parametrize("window", LARGE_AND_SMALL)
def test_the_page_is_not_wider_than_the_window_and_pictures_are_drawn_late(
    browser: Browser, html: Path, window: str
) -> None:
    with open_in(browser, html, window) as page:
        keep(page, f"batch-{window}", whole=False)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.fill("#find", "protein_")
        page.select_option("#state", "SUCCEEDED")
        first = page.locator("tbody tr:not([hidden]) img").first
        first.scroll_into_view_if_needed()
        page.wait_for_function("(image) => image.naturalWidth === 1200", arg=first.element_handle())
        loaded = "[...document.images].filter((image) => image.complete && image.naturalWidth).length"
        assert 0 < page.evaluate(loaded) < COUNT / 2


def test_links_lead_to_files_beside_the_page(opened: Page, html: Path) -> None:
    row = opened.locator("tbody tr[data-state=SUCCEEDED]", has_text="protein_0.yaml")
    found = dict(
        row.locator("a").evaluate_all("all => all.map((a) => [a.innerText || 'picture', decodeURI(a.href)])")
    )
    assert found.keys() == {"picture", "report", "structure", "receipt"}
    assert all(link.startswith(f"file://{html.parent}/protein_0/") for link in found.values())
    assert Path(found["picture"].removeprefix("file://")).is_file()
