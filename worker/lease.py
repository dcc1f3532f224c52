"""A leased job: claimed when the device is free, renewed in the background, written only while it is ours."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from jobs import lifecycle
from jobs.ledger import ConflictError, Ledger, UnreadableJobError
from schemas.job import Job, State
from worker.errors import LeaseLostError, ShutdownRequestedError, TooLateError

logger = logging.getLogger(__name__)


class LeasedJob:
    """A job that was QUEUED when its message came. Every write is a compare-and-set on what was last seen.

    ``in_time`` tells, when the job is to be taken, whether the process will be there for long enough, by the
    number of turns on the device that the job takes. A ``suspect`` may have brought down who had it before.
    """

    def __init__(
        self,
        ledger: Ledger,
        job: Job,
        holder: str,
        renew_seconds: float,
        in_time: Callable[[int], bool] = lambda _turns: True,
        *,
        suspect: bool = False,
    ) -> None:
        self._ledger, self._holder, self._every, self._in_time = ledger, holder, renew_seconds, in_time
        self._lock = threading.RLock()
        self._over = threading.Event()
        self.job = job
        self.turns, self.suspect = 1, suspect
        self.claimed = False
        self._decided: Mapping[str, object] = {}

    def claim(self) -> None:
        """Claim the job, unless that was done: it counts as an attempt.

        Raises LeaseLostError, ShutdownRequestedError, TooLateError.
        """
        with self._lock:
            if not self.claimed:
                self.job, self.claimed = self._claimed(), True
                threading.Thread(target=self._renew_until_over, name="renew", daemon=True).start()

    def decide(self, **fields: object) -> None:
        """Change fields of the job: with the claim, or now where that was made. Raises LeaseLostError."""
        with self._lock:
            if self.claimed:
                self.change(lambda job: job.evolve(**fields))
            else:
                self._decided, self.job = fields, self.job.evolve(**fields)

    def renew(self) -> None:
        """Prolong the lease; also the check, right before outputs are written, that it is still ours."""
        self.change(lambda job: lifecycle.renew(job, datetime.now(UTC)))

    def change(self, change: Callable[[Job], Job]) -> Job:
        """Write a change. Raises LeaseLostError where the job is not ours any more."""
        with self._lock:
            try:
                self.job = self._written(change(self.job))
            except (ConflictError, lifecycle.IllegalTransitionError) as error:
                raise LeaseLostError(self.job.job_id) from error
            return self.job

    def stop_renewing(self) -> None:
        """Claim and renew no more. What was claimed stays so."""
        self._over.set()

    def _claimed(self) -> Job:
        """Claim the job, or learn that somebody else has it.

        A conflict alone says neither: the sweep may ask for it once more at this moment. So look again until
        the job is ours or not queued any more. One that has been attempted meanwhile was asked for again:
        that message is to bring it, so that it is in flight alone.
        """
        job: Job | None = self.job
        while job is not None and job.state is State.QUEUED and job.attempt == self.job.attempt:
            if self._over.is_set():
                raise ShutdownRequestedError
            if not self._in_time(self.turns):
                raise TooLateError(job.job_id)
            try:
                decided = job.evolve(**self._decided)
                return self._written(lifecycle.claim(decided, self._holder, datetime.now(UTC)))
            except ConflictError:
                job = self._seen()
        raise LeaseLostError(self.job.job_id)

    def _written(self, job: Job) -> Job:
        """Write the job. Raises ConflictError, LeaseLostError.

        A write whose answer was lost is made again by Google's client, and then meets itself: what stands in
        the ledger is then what was to be written, to the microsecond of its times.
        """
        try:
            return self._ledger.replace(job)
        except ConflictError:
            there = self._seen()
            if there is None or there != job.evolve(revision=there.revision):
                raise
            return there

    def _seen(self) -> Job | None:
        """Read the job as it is now. Raises LeaseLostError where a later release has it."""
        try:
            return self._ledger.get(self.job.job_id)
        except UnreadableJobError as error:
            raise LeaseLostError(self.job.job_id) from error

    def _renew_until_over(self) -> None:
        while not self._over.wait(self._every):
            try:
                self._renew_unless_over()
            except LeaseLostError:
                return  # the next write of the job's own thread finds out
            except Exception:
                logger.exception(
                    "lease not renewed, trying again", extra=self.job.about | {"action": "lease.not_renewed"}
                )

    def _renew_unless_over(self) -> None:
        """Renew, but not where ``stop_renewing`` came between the end of the wait and our turn to write."""
        with self._lock:
            if not self._over.is_set():
                self.renew()


@contextmanager
def holding(leased: LeasedJob) -> Iterator[LeasedJob]:
    """Stop renewing at the end of the block."""
    try:
        yield leased
    finally:
        leased.stop_renewing()
