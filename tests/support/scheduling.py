"""Which tests run, which of them in one process, one after the other, and which first."""

from pathlib import Path, PurePosixPath

import pytest
from xdist.scheduler import LoadScopeScheduling

SHARING = ("tests/acceptance", "tests/chaos")
"""Folders whose tests share a stack, which is started once where one process has them all."""

LONGEST_FIRST = (
    *SHARING,
    "tests/integration",
    "tests/simulation",
    "tests/benchmarks",
    "tests/contract",
    "tests/unit",
)
"""What is short comes last, so that all processes end at about the same time."""


class ByStack(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no annotations
    """Gives a process whole files, and whole folders where their tests share a stack."""

    def _split_scope(self, nodeid: str) -> str:
        file = PurePosixPath(nodeid.partition("::")[0])
        return str(file.parent if str(file.parent) in SHARING else file)


def order(items: list[pytest.Item], root: Path) -> None:
    """Bring tests into the order in which processes take them; within a folder nothing changes."""
    ranks = {str(root / folder): rank for rank, folder in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: ranks.get(str(item.path.parent), len(ranks)))


def leave_out(items: list[pytest.Item], marker: str, config: pytest.Config) -> None:
    """Take the tests with a marker away."""
    left_out = [item for item in items if item.get_closest_marker(marker)]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)
