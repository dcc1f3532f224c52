from pathlib import Path

from jobs import lifecycle
from schemas.job import State
from tools import lifecycle_page

PAGE = Path(__file__).parents[2] / "docs" / "lifecycle.md"


def test_the_page_is_what_the_table_says() -> None:
    # Breaks when jobs/lifecycle.py changed: run `python -m tools.lifecycle_page > docs/lifecycle.md`.
    assert PAGE.read_text() == lifecycle_page.page()


def test_every_move_and_every_state_is_drawn() -> None:
    text = lifecycle_page.page()
    for state, ways in lifecycle.TABLE.items():
        for event, after in ways.items():
            assert f"{state} --> {after}: {event}\n" in text
    assert all(f"\n| {state} | " in text for state in State)
