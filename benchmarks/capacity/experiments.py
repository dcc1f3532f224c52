"""The runs that the page is made of, and the file of their results."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from benchmarks.capacity import cost, figures, load
from benchmarks.capacity.figures import HERE, Times, Warm
from benchmarks.capacity.fleet import Fleet, Scene
from benchmarks.capacity.one_per_file import OnePerFile
from benchmarks.capacity.record import End, Outcome
from benchmarks.capacity.service import Scale, Service
from benchmarks.capacity.warm import WarmWorkers

SEED = 1
RESULTS = HERE / "results.json"

RUNTIME, ALWAYS_ON, MIN_0, MIN_0_MANY, ONE_PER_FILE, WARM = (
    "runtime install",
    "service, always on",
    "service, min 0",
    "service, min 0, all GPUs",
    "one execution per file",
    "warm workers",
)

LOADS = ((10, 26, 3), (100, 4, 3), (1000, 1, 3), (1000, 1, 12))
"""Users, weeks that are simulated, L4s (the default quota, and one that was raised)."""

SWEPT: Mapping[str, Sequence[float]] = {
    "jobs_per_worker": (1, 2, 5, 10, 20, 50, 100),
    "max_workers": (1, 2, 3, 6, 12, 24),
    "idle_seconds": (10, 30, 60, 120, 300, 600),
}
SWEPT_LOADS = ((100, 2), (1000, 1))
FACTORS = (0.5, 1, 2, 4)
BATCH = 200
MOST_DELIVERIES = 100
"""Largest number of delivery attempts before the dead letter that Pub/Sub allows."""


class Results(BaseModel):
    """Content of results.json, from which page and plots are made."""

    model_config = ConfigDict(frozen=True)

    seed: int
    cases: list["Case"]
    impatient: "Case"
    batches: dict[str, list[float]]
    points: list["Point"]
    slower: list["Point"]


class Case(BaseModel):
    """An architecture under a load; cost in USD per month by part."""

    model_config = ConfigDict(frozen=True)

    architecture: str
    users: int
    weeks: int
    gpus: int
    outcome: Outcome
    cost: dict[str, float]

    @property
    def monthly(self) -> float:
        """USD per month."""
        return sum(self.cost.values())

    @property
    def undone(self) -> float:
        """Share of the files that got no result."""
        return 1 - self.outcome.ends[End.SUCCEEDED] / self.outcome.files

    @property
    def queue_grows(self) -> bool:
        """Whether files come faster than they are done and wait, rather than being refused."""
        return self.outcome.overloaded and self.architecture in {RUNTIME, ONE_PER_FILE, WARM}

    @property
    def per_thousand(self) -> float:
        """USD per thousand files that got a result."""
        return cost.per_thousand(self.outcome, self.cost)


class Point(BaseModel):
    """Warm workers with one setting, or one assumption, changed. Cost in USD per thousand results."""

    model_config = ConfigDict(frozen=True)

    users: int
    setting: str
    value: float
    p50_seconds: float
    p95_seconds: float
    cold_share: float
    per_thousand: float


@dataclass(frozen=True)
class Bench:
    """Factory of fleets for a scene."""

    scene: Scene
    gpus: int
    deliveries: int = MOST_DELIVERIES

    def fleets(self) -> Mapping[str, Callable[[], Fleet]]:
        """Return a factory of each architecture, by name."""
        times = self.scene.times
        return {
            RUNTIME: lambda: OnePerFile(self.scene, self.gpus, times.runtime_install_seconds),
            ALWAYS_ON: lambda: self.service(Scale(1, 1)),
            MIN_0: lambda: self.service(Scale(0, 1)),
            MIN_0_MANY: lambda: self.service(Scale(0, self.gpus)),
            ONE_PER_FILE: lambda: OnePerFile(self.scene, self.gpus, times.start_seconds),
            WARM: lambda: self.warm(Warm(max_workers=self.gpus)),
        }

    def service(self, scale: Scale) -> Fleet:
        """Return a service."""
        redelivery = replace(figures.redelivery(), max_delivery_attempts=self.deliveries)
        return Service(self.scene, int(figures.limits().concurrency), redelivery, scale)

    def warm(self, warm: Warm) -> Fleet:
        """Return the product's workers."""
        return WarmWorkers(self.scene, warm, figures.redelivery().sweep_seconds)


