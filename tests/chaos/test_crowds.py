"""Files that cost intake more than others, in numbers: they end, and keep nobody."""

import pytest

from benchmarks.hostile import CHAINS, document
from chaos.harness import Record, Scenario
from schemas.job import State

HOSTILE = 10

pytestmark = pytest.mark.whole


def test_files_that_are_compared_with_themselves(scenario: Scenario, record: Record) -> None:
    """Ten files of 0.9 MB, whose many chains all name one alignment, arrive before a good one."""
    record("scenario", f"{HOSTILE} files of {CHAINS} chains with one alignment, then a good one")
    for number in range(HOSTILE):
        scenario.upload(f"{number}.yaml", document(number), ends={State.REJECTED})
    scenario.upload("good.yaml")
    scenario.conclude(record, sweeping=False)
