"""Finish what anyone left half done: lapsed leases, lost requests, pending effects, forgotten capacity."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from jobs import lifecycle
from jobs.ledger import ConflictError, Ledger
from jobs.settle import Settler
from schemas.failure import Code, Failure
from schemas.job import Job, State
from schemas.messages import CapacityWanted

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sweep:
    """One pass is short and idempotent; two at once do no harm."""

    ledger: Ledger
    settler: Settler
    settle_after: timedelta
    request_again_after: timedelta

    def run(self) -> None:
        """Do one pass."""
        now = datetime.now(UTC)
        for job in self.ledger.lapsed(now):
            self._change(_lapse(job, now), "lapsed", logging.WARNING)
        # Before the unsettled: a job asked for here was changed just now, so it is not asked for twice.
        for job in self.ledger.unserved(before=now - self.request_again_after):
            self._change(lifecycle.request_again(job, now), "requested again", logging.INFO)
        for job in self.ledger.unsettled(before=now - self.settle_after):
            logger.warning("settled late", extra={"job_id": job.job_id, "state": job.state})
            self.settler.settle(job)
        if self.ledger.count(State.QUEUED):
            self.settler.requests.publish(CapacityWanted.at(now).encode())

    def _change(self, job: Job, what: str, level: int) -> None:
        try:
            changed = self.ledger.replace(job)
        except ConflictError:
            return  # it moved on by itself
        logger.log(level, what, extra={"job_id": changed.job_id, "state": changed.state})
        self.settler.settle(changed)


def _lapse(job: Job, now: datetime) -> Job:
    return _lease_expired(job, now) if job.state is State.RUNNING else lifecycle.expire(job, now)


def _lease_expired(job: Job, now: datetime) -> Job:
    holder = job.lease.holder if job.lease else "unknown"
    failure = Failure(
        code=Code.WORKER_LOST,
        message=f"The worker {holder} did not renew its lease.",
        remedy="Upload the file again; if it happens again, look at the worker's log.",
    )
    return lifecycle.release(job, lifecycle.Event.LEASE_EXPIRED, failure, now)
