"""One schedule from its beginning until nothing is left to happen, and what is wrong then."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from simulation import people
from simulation.chance import Chance, Drawn, Written
from simulation.model import Aftermath, Problem
from simulation.people import People
from simulation.plan import Plan
from simulation.product import Product, connections
from simulation.stand_ins import running
from simulation.story import Story
from simulation.world import World

HEALS_AFTER = 400.0
"""Seconds after the last act from which everything goes as usual."""

IN_MEMORY = "/dev/shm"  # noqa: S108  a folder of its own is made in it

REST = 6 * 3600.0
"""Seconds between two sweeps or comparisons where all that is left is an input that waits for a file."""

GIVEN_UP_AFTER = 3 * 24 * 3600.0
"""Seconds after which what is still not settled waits for ever."""


@dataclass(frozen=True)
class Outcome:
    """A schedule as it went: the plan that brings it about again, and what is wrong with its end."""

    plan: Plan
    problems: tuple[Problem, ...]


def drawn(seed: int) -> Outcome:
    """Run the schedule of a seed."""
    random = Random(seed)  # noqa: S311  no secret
    plan = Plan(people.acts(random), scale=people.scale(random))
    chance = Drawn(random)
    found = _run(plan, chance, Story())
    return Outcome(Plan(plan.acts, chance.choices, plan.scale), found)


def written(plan: Plan, story: Story | None = None) -> Outcome:
    """Run a plan."""
    return Outcome(plan, _run(plan, Written(plan), story or Story()))


def _run(plan: Plan, chance: Chance, story: Story) -> tuple[Problem, ...]:
    world = World(chance, plan.scale, story)
    with TemporaryDirectory(prefix="simulation-", dir=IN_MEMORY) as folder, running(world.clockwork):
        product = Product(world, Path(folder))
        heals_at = max((act.at + act.seconds for act in plan.acts), default=0.0) + HEALS_AFTER
        for name, line in {
            "people": _people(plan, product),
            "sweep": _sweep(product, heals_at),
            "compare": _compare(product, heals_at),
        }.items():
            _spawn(world, name, line)
        world.clockwork.run()
        left = Aftermath(world.facts, product.ledger, product.outputs, product.completions.messages)
        found = tuple(left.problems())
    for problem in found:
        world.tell(f"# {problem}")
    return found


def _spawn(world: World, name: str, line: Iterator[float]) -> None:
    """Run a line of the story that says how long it waits."""

    def run() -> None:
        for seconds in line:
            world.clockwork.park(seconds)

    world.clockwork.spawn(world.clockwork.process(name), name, run)


def _people(plan: Plan, product: Product) -> Iterator[float]:
    doing = People(product)
    for act in sorted(plan.acts, key=lambda act: act.at):
        yield max(0.0, act.at - product.world.clockwork.now)
        doing.do(act)


def _sweep(product: Product, heals_at: float) -> Iterator[float]:
    """Call the sweep at its times, but not while it would find nothing: that takes half of all time."""
    clockwork, every = product.world.clockwork, connections().schedules["sweep"].every
    while True:
        yield REST if clockwork.now > heals_at and product.rests else every
        if clockwork.now > heals_at or not product.rests:
            product.sweep.call(f"at {clockwork.now:.0f} s")


def _compare(product: Product, heals_at: float) -> Iterator[float]:
    """Call the comparison at its times; end the story where one after all mishaps left nothing to happen."""
    world, every = product.world, connections().schedules["compare"].every
    healed = False
    while not (healed and product.settled) and world.clockwork.now < heals_at + GIVEN_UP_AFTER:
        yield REST if healed and product.rests else every
        if not healed and world.clockwork.now > heals_at:
            world.heal()
            healed = True
        compared = product.compare.call(f"at {world.clockwork.now:.0f} s")
        if healed:
            compared.ended.wait()
    world.clockwork.stopped = True
