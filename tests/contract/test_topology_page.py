from pathlib import Path

from local import topology
from tools import topology_page

PAGE = Path(__file__).parents[2] / "docs" / "topology.md"


def test_the_page_is_what_the_topology_says() -> None:
    # Breaks when eventarc/topology.yaml changed: run `make schemas`.
    assert PAGE.read_text() == topology_page.page()


def test_everything_that_is_connected_is_drawn() -> None:
    known, text = topology.load(), topology_page.page()
    assert all(f"-->|{name}" in text for name in [*known.subscriptions, *known.triggers, *known.schedules])
    assert all(f" {name}([{name}])" in text for name in known.topics)
    assert all(f"| {function}\n" in text for function in known.functions)
