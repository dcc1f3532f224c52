"""Rows, table and page of a folder; test_batch_page.py looks at the page in a browser."""

import contextlib
import csv
import io
import re
from datetime import timedelta
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fakes import NOW
from support.html import Elements
from support.receipts import an_end, written

from functions.folder_page import render as page
from functions.folder_page import rows
from functions.folder_page.rows import Row
from schemas.job import Job, State
from schemas.receipt import Receipt

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7 * 7 }}&amp;"


def a_row(job: Job, folder: str = "run42/") -> Row:
    name, body = written(job)
    return Row.of(name.removeprefix(folder), Receipt.model_validate_json(body))


def html(*some: Row, folder: str = "run42/", to_come: int = 0) -> str:
    return page.render(folder, some, str(to_come), to_come, NOW)


def test_a_row_says_what_the_receipt_says_and_where_its_files_lie() -> None:
    row = a_row(an_end())
    where = f"foo/{row.job_id}/"
    assert (row.state, row.name, row.confidence, row.seconds) == (
        State.SUCCEEDED,
        "run42/foo.yaml",
        0.8,
        5.0,
    )
    assert (row.report, row.structure, row.picture, row.receipt) == tuple(
        where + name for name in ("report.html", "model_0.cif", "summary.png", "receipt.json")
    )
    failed = a_row(an_end(state=State.FAILED))
    assert (failed.code, failed.message, failed.report) == ("OUT_OF_MEMORY", "It does not fit.", None)


def test_failures_come_first_then_names_then_the_newest() -> None:
    ends = [
        an_end("run42/b.yaml"),
        an_end("run42/a.yaml", State.SUPERSEDED),
        an_end("run42/a.yaml", after=1, job_id="1" * 16),
        an_end("run42/a.yaml", after=9, job_id="2" * 16),
        an_end("run42/d.yaml", State.REJECTED),
        an_end("run42/c.yaml", State.FAILED),
    ]
    found = [(row.state, row.name[-6]) for row in rows.in_order(map(a_row, ends))]
    assert found[:2] == [(State.FAILED, "c"), (State.REJECTED, "d")]
    assert found[2:] == [(State.SUCCEEDED, name) for name in "aab"] + [(State.SUPERSEDED, "a")]
    newest = [row.job_id[0] for row in rows.in_order(map(a_row, ends)) if row.job_id[0] in "12"]
    assert newest[:2] == ["2", "1"]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(
    st.lists(
        st.builds(
            Row,
            receipt=texts.filter(bool),
            job_id=st.just("0" * 16),
            state=st.none() | st.sampled_from([state for state in State if state.terminal]),
            name=texts,
            log_ic50=st.none() | st.floats(-20, 20),
            random_weights=st.none() | st.booleans(),
            tokens=st.none() | st.integers(1, 10**6),
            finished_at=st.none() | st.datetimes().map(lambda at: NOW.replace(year=at.year)),
            message=st.none() | texts.filter(bool),
        ),
        max_size=5,
    )
)
def test_the_table_remembers_every_row(some: list[Row]) -> None:
    assert rows.decode(rows.encode(some)) == some


@pytest.mark.parametrize("name", ["=1+1.yaml", "+a.yaml", "-a.yaml", "@SUM(A1).yaml", "\ta.yaml", "'a.yaml"])
def test_a_name_is_no_formula(name: str) -> None:
    row = a_row(an_end()).model_copy(update={"name": name})
    [line] = csv.DictReader(io.StringIO(rows.encode([row]).decode(), newline=""))
    assert line["name"] == f"'{name}"
    assert rows.decode(rows.encode([row]))[0].name == name


@pytest.mark.parametrize(
    "content", [b"", b"a,b\r\n1,2\r\n", b"\xff", rows.encode([]) + b'"half', rows.encode([]) + b"1,2\r\n"]
)
def test_a_table_that_is_not_ours_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  whatever it is that is wrong
        rows.decode(content)


@given(st.text(st.characters(exclude_categories=["Cs"])).map(str.encode) | st.binary())
def test_whatever_follows_the_columns_is_read_or_refused(content: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert all(row.receipt and row.job_id for row in rows.decode(rows.encode([]) + content))


def test_the_page_is_whole_and_asks_for_nothing_but_its_own_files() -> None:
    found = Elements(html(a_row(an_end()), a_row(an_end("run42/bar.yaml", State.FAILED)), to_come=2))
    links = {*found.all("a", "href"), *found.all("img", "src"), *found.all("link", "href")}
    assert not [link for link in links if re.match(r"[a-z]+:|/", link) and not link.startswith("data:")]
    assert found.all("script", "src") == []
    assert found.all("progress", "max") == ["4"]
    [alt] = found.all("img", "alt")
    assert alt == "Structure and scores of run42/foo.yaml, confidence 0.800, random weights"


@pytest.mark.parametrize(
    "name", [f"run42/{EVIL}.yaml", "run42/a:b c?d#e%2F ä漢.yaml", f"run42/{'x' * 1000}.yaml"]
)
def test_a_name_is_text_and_its_links_lead_to_its_files(name: str) -> None:
    row = a_row(an_end(name))
    content = html(row)
    found = Elements(content)
    assert len(found.all("tr", "id")) == 1
    assert [tag for tag, _ in found.elements if tag in {"script", "img"}] == ["img", "script"]
    assert "alert(1)</" not in content
    hrefs = found.all("a", "href")
    assert not any(set(href) & set(":?#<\"' ") for href in hrefs)
    assert row.receipt in {unquote(href) for href in hrefs}


def test_affinities_have_columns_where_there_are_any() -> None:
    without, bound = a_row(an_end()), a_row(an_end("run42/bar.yaml"))
    assert "log IC50" not in html(without)
    bound = bound.model_copy(update={"log_ic50": -1.5, "binder_probability": 0.25})
    both = html(without, bound)
    assert '<td data-value="0.25">0.250</td><td data-value="-1.5">-1.50</td>' in both
    heads, cells = both.partition("</thead>")[0].count("<th "), both.partition("<tbody>")[2]
    assert {row.count("<td") + row.count("<th") for row in cells.split("<tr ")[1:]} == {heads}


def test_an_evil_reason_and_folder_are_text_too() -> None:
    row = a_row(an_end(f"{EVIL}/foo.yaml", State.FAILED), f"{EVIL}/")
    content = html(row.model_copy(update={"message": EVIL, "remedy": EVIL}), folder=f"{EVIL}/")
    assert [tag for tag, _ in Elements(content).elements if tag in {"script", "img"}] == ["script"]


def test_random_weights_real_ones_and_what_is_not_read_are_told_apart() -> None:
    real = a_row(an_end()).model_copy(update={"random_weights": False})
    assert "Random weights" not in html(real)
    assert "Random weights" in html(real, a_row(an_end("run42/bar.yaml")))
    assert "1 receipts are not read yet" in html(real, Row.unread("bar/0123456789abcdef/receipt.json"))


def test_a_page_shows_so_many_rows_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "SHOWN", 3)
    some = [a_row(an_end(f"run42/{number}.yaml")) for number in range(5)]
    content = html(*some)
    assert len(Elements(content).all("tr", "id")) == 3
    assert "the first 3 of 5 files" in content


def test_a_thousand_rows_are_a_page_of_a_megabyte_or_two() -> None:
    some = [a_row(an_end(f"run42/{number}.yaml", after=number)) for number in range(1000)]
    assert len(html(*some)) < 2_000_000
    assert some[-1].seconds == timedelta(seconds=999).total_seconds()
