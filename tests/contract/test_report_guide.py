"""docs/report.md has every column of summary.csv, and names parts of the report as the report does."""

import re
from pathlib import Path

from functions.folder_page.rows import COLUMNS
from worker.report.page import ASSETS
from worker.report.verdict import LISTED

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "report.md").read_text()
REPORT = (ASSETS / "report.html.jinja").read_text()


def test_every_column_of_the_table_is_explained_in_its_place() -> None:
    _, _, table = PAGE.partition("<!-- columns -->\n")
    firsts = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(firsts))) == sorted(COLUMNS)


def test_every_part_of_the_report_is_explained_by_its_title() -> None:
    table = PAGE.partition("## The report")[2].partition("## Scores")[0]
    _, *parts = re.findall(r"^\| (.*?) \|", table, re.MULTILINE)
    _, *titles = re.findall(r'<h2 id="\w+-title">(.*?)</h2>', REPORT)  # without the verdict
    assert sorted(", ".join(parts).split(", ")) == sorted(re.sub(r",? ?<.*", "", title) for title in titles)


def test_so_many_findings_are_listed() -> None:
    assert f"the first {LISTED} findings" in PAGE
