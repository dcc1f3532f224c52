"""Counters of a simulated run, and its outcome."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from benchmarks.capacity.load import WEEK, File


class End(StrEnum):
    """End of a file."""

    SUCCEEDED = "SUCCEEDED"
    TIMED_OUT = "TIMED_OUT"  # a limit of request, prediction or task ended its last attempt
    REFUSED = "REFUSED"  # no place at its last attempt
    LOST = "LOST"  # the platform took its worker at its last attempt


class Outcome(BaseModel):
    """Outcome of a run. Times are in seconds; a share is of 1."""

    model_config = ConfigDict(frozen=True)

    files: int
    ends: dict[End, int]
    p50_seconds: float
    p95_seconds: float
    starts: int
    busy_seconds: float
    billed_seconds: float
    most_alive: int
    horizon_seconds: float
    offered: float

    @property
    def cold_share(self) -> float:
        """Starts of workers per file."""
        return self.starts / self.files

    @property
    def utilisation(self) -> float:
        """Share of the billed time in which a device predicts."""
        return self.busy_seconds / self.billed_seconds

    @property
    def overloaded(self) -> bool:
        """Whether more work comes than all workers can do, so that the queue grows without limit."""
        return self.offered > 1


@dataclass
class Record:
    """Counters of a run; a file that ends twice is an error of the model."""

    files: Sequence[File]
    ends: dict[int, End] = field(default_factory=dict)
    responses: list[float] = field(default_factory=list)
    succeeded: list[int] = field(default_factory=list)
    starts: int = 0
    busy_seconds: float = 0
    billed_seconds: float = 0
    alive: int = 0
    most_alive: int = 0

    def end(self, index: int, how: End, at: float) -> None:
        """Record the end of a file."""
        if index in self.ends:
            raise RuntimeError(f"file {index} ended as {self.ends[index]} and as {how}")
        self.ends[index] = how
        if how is End.SUCCEEDED:
            self.responses.append(at - self.files[index].at)
            self.succeeded.append(index)

    def begin(self) -> None:
        """Record the start of a worker."""
        self.starts += 1
        self.alive += 1
        self.most_alive = max(self.most_alive, self.alive)

    def leave(self, billed: float) -> None:
        """Record the end of a worker, after some billed seconds."""
        self.alive -= 1
        self.billed_seconds += billed

    @property
    def complete(self) -> bool:
        """Whether every file has ended."""
        return len(self.ends) == len(self.files)

    def outcome(self, weeks: int, now: float, workers: int, slot_seconds: float) -> Outcome:
        """Return the outcome, where files of some weeks need ``slot_seconds`` of this many workers."""
        return Outcome(
            files=len(self.files),
            ends={how: sum(end is how for end in self.ends.values()) for how in End},
            p50_seconds=quantile(self.responses, 0.5),
            p95_seconds=quantile(self.responses, 0.95),
            starts=self.starts,
            busy_seconds=self.busy_seconds,
            billed_seconds=self.billed_seconds,
            most_alive=self.most_alive,
            horizon_seconds=max(now, weeks * WEEK),
            offered=slot_seconds / (workers * weeks * WEEK),
        )


def quantile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank quantile; 0 without values."""
    return sorted(values)[math.ceil(share * len(values)) - 1] if values else 0.0
