"""The page of a prediction in a real browser, without network: it opens, draws, and answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from integration.browser import WINDOWS, keep, launched, needed
from integration.browser import opened as open_in
from PIL import Image
from playwright.sync_api import Browser, Page
from support.predictions import a_prediction

from worker.report import page as report

WHITE = 250

pytestmark = needed


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as running:
        yield running


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    prediction = a_prediction(folder, length=40, samples=2, name=f"run42/{'long_' * 30}name.yaml")
    report.write(prediction, folder / "report.html")
    return folder / "report.html"


@contextmanager
def ready(browser: Browser, html: Path, window: str = "desktop") -> Iterator[Page]:
    """Open the page, and wait until it shows the first sample."""
    with open_in(browser, html, window) as page:
        page.wait_for_selector("body[data-shown='0']")
        yield page


@pytest.fixture
def opened(browser: Browser, html: Path) -> Iterator[Page]:
    with ready(browser, html) as page:
        yield page


def drawn(page: Page, selector: str, folder: Path) -> int:
    """Count the pixels of an element that are not white."""
    page.locator(selector).screenshot(path=folder / "shot.png")
    pixels = np.asarray(Image.open(folder / "shot.png").convert("RGB"))
    return int((pixels[3:-3, 3:-3].min(axis=2) < WHITE).sum())  # without the frame


@pytest.mark.parametrize("window", WINDOWS)
def test_the_structure_and_both_plots_are_drawn_and_no_wider_than_the_window(
    browser: Browser, html: Path, tmp_path: Path, window: str
) -> None:
    with ready(browser, html, window) as page:
        keep(page, f"report-{window}")
        for selector, least in (("#viewer canvas", 2000), ("#plddt svg", 1000), ("#pae", 20_000)):
            assert drawn(page, selector, tmp_path) > least
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_hiding_all_chains_leaves_nothing_in_the_viewer(opened: Page, tmp_path: Path) -> None:
    before = drawn(opened, "#viewer canvas", tmp_path)
    for box in opened.locator("#chains input").all():
        box.uncheck()
    assert drawn(opened, "#viewer canvas", tmp_path) < before / 10


def test_another_sample_is_shown_with_its_own_map(opened: Page) -> None:
    map_of = "document.getElementById('pae').toDataURL()"
    first = opened.evaluate(map_of)
    opened.select_option("#sample", "1")
    opened.wait_for_selector("body[data-shown='1']")
    assert opened.evaluate(map_of) != first
    assert opened.locator("#pairs-of").inner_text() == "sample 2"
    assert opened.locator("table.pairs:visible").count() == 1


def test_pointing_and_arrow_keys_tell_residues_and_values(opened: Page) -> None:
    opened.locator("#plddt").hover()
    assert "pLDDT 80.0" in opened.locator("#plddt-at").inner_text()
    opened.locator("#pae").hover(position={"x": 3, "y": 3})
    assert opened.locator("#pae-at").inner_text().startswith("A ALA 1 → A ALA 1: ")
    opened.locator("#pae").press("ArrowRight")
    assert "A ALA 1 → A ALA 2: " in opened.locator("#pae-at").inner_text()


def test_a_picked_atom_is_named(opened: Page) -> None:
    opened.select_option("#style", "spheres")
    box = opened.locator("#viewer").bounding_box()
    assert box
    spots = [(x, y) for x in range(35, 66, 3) for y in range(35, 66, 3)]  # percent, until an atom is hit
    for x, y in spots:
        opened.locator("#viewer").click(position={"x": box["width"] * x / 100, "y": box["height"] * y / 100})
        if opened.locator("#picked").inner_text().startswith("Chain"):
            break
    assert "pLDDT 80.0" in opened.locator("#picked").inner_text()
