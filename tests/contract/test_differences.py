"""docs/performance.md lists what is done otherwise than Boltz does it, each with a test that is there."""

import re

from support.plan import ROOT

PAGE = (ROOT / "docs/performance.md").read_text()
MARK = "What is done otherwise than `boltz predict` does it, on purpose:"


def test_each_difference_has_its_reason_and_a_test() -> None:
    table = PAGE.partition(MARK)[2].split("\n\n")[1].splitlines()[2:]
    assert len(table) > 5
    for row in table:
        what, why, where, tests = (cell.strip() for cell in row.strip("|").split("|"))
        assert what
        assert why
        assert where
        names = re.findall(r"`([\w/]+\.py)`", tests)
        assert names
        for name in names:
            path = name if "/" in name else f"tests/integration/{name}"
            assert (ROOT / path).is_file(), name
