"""Hold a job's lease: renew it in the background, and write the job only while it is ours."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from jobs import lifecycle
from jobs.ledger import ConflictError, Ledger
from schemas.job import Job

logger = logging.getLogger(__name__)


class LeaseLostError(Exception):
    """Someone else decides about this job now; the result in hand is thrown away."""


class HeldJob:
    """A claimed job. Every write goes through ``change``, a compare-and-set on what was last seen."""

    def __init__(self, ledger: Ledger, job: Job) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self.job = job

    def change(self, change: Callable[[Job], Job]) -> Job:
        """Write a change. Raises LeaseLostError where the job is not ours any more."""
        with self._lock:
            try:
                self.job = self._ledger.replace(change(self.job))
            except ConflictError as error:
                raise LeaseLostError(self.job.job_id) from error
            return self.job

    def renew(self) -> Job:
        """Prolong the lease; also the check, right before outputs are written, that it is still ours."""
        return self.change(lambda job: lifecycle.renew(job, datetime.now(UTC)))


@contextmanager
def held(ledger: Ledger, job: Job, every_seconds: float) -> Iterator[HeldJob]:
    """Hold a claimed job, and renew its lease until the block ends."""
    mine, done = HeldJob(ledger, job), threading.Event()
    renewer = threading.Thread(target=_renew_until, args=(mine, done, every_seconds), daemon=True)
    renewer.start()
    try:
        yield mine
    finally:
        done.set()
        renewer.join()


def _renew_until(mine: HeldJob, done: threading.Event, every_seconds: float) -> None:
    while not done.wait(every_seconds):
        try:
            mine.renew()
        except (LeaseLostError, lifecycle.IllegalTransitionError):
            return  # the next write of the main thread finds out
        except Exception:
            logger.exception("lease not renewed, trying again", extra={"job_id": mine.job.job_id})
