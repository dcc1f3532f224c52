"""The sweep dies as it makes a folder's page; the next one's has a row for every upload all the same."""

import pytest

from chaos.faults import Fault, Moment
from chaos.harness import Record, Scenario
from chaos.steps import REPLACE_OBJECT
from functions.folder_page import rows


def told(scenario: Scenario) -> dict[str, str]:
    """Return the state of each name that the folder's table has."""
    table = scenario.chaos.outputs.get_blob(f"{scenario.folder}/summary.csv")
    found = rows.decode(table.download_as_bytes()) if table else []
    return {row.name: str(row.state) for row in found}


def shown(scenario: Scenario) -> int:
    """Count the rows of the folder's page."""
    page = scenario.chaos.outputs.get_blob(f"{scenario.folder}/index.html")
    return page.download_as_text().count("<tr data-state=") if page else 0


@pytest.mark.whole
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("name", ["summary.csv", "index.html"])
def test_killed_as_it_makes_a_page(scenario: Scenario, record: Record, name: str, moment: Moment) -> None:
    """The sweep is killed before or after it writes a page's table, or the page itself."""
    record("scenario", f"killed {moment} it writes {name}")
    uploads = [scenario.upload(f"{number}.yaml") for number in range(3)]
    scenario.arm(Fault(REPLACE_OBJECT, moment, "on_sweep", f"{scenario.folder}/{name}"))
    scenario.conclude(record)
    scenario.pass_time(lambda: shown(scenario) == len(told(scenario)) == len(uploads))
    assert told(scenario) == {upload.name: "SUCCEEDED" for upload in uploads}
    assert shown(scenario) == len(uploads)
