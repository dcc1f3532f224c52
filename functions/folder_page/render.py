"""index.html of a folder: one file without network; links lead to what lies beside and below it."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from functions.folder_page.rows import ORDER, Row, in_order, verdict_rank

ASSETS = Path(__file__).with_name("assets")
SHOWN = 10_000
"""Most rows of a page; the CSV has all."""

BEFORE = (("State", "rank"), ("Input", "text"), ("Picture", None))
CHECKS = (("Checks", "rank"),)
FIGURES = (("Confidence", "number"), ("pTM", "number"), ("ipTM", "number"), ("pLDDT", "number"))
AFFINITY = (("Binder", "number"), ("log IC50", "number"))
AFTER = (("Tokens", "number"), ("Seconds", "number"), ("Ended", "text"))
"""Headings, and what a column is sorted as, if it is. Some columns are there where they have values."""

MEANINGS = {
    "Checks": "verdict on the best sample's structure",
    "Confidence": "Boltz-2's confidence in the best sample, 0 to 1",
    "pLDDT": "mean over all residues and atoms, 0 to 1",
    "Binder": "probability that the ligand binds",
    "log IC50": "log10 of IC50 in micromolar, if it binds: -3 is a nanomolar",
    "Tokens": "residues, and atoms of ligands",
    "Ended": "in UTC",
    "Seconds": "from the upload's arrival to its end",
}


def render(folder: str, rows: Sequence[Row], unfinished: str, open_count: int, at: datetime) -> str:
    """Return the page. ``unfinished`` says how many have not ended, ``open_count`` draws it."""
    ordered = in_order(row for row in rows if row.state)
    states = Counter(row.state for row in ordered)
    verdicts = Counter(row.checks for row in ordered if row.checks)
    affinities = any(row.log_ic50 is not None for row in ordered)
    return _template().render(
        folder=folder,
        rows=ordered[:SHOWN],
        shown=SHOWN,
        ended=len(ordered),
        unread=len(rows) - len(ordered),
        unfinished=unfinished,
        all=len(rows) + open_count,
        states=[(state, states[state]) for state in ORDER if states[state]],
        verdicts=sorted(verdicts.items(), key=lambda each: verdict_rank(each[0])),
        verdict_rank=verdict_rank,
        random_weights=any(row.random_weights for row in ordered),
        affinities=affinities,
        meanings=MEANINGS,
        columns=BEFORE + CHECKS * bool(verdicts) + FIGURES + AFFINITY * affinities + AFTER,
        at=at,
        assets={name: _asset(name) for name in ("page.js", "page.css")},
    )


@cache
def _template() -> Template:
    loader = FileSystemLoader(ASSETS)
    return Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).get_template("index.html.jinja")


@cache
def _asset(name: str) -> Markup:
    return Markup((ASSETS / name).read_text(encoding="utf-8"))  # noqa: S704  a file of this program
