"""The page of a prediction in a real browser, without network: it opens, draws, and answers."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from integration.browser import LARGE_AND_SMALL, keep, launched, needed
from integration.browser import opened as open_in
from PIL import Image
from playwright.sync_api import Browser, Page
from support.inputs import one_protein
from support.predictions import a_prediction
from support.verdicts import ALONE, CIS, FLAT, a_sample, checked

from worker.report import page as report

WHITE = 250
LONE_ION = ALONE.model_copy(update={"chain": "M"})
SEQUENCES = f"{one_protein('A' * 40)}- ligand: {{id: L, smiles: CCO}}\n- ligand: {{id: M, ccd: MG}}\n"

pytestmark = needed


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as running:
        yield running


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    name = f"run42/{'long_' * 30}name.yaml"
    prediction = a_prediction(folder, sequences=SEQUENCES, samples=2, name=name)
    samples = [a_sample(0, FLAT, LONE_ION, CIS, boltz_rank=1), a_sample(1, FLAT, boltz_rank=0)]
    report.write(checked(prediction, samples), folder / "report.html")
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


@pytest.mark.parametrize("window", LARGE_AND_SMALL)
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
    assert set(opened.locator(".sample-shown").all_inner_texts()) == {"sample 2"}
    assert opened.locator("table.interfaces:visible").count() == 1
    assert opened.locator(".outliers:visible li").count() == 1
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


def marked(page: Page, folder: Path) -> int:
    """Count the pixels of the viewer that are purple, which the ball at a place is and nothing else."""
    page.locator("#viewer canvas").screenshot(path=folder / "shot.png")
    red, green, blue = np.moveaxis(
        np.asarray(Image.open(folder / "shot.png").convert("RGB"), dtype=int), 2, 0
    )
    return int(((red - green > 40) & (blue > green)).sum())


def test_a_reason_shows_its_atom_and_reset_the_whole_again(opened: Page, tmp_path: Path) -> None:
    assert marked(opened, tmp_path) == 0
    whole = drawn(opened, "#viewer canvas", tmp_path)
    button = opened.locator(".verdict button").first
    button.focus()
    opened.keyboard.press("Enter")
    assert opened.locator("#picked").inner_text() == FLAT.what
    assert marked(opened, tmp_path) > 100
    assert drawn(opened, "#viewer canvas", tmp_path) != whole
    keep(opened, "report-place", whole=False)
    opened.locator("#reset").click()
    assert marked(opened, tmp_path) == 0


def test_a_place_is_shown_in_its_own_sample_and_its_hidden_chain_comes_back(
    opened: Page, tmp_path: Path
) -> None:
    opened.select_option("#sample", "1")
    opened.wait_for_selector("body[data-shown='1']")
    chain = opened.locator("#chains input[value=M]")
    chain.uncheck()
    opened.locator(".verdict button").nth(1).click()
    opened.wait_for_selector("body[data-shown='0']")
    assert opened.locator("#sample").input_value() == "0"
    opened.wait_for_function("text => document.getElementById('picked').textContent === text", arg=ALONE.what)
    assert chain.is_checked()
    assert marked(opened, tmp_path) > 100  # with nothing near it


def test_every_button_says_what_it_shows_and_every_table_what_it_is_of(opened: Page) -> None:
    names = "each.ariaLabel || each.caption?.textContent || each.getAttribute('aria-labelledby')"
    named = f"all => all.map((each) => {names})"
    assert all(opened.locator("button.show").evaluate_all(named))
    assert all(opened.locator("table.checks, table.constraints, table.interfaces").evaluate_all(named))
    labels = "all => all.flatMap((each) => each.getAttribute('aria-labelledby').split(' '))"
    for label in opened.locator("[aria-labelledby]").evaluate_all(labels):
        assert opened.locator(f"[id='{label}']").count() == 1


def contrast(page: Page, selector: str) -> float:
    """Return the contrast of an element's text, as WCAG 2 defines it; behind it is a colour, or white."""
    colours = page.locator(selector).first.evaluate(
        "each => [getComputedStyle(each).color, getComputedStyle(each).backgroundColor]"
    )
    ink, paper = (luminance(colour) for colour in colours)
    return (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05)


def luminance(css: str) -> float:
    """Return the relative luminance of ``rgb(r, g, b)`` or ``rgba(r, g, b, a)``; what is clear is white."""
    red, green, blue, *alpha = (float(part) for part in re.findall(r"[\d.]+", css))
    if alpha == [0]:
        return 1.0
    shares = np.array((red, green, blue)) / 255
    linear = np.where(shares <= 0.03928, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


@pytest.mark.parametrize(
    "verdict",
    ["failed", *(pytest.param(v, marks=pytest.mark.extra) for v in ("passed", "warnings", "unchecked"))],
)
def test_a_verdict_can_be_read_on_its_colour(opened: Page, verdict: str) -> None:
    opened.locator("section.verdict").evaluate(
        "(each, name) => { each.className = `verdict ${name}`; }", verdict
    )
    assert contrast(opened, ".verdict h2") >= 4.5
    opened.locator("table.checks td").first.evaluate("(each, name) => { each.className = name; }", verdict)
    assert contrast(opened, "table.checks td") >= 4.5
