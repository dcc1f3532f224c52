"""Stacks to break, which scenarios run, and a line about each.

``make test-all`` runs those that are not marked ``whole``; ``--whole``, which is ``make chaos``, runs all.
"""

from collections.abc import Iterator

import pytest
from support.scheduling import leave_out
from support.stack import using

from chaos.harness import PAPER, REAL, Chaos, Record, Scenario, breaking

WIDTH = 64


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--whole", action="store_true", help="all scenarios, with a line about each")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--whole", False):
        leave_out(items, "whole", config)


def pytest_report_teststatus(report: pytest.TestReport, config: pytest.Config) -> tuple[str, str, str] | None:
    """Write a line where pytest writes a letter."""
    if not config.getoption("--whole", False) or report.when != "call":
        return None
    said = dict(report.user_properties)
    verdict = "ok    " if report.passed else "FAILED"
    line = f"{verdict} {said['scenario']:{WIDTH}} {said.get('found', '')}\n" if "scenario" in said else ""
    return report.outcome, line, line


@pytest.fixture
def paper(paper_stack: Chaos) -> Iterator[Chaos]:
    """Use it: clients of the test find it by the environment."""
    with using(paper_stack.stack.env):
        yield paper_stack


@pytest.fixture
def real(real_stack: Chaos) -> Iterator[Chaos]:
    """Use it: clients of the test find it by the environment."""
    with using(real_stack.stack.env):
        yield real_stack


@pytest.fixture(scope="package")
def paper_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chaos]:
    """Run a stack whose workers have no model but the product's leases, uploads and everything else."""
    with breaking(tmp_path_factory.mktemp("paper"), PAPER) as chaos:
        yield chaos


@pytest.fixture(scope="module")
def real_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chaos]:
    """Run a stack with the product's worker and the small model."""
    with breaking(tmp_path_factory.mktemp("real"), REAL) as chaos:
        chaos.workers = 0
        yield chaos


@pytest.fixture
def scenario(paper: Chaos) -> Iterator[Scenario]:
    """Begin a scenario; whoever is stopped at its end goes on."""
    scenario = paper.scenario()
    yield scenario
    scenario.resume()


@pytest.fixture
def record(record_property: Record) -> Record:
    return record_property
