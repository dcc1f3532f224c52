"""Schedules drawn by chance end as they have to; defects that were mended are found if they are put back."""

from collections.abc import Iterator

import pytest

from simulation.defects import DEFECTS, put_back
from simulation.known import unknown
from simulation.plan import Act, Plan
from simulation.schedule import drawn, written
from simulation.search import failing, simulating
from simulation.shrink import shrunk

USUALLY, ALL = range(1_000), range(1_000, 20_000)
PARTS = 20


@pytest.fixture(autouse=True, scope="module")
def _in_virtual_time() -> Iterator[None]:
    with simulating():
        yield


def parts(seeds: range) -> list[range]:
    """Split seeds, so that a test's name tells where one failed."""
    size = len(seeds) // PARTS
    return [range(first, first + size) for first in seeds[::size]]


@pytest.mark.parametrize(
    "seeds", [*parts(USUALLY), *(pytest.param(part, marks=pytest.mark.extra) for part in parts(ALL))], ids=str
)
def test_every_upload_ends_right_whatever_happens(seeds: range) -> None:
    wrong = [(seed, unknown(problems)) for seed, problems in failing(seeds)]
    assert not [f"python -m simulation {seed}: {each}" for seed, found in wrong for each in found]


@pytest.mark.extra
@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_that_is_put_back_is_found(name: str) -> None:
    with put_back(name):
        found = (each.kind for _, problems in failing(range(20_000)) for each in problems)
        assert next((kind for kind in found if kind in DEFECTS[name].kinds), None)


@pytest.mark.parametrize("seed", range(5))
def test_a_seed_is_the_same_schedule_each_time_and_its_plan_brings_it_about_again(seed: int) -> None:
    first, second = drawn(seed), drawn(seed)
    assert first == second
    assert written(first.plan).problems == first.problems


def test_a_plan_is_made_short_as_long_as_it_shows_the_problem() -> None:
    acts = tuple(
        Act(float(at), "upload", name, "good") for at, name in enumerate(("a.yaml", "b.yaml", "c.yaml"))
    )
    plan = Plan(acts)

    def shows(fewer: Plan) -> bool:
        return any(act.name == "b.yaml" for act in fewer.acts)

    assert [act.name for act in shrunk(plan, shows).acts] == ["b.yaml"]
