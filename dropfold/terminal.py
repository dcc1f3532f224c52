"""Output: results to standard output, progress and errors to standard error.

Rich leaves colours out if NO_COLOR is set, and animation without a terminal. A table is then lines of values
with tabs between them.
"""

from collections.abc import Iterable, Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.failure import Failure
from schemas.job import State

OUT = Console(highlight=False, emoji=False, markup=False, soft_wrap=True)
ERR = Console(highlight=False, emoji=False, markup=False, soft_wrap=True, stderr=True)

COLOURS = {
    State.SUCCEEDED: "green",
    State.FAILED: "red",
    State.REJECTED: "yellow",
    State.RUNNING: "cyan",
    State.ALIGNING: "magenta",
}


def clean(text: object) -> str:
    """Return a text of others without control characters, which a terminal would obey."""
    return "".join(letter if letter.isprintable() else "�" for letter in str(text))


def say(*words: object) -> None:
    """Write a line of results; above the progress if both are on the same terminal."""
    console = ERR if OUT.is_terminal and ERR.is_terminal else OUT
    console.print("  ".join(clean(word) for word in words))


def tell(text: str, style: str = "") -> None:
    """Write a line to standard error."""
    ERR.print(clean(text), style=style)


def complain(failures: Iterable[Failure]) -> None:
    """Write failures to standard error, with their remedies."""
    for failure in failures:
        where = f" ({clean(failure.field)})" if failure.field else ""
        line = Text.assemble(
            (failure.code, "yellow"), " ", clean(failure.message), where, " ", (clean(failure.remedy), "dim")
        )
        ERR.print(line)


def write(text: str) -> None:
    """Write a text for programs, as it is."""
    click.echo(text)


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table: aligned on a terminal, else with tabs and without heads."""
    if not OUT.is_terminal:
        for row in rows:
            write("\t".join(map(_plain, row)))
        return
    drawn = Table(*heads, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for row in rows:
        drawn.add_row(*map(_cell, row))
    OUT.print(drawn, soft_wrap=False)


def _plain(value: object) -> str:
    return "" if value is None else clean(value)


def _cell(value: object) -> Text:
    style = COLOURS.get(value, "") if isinstance(value, State) else ""
    return Text(_plain(value), style, overflow="fold")
