"""Follow jobs to their ends: those of a prefix, counted by the ledger, or some, looked up one by one."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from dropfold.board import Tally, board
from inputs.examine import is_input
from schemas.checks import Verdict
from schemas.job import UNFINISHED, Job, Source, State, job_id

POLL_SECONDS = 1.0
AT_ONCE = 100
"""Most jobs that one look reads, in turn, so that a thousand cost no more a second than a hundred."""

EXPECTED = timedelta(hours=1)
"""Age of an upload up to which its job may still come; docs/operations.md has those without one by then."""

Workers = Callable[[], int | None]


class Ledger(Protocol):
    """The ledger."""

    def count_under(self, bucket: str, prefix: str, states: Iterable[State]) -> int:
        """Return the number of jobs in these states under a prefix, all at one moment."""

    def states(self, job_ids: Sequence[str]) -> Mapping[str, State | None]:
        """Return the states of the jobs of these ids that exist, None for a state that is unknown here."""

    def verdicts(self, job_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the verdicts on the structures of those of these ids that have one."""

    def under(self, bucket: str, prefix: str, states: Iterable[State], most: int) -> Sequence[Job]:
        """Return jobs in these states under a prefix, by name, at most ``most``."""


class Inputs(Protocol):
    """The input bucket."""

    name: str

    def listed(self, prefix: str = "") -> Iterator[Source]:
        """Yield all objects with a prefix."""


@dataclass(frozen=True)
class Prefix:
    """All jobs under a prefix. Done when all have ended, and every upload of the last hour has a job."""

    ledger: Ledger
    inputs: Inputs
    prefix: str

    def look(self) -> Tally:
        """Return the counts by state; the unfinished are counted first, since a job can move in between."""
        left = self.ledger.count_under(self.inputs.name, self.prefix, UNFINISHED)
        seen = Tally(tally(self.ledger, self.inputs.name, self.prefix))
        if not left:
            return Tally(seen.counts, self._arriving())
        return seen if seen.left else Tally(seen.counts, left)

    def _arriving(self) -> int:
        since = datetime.now(UTC) - EXPECTED
        recent = [
            source
            for source in self.inputs.listed(self.prefix)
            if source.time > since and is_input(source.name)
        ]
        ids = [job_id(source.bucket, source.name, source.generation) for source in recent]
        states = self.ledger.states(ids)
        return sum(states.get(job) is None for job in ids)


class Jobs:
    """Some jobs, by id."""

    def __init__(self, ledger: Ledger, ids: Iterable[str]) -> None:
        self._ledger = ledger
        self._states: dict[str, State | None] = dict.fromkeys(ids)
        self._turn = deque(self._states)

    def look(self) -> Tally:
        """Read the next jobs in turn, and return all by the state in which they were last seen."""
        asked = [self._turn.popleft() for _ in range(min(AT_ONCE, len(self._turn)))]
        self._states |= self._ledger.states(asked)
        self._turn += [job for job in asked if not _ended(self._states[job])]
        counts = Counter(state for state in self._states.values() if state)
        return Tally(counts, len(self._states) - counts.total())

    def in_states(self, *states: State) -> list[str]:
        """Return the ids of those that were seen last in one of these states."""
        return [job for job, state in self._states.items() if state in states]


def tally(ledger: Ledger, bucket: str, prefix: str) -> dict[State, int]:
    """Return the number of jobs under a prefix by state."""
    return {state: ledger.count_under(bucket, prefix, [state]) for state in State}


def wrong(ledger: Ledger, ids: Sequence[str]) -> list[str]:
    """Return the ids of those of these jobs whose structures failed a check."""
    verdicts = ledger.verdicts(ids)
    return [job for job in ids if verdicts.get(job) == Verdict.FAILED]


class Followed(Protocol):
    """Jobs that are followed."""

    def look(self) -> Tally:
        """Return the number of jobs by state."""


def follow(jobs: Followed, workers: Workers) -> Tally:
    """Show how far jobs have come until all have ended, and return how they ended."""
    with board() as shown:
        while (seen := jobs.look()).left:
            shown.show(seen, workers())
            time.sleep(POLL_SECONDS)
        shown.show(seen, None)
    return seen


def _ended(state: State | None) -> bool:
    return state is not None and state.terminal
