"""What people do, and what happens to the platform meanwhile: drawn at random, then done in virtual time."""

from collections.abc import Callable, Mapping
from random import Random

from simulation.inputs import CONTENTS
from simulation.plan import Act, Choice, How, Scale
from simulation.product import Product

ACTS = {"upload": 20, "align": 4, "delete": 6, "cancel": 2, "leave": 1, "outage": 1, "forget": 1}
NAMES = ("a.yaml", "b.yaml", "s/c.yaml", "notes.txt")
ALIGNMENT = "x.a3m"
INPUTS = {
    "good": 4,
    "good too": 2,
    "long": 2,
    "unaligned": 4,
    "with an alignment": 4,
    "wrong": 1,
    "heavy": 0.2,
}
ALIGNMENTS = {"alignment": 2, "wrong alignment": 1}
GAPS = (0.0, 0.05, 0.2, 0.5, 2.0, 10.0, 40.0, 200.0, 600.0)
OUTAGES = (20.0, 300.0, 4500.0)
PARTS = (
    *("ledger", "inputs", "outputs", "requests", "completions", "arrivals", "workers"),
    *("alignments", "wanted", "MSA server"),
)
MOST_ACTS = 9
OFTEN, BURST = 0.08, 14
"""Overwrites of one object that come close together, at times: the ledger looks at ten generations."""


def scale(random: Random) -> Scale:
    """Draw the figures of a deployment."""
    return Scale(
        task_seconds=random.choice((3600.0, 3600.0, 740.0, 765.0, 800.0)),
        page=random.choice((200, 200, 2)),
        predict_seconds=random.choice((1.0, 10.0, 40.0)),
    )


def acts(random: Random) -> tuple[Act, ...]:
    """Draw what happens."""
    names = random.sample(NAMES, random.randint(1, 3))
    at, drawn = 0.0, list[Act]()
    for _ in range(random.randint(2, MOST_ACTS)):
        at += random.choice(GAPS)
        drawn.append(_act(random, at, names))
    if random.random() < OFTEN:
        name = random.choice(names)
        drawn += [
            Act(at + round(number * random.random(), 1), "upload", name, "good") for number in range(BURST)
        ]
    return tuple(sorted(drawn, key=lambda act: act.at))


def _act(random: Random, at: float, names: list[str]) -> Act:
    what, name = _one(random, ACTS), random.choice(names)
    match what:
        case "upload":
            return Act(at, what, name, _one(random, INPUTS))
        case "align":
            return Act(at, "upload", ALIGNMENT, _one(random, ALIGNMENTS))
        case "delete" | "cancel":
            return Act(at, what, random.choice((name, name, name, ALIGNMENT)))
        case "outage":
            return Act(at, what, random.choice(PARTS), seconds=random.choice(OUTAGES))
    return Act(at, what)


def _one(random: Random, odds: Mapping[str, float]) -> str:
    return random.choices(list(odds), list(odds.values()))[0]


class People:
    """Does what a plan says."""

    def __init__(self, product: Product) -> None:
        self._product, self._world = product, product.world
        self._do: Mapping[str, Callable[[Act], object]] = {
            "upload": lambda act: product.inputs.upload(act.name, act.detail, CONTENTS[act.detail].body),
            "delete": lambda act: product.inputs.delete(act.name),
            "cancel": lambda act: product.command.call(f"cancel {act.name}", act.name),
            "leave": lambda _: product.workers.leave(),
            "outage": self._break,
            "forget": lambda _: product.forget(),
        }

    def do(self, act: Act) -> None:
        """Do one thing now."""
        more = f" ({act.detail})" if act.detail else ""
        self._world.tell(f"* {act.what} {act.name}{more}")
        self._do[act.what](act)

    def _break(self, act: Act) -> None:
        self._world.note(Choice(How.OUT, act.seconds), act.name)
        self._world.fail(act.name, out=True)

        def mend() -> None:
            self._world.clockwork.park(act.seconds)
            self._world.fail(act.name, out=False)

        self._world.clockwork.spawn(self._world.clockwork.process("outage"), act.name, mend)
