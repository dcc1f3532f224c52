"""Checks of a project as a table: what was looked at, what was found, and what to do."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from rich.text import Text

from dropfold.terminal import OUT, clean
from schemas.finding import Finding, Outcome

UNREACHED = "see whether the network, or for a local stack `make up`, is there"
SHOWN = {Outcome.OK: ("ok", "green"), Outcome.UNKNOWN: ("not checked here", "yellow")}


class Check(NamedTuple):
    """One line: the name of a check, the check, the remedy, and that where nobody answers."""

    name: str
    look: Callable[[], Finding]
    remedy: str
    unreached: str = UNREACHED


def told(checks: Iterable[Check]) -> int:
    """Print a line for each check as it is made; return how many found something wrong."""
    wrong = 0
    for check in checks:
        finding = check.look()
        wrong += finding.found not in SHOWN
        OUT.print(_line(check, finding))
    return wrong


def _line(check: Check, finding: Finding) -> Text:
    word, colour = SHOWN.get(finding.found, (str(finding.found), "red"))
    detail = f": {clean(finding.detail)}" if finding.detail else ""
    remedy = check.unreached if finding.found is Outcome.SILENT else check.remedy
    to_do = "" if finding.found in SHOWN else f". To do: {remedy}"
    return Text.assemble((f"{word:<16}", colour), f"  {check.name}{detail}{to_do}")
