"""Defects that were found once, each put back as it was: what the simulation has to find again by itself.

Each is the text of that time in the place of today's, and names the kinds of problems by which it shows.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC

import pytest

from functions.generations import Generations
from functions.intake import Intake
from jobs import lifecycle
from jobs.ledger import ConflictError
from schemas.job import Job, State
from simulation.stand_ins import Datetime
from worker.errors import LeaseLostError, ShutdownRequestedError, TooLateError
from worker.lease import LeasedJob


def _too_late_is_leave_now(patch: pytest.MonkeyPatch) -> None:
    """M0: a job whose turn comes too late ends the whole worker, as if it had ten seconds."""
    claimed = LeasedJob._claimed

    def as_it_was(leased: LeasedJob) -> Job:
        if not leased._in_time(leased.turns):
            raise ShutdownRequestedError
        return claimed(leased)

    patch.setattr(LeasedJob, "_claimed", as_it_was)


def _deletion_asks_again(patch: pytest.MonkeyPatch) -> None:
    """M2: a deletion that finds its job recorded meanwhile does for it what taking in does: asks a worker."""

    def as_it_was(intake: Intake, job: Job) -> None:
        recorded = intake._create(job)
        if recorded is None:
            return
        settled = intake.settler.settle(recorded)
        overwritten = intake.generations.supersede(settled)
        if settled.state is State.WAITING and not overwritten:
            intake.waiting.resume(settled)

    patch.setattr(Intake, "_record", as_it_was)


def _only_ten_generations(patch: pytest.MonkeyPatch) -> None:
    """L1: a job that is older than the ten newest generations is known to be old, and not ended."""

    def as_it_was(generations: Generations, job: Job) -> bool:
        known_ones = generations.ledger.generations(job.source.bucket, job.source.name)[:10]
        newest, *older = known_ones or [job]
        for known in older:
            if not known.state.terminal:
                generations._end(known, lifecycle.supersede)
        return newest.source.generation > job.source.generation

    patch.setattr(Generations, "supersede", as_it_was)


def _conflicts_are_others(patch: pytest.MonkeyPatch) -> None:
    """L2: who meets a claim or a renewal of their own, done again by the client, takes it for another's."""

    def change(leased: LeasedJob, change: Callable[[Job], Job]) -> Job:
        with leased._lock:
            try:
                leased.job = leased._ledger.replace(change(leased.job))
            except (ConflictError, lifecycle.IllegalTransitionError) as error:
                raise LeaseLostError(leased.job.job_id) from error
            return leased.job

    def claimed(leased: LeasedJob) -> Job:
        job: Job | None = leased.job
        while job is not None and job.state is State.QUEUED and job.attempt == leased.job.attempt:
            if leased._over.is_set():
                raise ShutdownRequestedError
            if not leased._in_time(leased.turns):
                raise TooLateError(job.job_id)
            try:
                return leased._ledger.replace(lifecycle.claim(job, leased._holder, Datetime.now(UTC)))
            except ConflictError:
                job = leased._ledger.get(leased.job.job_id)
        raise LeaseLostError(leased.job.job_id)

    patch.setattr(LeasedJob, "change", change)
    patch.setattr(LeasedJob, "_claimed", claimed)


@dataclass(frozen=True)
class Defect:
    """How it is put back, and how it shows."""

    put_back: Callable[[pytest.MonkeyPatch], None]
    kinds: frozenset[str]


DEFECTS: Mapping[str, Defect] = {
    "M0": Defect(_too_late_is_leave_now, frozenset({"attempt lost by RELEASED PREEMPTED"})),
    "M2": Defect(_deletion_asks_again, frozenset({"deleted in vain"})),
    "L1": Defect(_only_ten_generations, frozenset({"overwritten in vain"})),
    "L2": Defect(_conflicts_are_others, frozenset({"attempt lost by LEASE_EXPIRED WORKER_LOST"})),
}


@contextmanager
def put_back(name: str | None) -> Iterator[None]:
    """Put a defect back for a block, or none."""
    with pytest.MonkeyPatch.context() as patch:
        if name:
            DEFECTS[name].put_back(patch)
        yield
