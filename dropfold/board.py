"""Progress of jobs for a person who watches: a bar per state, throughput, time left, workers alive."""

import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dropfold.terminal import COLOURS, ERR, tell
from schemas.job import State

WINDOW = 120
"""Seconds over which throughput is taken."""

QUIET = 5
"""Least seconds between two lines where no terminal shows the bars."""

ORDER = (
    *(state for state in State if state.terminal),
    State.RUNNING,
    State.QUEUED,
    State.ALIGNING,
    State.WAITING,
)


@dataclass(frozen=True)
class Tally:
    """Number of jobs in each state; ``arriving`` is the number of uploads without a job yet."""

    counts: Mapping[State, int]
    arriving: int = 0

    @property
    def total(self) -> int:
        """Number of all jobs and arriving uploads."""
        return sum(self.counts.values()) + self.arriving

    @property
    def ended(self) -> int:
        """Number of jobs in a terminal state."""
        return sum(count for state, count in self.counts.items() if state.terminal)

    @property
    def left(self) -> int:
        """Number of jobs that have not ended, arriving uploads included."""
        return self.total - self.ended

    @property
    def all_succeeded(self) -> bool:
        """Whether every job succeeded."""
        return self.counts.get(State.SUCCEEDED, 0) == self.total

    def __str__(self) -> str:
        parts = [f"{count} {state.lower()}" for state in ORDER if (count := self.counts.get(state, 0))]
        return ", ".join([*parts, *([f"{self.arriving} arriving"] if self.arriving else [])]) or "none"


@dataclass
class Pace:
    """Throughput over the last two minutes."""

    seen: deque[tuple[float, int]] = field(default_factory=deque)

    def add(self, at: float, ended: int) -> None:
        """Record the number of ended jobs at a time, in seconds."""
        self.seen.append((at, ended))
        while self.seen[0][0] < at - WINDOW:
            self.seen.popleft()

    @property
    def per_second(self) -> float:
        """Ended jobs per second."""
        (began, first), (now, last) = self.seen[0], self.seen[-1]
        return (last - first) / (now - began) if now > began else 0.0

    def describe(self, left: int) -> str:
        """Return throughput and time left in words; empty without throughput."""
        if not (rate := self.per_second):
            return ""
        return f"{rate * 60:.1f} jobs a minute, {_duration(left / rate)} left"


@dataclass
class Board:
    """Display of progress: bars on a terminal, else a line now and then when something has changed."""

    live: Live
    pace: Pace = field(default_factory=Pace)
    said: str = ""
    said_at: float = float("-inf")

    def show(self, tally: Tally, workers: int | None) -> None:
        """Show the progress now."""
        now = time.monotonic()
        self.pace.add(now, tally.ended)
        alive = [] if workers is None else [f"{workers} worker{'' if workers == 1 else 's'} alive"]
        foot = ", ".join([*filter(None, [self.pace.describe(tally.left)]), *alive])
        if ERR.is_terminal:
            self.live.update(_drawn(tally, foot), refresh=True)
        elif (now - self.said_at >= QUIET or not tally.left) and str(tally) != self.said:
            self.said, self.said_at = str(tally), now
            tell(f"{tally.ended} of {tally.total} ended: {tally}{f'; {foot}' if foot else ''}")


@contextmanager
def board() -> Iterator[Board]:
    """Keep a board on the terminal for a block."""
    live = Live(console=ERR, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
    if not ERR.is_terminal:
        yield Board(live)
        return
    with live:
        yield Board(live)


def _drawn(tally: Tally, foot: str) -> RenderableType:
    bars = Table.grid(padding=(0, 2, 0, 0))
    for state in ORDER:
        if count := tally.counts.get(state, 0):
            bars.add_row(*_row(state.lower(), count, tally.total, COLOURS.get(state, "white")))
    if tally.arriving:
        bars.add_row(*_row("arriving", tally.arriving, tally.total, "dim"))
    return Group(bars, Text(f"{tally.ended} of {tally.total} ended. {foot}"))


def _row(name: str, count: int, total: int, colour: str) -> tuple[RenderableType, ...]:
    bar = ProgressBar(total=total, completed=count, width=40, complete_style=colour, finished_style=colour)
    return Text(name, colour), bar, Text(str(count))


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    )
