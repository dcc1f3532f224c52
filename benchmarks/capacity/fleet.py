"""The common part of every architecture in the simulation (SimPy).

One GPU predicts one input at a time, and the same files come at the same times for all. The page says what
is left out.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import simpy

from benchmarks.capacity.figures import Times
from benchmarks.capacity.load import File
from benchmarks.capacity.record import End, Outcome, Record

Steps = Generator[simpy.Event, Any, None]
Tried = Generator[simpy.Event, Any, End]
Lasted = Generator[simpy.Event, Any, bool]


@dataclass(frozen=True)
class Scene:
    """The files of some weeks, and the times."""

    files: Sequence[File]
    weeks: int
    times: Times
    seed: int


class Fleet(ABC):
    """Some workers and the files that they are given. One run per fleet."""

    workers: int

    def __init__(self, scene: Scene) -> None:
        self.env = simpy.Environment()
        self.files, self.weeks, self.times = scene.files, scene.weeks, scene.times
        self.random = Random(scene.seed)  # noqa: S311  a simulation, not a secret
        self.record = Record(scene.files)

    def run(self) -> Outcome:
        """Simulate until all files have ended; return the outcome."""
        self.env.process(self._upload())
        self.env.run()
        return self._outcome()

    @abstractmethod
    def take_in(self, index: int) -> None:
        """Handle the arrival of a file."""

    @abstractmethod
    def slot_seconds(self, file: File) -> float:
        """Return the seconds for which a file occupies a worker that always has work."""

    def _outcome(self) -> Outcome:
        needed = sum(self.slot_seconds(file) for file in self.files)
        return self.record.outcome(self.weeks, self.env.now, self.workers, needed)

    def _upload(self) -> Steps:
        for index, file in enumerate(self.files):
            yield self.env.timeout(file.at - self.env.now)
            self.take_in(index)

    def _lost(self, seconds: float) -> bool:
        return self.random.random() < -math.expm1(-seconds * self.times.losses_per_hour / 3600)

    def _predict(self, seconds: float) -> Lasted:
        """Keep a device busy; return whether it lasted. A loss happens half-way, on average."""
        lost = self._lost(seconds)
        done = seconds / 2 if lost else seconds
        yield self.env.timeout(done)
        self.record.busy_seconds += done
        return not lost
