"""Files that cost intake more than others, in numbers: they end, and keep nobody."""

import pytest

from chaos.harness import Record, Scenario
from schemas.job import State

HOSTILE = 10
CHAINS = 2_200
RESIDUES = 800_000

pytestmark = pytest.mark.whole


def test_files_that_are_compared_with_themselves(scenario: Scenario, record: Record) -> None:
    """Ten files of 0.9 MB, whose many chains all name one alignment, arrive before a good one."""
    record("scenario", f"{HOSTILE} files of {CHAINS} chains with one alignment, then a good one")
    chains = "".join(f"- protein: {{id: C{number}, sequence: M, msa: a.a3m}}\n" for number in range(CHAINS))
    text = f"sequences:\n- protein: {{id: A, sequence: {'M' * RESIDUES}, msa: a.a3m}}\n{chains}"
    for number in range(HOSTILE):
        scenario.upload(f"{number}.yaml", f"# {number}\n{text}", ends={State.REJECTED})
    scenario.upload("good.yaml")
    scenario.conclude(record, sweeping=False)
