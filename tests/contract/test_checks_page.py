"""docs/checks.md against the limits that are checked, and the molecules that checks need."""

from pathlib import Path

import pytest
from support.structures import components

from inputs.ccd import component
from inputs.grammar import BoltzInput
from schemas.checks import MAX_INTERFACES, MAX_OUTLIERS, Interface, Verdict
from worker.checks.elements import IS_METAL
from worker.checks.limits import LIMITS
from worker.checks.molecules import Molecules

PAGE = (Path(__file__).parents[2] / "docs" / "checks.md").read_text()
ROWS = {
    row.split(" | ")[0]: row for row in (line.strip("| ") for line in PAGE.splitlines() if line[:1] == "|")
}


def test_the_page_has_the_limits_that_are_checked() -> None:
    table = PAGE.partition("| Check |")[2].partition("\n\n")[0].splitlines()[2:]
    expected = [(f"`{limit.check}`", *(part or "never" for part in limit[1:])) for limit in LIMITS]
    assert [tuple(row.strip("| ").split(" | ")) for row in table] == expected


def test_the_page_has_all_verdicts_and_scores() -> None:
    assert [f"`{verdict}`" for verdict in Verdict if f"`{verdict}`" not in ROWS] == []
    scores = set(Interface.model_fields) - {"chains"}
    assert {name for name in scores if not any(f"`{name}`" in key for key in ROWS)} == set()


def test_the_page_has_the_bounds_of_what_is_kept() -> None:
    assert f"up to {MAX_OUTLIERS:,} outliers" in PAGE
    assert f"at most {MAX_INTERFACES} pairs" in PAGE


@pytest.mark.parametrize("code", sorted(path.stem for path in components().glob("*.pkl")))
def test_every_bond_of_a_component_can_be_checked(code: str) -> None:
    document = BoltzInput.model_validate({"sequences": [{"ligand": {"id": "L", "ccd": code}}]})
    molecules = Molecules(document, Path("none"), components())
    template = molecules.template(document.sequences[0].molecule, 1)
    metal = IS_METAL[template.elements[template.edges]].any(axis=1)
    assert set(template.names) == set(component(code).names)
    assert len(template.bonds.pairs) == (~metal).sum()
    assert (template.bonds.low < template.bonds.high).all()
