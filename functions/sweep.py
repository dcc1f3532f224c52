"""Finish what anyone left half done: lapsed leases, lost requests, pending effects, forgotten capacity."""

import contextlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from functions.errors import SweepError
from jobs import lifecycle
from jobs.ledger import ConflictError, Ledger
from jobs.settle import Settler
from schemas.failure import Code, Failure
from schemas.job import Job, State
from schemas.messages import AlignmentsWanted, CapacityWanted

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sweep:
    """One pass is short and idempotent; two at once do no harm."""

    ledger: Ledger
    settler: Settler
    settle_after: timedelta
    request_again_after: timedelta

    def run(self) -> None:
        """Do one pass. Raises SweepError, at its end, where it left something for the next."""
        now = datetime.now(UTC)
        steps: tuple[Callable[[], int], ...] = (
            lambda: self._each(self.ledger.lapsed(now), lambda job: self._lapse(job, now)),
            lambda: self._each(self._unserved(now), lambda job: self._request_again(job, now)),
            lambda: self._each(self.ledger.unsettled(now - self.settle_after), self._settle),
            lambda: self._ask_for_capacity(now),
            lambda: self._ask_for_alignments(now),
        )
        if left := sum(map(_done, steps)):
            raise SweepError(f"{left} jobs or steps are left for the next pass; the log says which and why")

    def _ask_for_capacity(self, now: datetime) -> int:
        """Ask for workers if anything is queued."""
        if self.ledger.count(State.QUEUED, most=1):
            self.settler.requests.publish(CapacityWanted.at(now).encode())
        return 0

    def _ask_for_alignments(self, now: datetime) -> int:
        """Ask for alignments if any job lacks one."""
        topic = self.settler.alignments
        if topic and self.ledger.count(State.ALIGNING, most=1):
            topic.publish(AlignmentsWanted.at(now).encode())
        return 0

    def _unserved(self, now: datetime) -> Iterable[Job]:
        """Return queued jobs whose request seems lost: nothing is served, or what came long after them is.

        A queue that is merely long is served in about its order; asked for again, it would grow by itself.
        """
        served = self.ledger.newest_running() or self.ledger.last_ended(since=now - self.request_again_after)
        reached = min(now, served.created_at) if served else now
        return self.ledger.unserved(before=reached - self.request_again_after)

    def _each(self, jobs: Iterable[Job], finish: Callable[[Job], None]) -> int:
        """Finish each job, whatever becomes of the others; return how many could not be finished."""
        left = 0
        for job in jobs:
            try:
                finish(job)
            except Exception:
                logger.exception(
                    "left for the next pass",
                    extra=job.about | {"action": "sweep.job_left", "state": job.state},
                )
                left += 1
        return left

    def _lapse(self, job: Job, now: datetime) -> None:
        try:
            changed = self.ledger.replace(_lease_expired(job, now))
        except ConflictError:
            return  # it moved on by itself
        logger.warning("lapsed", extra=changed.about | {"action": "lease.expired", "state": changed.state})
        self.settler.settle(changed)

    def _request_again(self, job: Job, now: datetime) -> None:
        self.settler.settle(job)  # first: a job whose request cannot be published is found again
        with contextlib.suppress(ConflictError):
            self.ledger.replace(lifecycle.request_again(job, now))
        logger.info("requested again", extra=job.about | {"action": "job.requested", "state": job.state})

    def _settle(self, job: Job) -> None:
        logger.warning("settled late", extra=job.about | {"action": "job.settled", "state": job.state})
        self.settler.settle(job)


def _done(step: Callable[[], int]) -> int:
    """Do a step whatever becomes of the others; return how much it left for the next pass."""
    try:
        return step()
    except Exception:
        logger.exception("a step of the sweep is left for the next pass", extra={"action": "sweep.step_left"})
        return 1


def _lease_expired(job: Job, now: datetime) -> Job:
    holder = job.lease.holder if job.lease else "unknown"
    failure = Failure(
        code=Code.WORKER_LOST,
        message=f"The worker {holder} did not renew its lease.",
        remedy="Upload the file again; if it happens again, look at the worker's log.",
    )
    return lifecycle.release(job, lifecycle.Trigger.LEASE_EXPIRED, failure, now)
