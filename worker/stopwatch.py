"""Seconds by stage of one attempt."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Stopwatch:
    """Seconds by stage of one attempt."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block."""
        start = time.monotonic()
        yield
        self.add({name: time.monotonic() - start})

    def add(self, timings: Mapping[str, float]) -> None:
        """Take over seconds by stage that were measured elsewhere."""
        self.seconds |= {stage: round(taken, 3) for stage, taken in timings.items()}