def bench(users: int, weeks: int, gpus: int, times: Times | None = None) -> Bench:
    """Return a bench with a load that is drawn."""
    files = load.arrivals(figures.habits(), users, weeks, SEED)
    return Bench(Scene(files, weeks, times or figures.times(), SEED), gpus)


def case(architecture: str, users: int, weeks: int, gpus: int) -> Case:
    """Run an architecture under a load."""
    return _case(bench(users, weeks, gpus), architecture, users)


def _case(on: Bench, architecture: str, users: int) -> Case:
    outcome = on.fleets()[architecture]().run()
    return Case(
        architecture=architecture,
        users=users,
        weeks=on.scene.weeks,
        gpus=on.gpus,
        outcome=outcome,
        cost=cost.monthly(outcome, figures.prices().prices, figures.limits(), figures.footprint()),
    )


def wanted_cases() -> Iterator[tuple[str, int, int, int]]:
    """Yield every architecture and load; one L4 serves the same under either quota."""
    for users, weeks, gpus in LOADS:
        for architecture in (RUNTIME, ALWAYS_ON, MIN_0, MIN_0_MANY, ONE_PER_FILE, WARM):
            if gpus == LOADS[0][2] or architecture in {MIN_0_MANY, ONE_PER_FILE, WARM}:
                yield architecture, users, weeks, gpus


def impatient() -> Case:
    """Run the service with the deliveries that the product's own subscription has."""
    few = replace(bench(100, 4, 3), deliveries=figures.redelivery().max_delivery_attempts)
    return _case(few, ALWAYS_ON, 100)


def batches() -> dict[str, list[float]]:
    """Drop one large batch on each architecture at rest; return when its files succeed, in seconds."""
    scene = Scene(load.batch(figures.habits(), BATCH, SEED), 1, figures.times(), SEED)
    fleets = Bench(scene, int(figures.limits().gpus)).fleets()
    return {name: _succeeded(make()) for name, make in fleets.items()}


def _succeeded(fleet: Fleet) -> list[float]:
    fleet.run()
    ended = zip(fleet.record.responses, fleet.record.succeeded, strict=True)
    return sorted(round(seconds + fleet.files[index].at, 1) for seconds, index in ended)


def wanted_points() -> Iterator[tuple[int, int, str, float]]:
    """Yield every load, setting and value."""
    for users, weeks in SWEPT_LOADS:
        for setting, values in SWEPT.items():
            for value in values:
                yield users, weeks, setting, value


def point(users: int, weeks: int, setting: str, value: float) -> Point:
    """Run warm workers with one setting changed."""
    kept = Warm(max_workers=12) if users == SWEPT_LOADS[-1][0] else Warm()
    changed = {setting: type(getattr(kept, setting))(value)}
    outcome = bench(users, weeks, 0).warm(replace(kept, **changed)).run()
    return _point(users, setting, value, outcome)


def slower(factor: float) -> Point:
    """Run warm workers whose device takes this many times as long."""
    times = figures.times()
    changed = replace(
        times,
        device_seconds=times.device_seconds * factor,
        device_seconds_at_512=times.device_seconds_at_512 * factor,
    )
    outcome = bench(100, 4, 3, changed).warm(Warm()).run()
    return _point(100, "seconds on the device", factor, outcome)


def _point(users: int, setting: str, value: float, outcome: Outcome) -> Point:
    parts = cost.monthly(outcome, figures.prices().prices, figures.limits(), figures.footprint())
    return Point(
        users=users,
        setting=setting,
        value=value,
        p50_seconds=outcome.p50_seconds,
        p95_seconds=outcome.p95_seconds,
        cold_share=outcome.cold_share,
        per_thousand=cost.per_thousand(outcome, parts),
    )


def read(path: Path = RESULTS) -> Results:
    """Return the results in a file. Raises pydantic.ValidationError."""
    return Results.model_validate_json(path.read_text())
