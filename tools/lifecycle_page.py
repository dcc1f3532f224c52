"""Draw the lifecycle from its table: ``python -m tools.lifecycle_page > docs/lifecycle.md``."""

from collections.abc import Iterator

from jobs.lifecycle import BEGINNINGS, ENTERING, TABLE, Trigger

HEAD = """# How a job moves

Drawn by `python -m tools.lifecycle_page > docs/lifecycle.md` from the table in `jobs/lifecycle.py`; a test
compares the two.
"""


def page() -> str:
    """Return the page: a Mermaid state diagram, and the effects of entering each state."""
    drawing = "\n".join(["```mermaid", "stateDiagram-v2", *_arrows(), "```"])
    follows = "\n".join(["| State | What must follow the arrival |", "|---|---|", *_follows()])
    return f"{HEAD}\n{drawing}\n\n{follows}\n"


def _arrows() -> Iterator[str]:
    for state in BEGINNINGS:
        yield f"    [*] --> {state}: {Trigger.TAKEN_IN}"
    for state, ways in TABLE.items():
        for event, after in ways.items():
            yield f"    {state} --> {after}: {event}"
        if state.terminal:
            yield f"    {state} --> [*]"


def _follows() -> Iterator[str]:
    for state in TABLE:
        effects = ", ".join(ENTERING.get(state, ()))
        yield f"| {state} | {effects or 'nothing'} |"


if __name__ == "__main__":
    print(page(), end="")
