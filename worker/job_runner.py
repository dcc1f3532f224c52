"""One job in this process: opened, attempted, ended as the ledger knows it, or given back.

Whatever brings the job, a message that was pulled or a request that was pushed, its way is this one.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from jobs import lifecycle
from jobs.ledger import Ledger, UnreadableJobError
from jobs.settle import Settler
from schemas.failure import Code, FailedError, Failure
from schemas.job import Job, State
from schemas.reason import reason
from schemas.storage import StorageUnavailableError
from worker.errors import DeviceLostError, LeaseLostError, TooLateError, UnalignedError
from worker.lease import LeasedJob, holding
from worker.pipeline import Pipeline

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class JobRunner:
    """Runs jobs; ``holder`` names this process in leases, which are renewed every ``renew_seconds``."""

    ledger: Ledger
    settler: Settler
    pipeline: Pipeline
    holder: str
    renew_seconds: float

    def find(self, job_id: str) -> Job | None:
        """Read a job. Raises UnreadableJobError, also where it is queued with options unknown here."""
        job = self.ledger.get(job_id)
        if job is not None and job.state is State.QUEUED and job.unknown_options:
            unknown = ", ".join(f"options.{name}" for name in job.unknown_options)
            raise UnreadableJobError(job_id, f"{unknown}: no option of this release")
        return job

    def session(self, job: Job, in_time: Callable[[int], bool], *, suspect: bool = False) -> LeasedJob:
        """Return a queued job, not yet claimed; ``in_time``, by turns on the device, may refuse its claim."""
        return LeasedJob(self.ledger, job, self.holder, self.renew_seconds, in_time, suspect=suspect)

    def run(self, held: LeasedJob) -> None:
        """Attempt the job, record how it ended. Raises DeviceLostError, ShutdownRequestedError, TooLateError.

        Whatever is not finished after this is in the ledger, where the sweep finds it.
        """
        with holding(held) as leased:
            self._attempt(leased)

    def release(self, leased: LeasedJob) -> None:
        """Release a job for another process, because this one shuts down."""
        try:
            if leased.claimed:
                self._give_up(leased, _failure(Code.PREEMPTED, "The worker had to leave."))
        except Exception:
            logger.exception(
                "not given back; its lease will run out",
                extra=self._about(leased.job) | {"action": "lease.kept"},
            )

    def _attempt(self, leased: LeasedJob) -> None:
        try:
            done = self.pipeline.run(leased)
            self._end(leased, lambda job: lifecycle.succeed(job, done, datetime.now(UTC)))
        except UnalignedError as error:
            self._unalign(leased, error.names)
        except LeaseLostError:
            logger.warning(
                "not ours any more, result thrown away",
                extra=self._about(leased.job) | {"action": "lease.lost"},
            )
        except (DeviceLostError, TooLateError):
            raise
        except Exception as error:
            failure = _why(error)
            logger.warning(
                "attempt failed", extra=self._about(leased.job) | {"action": "attempt.failed"}, exc_info=error
            )
            self._give_up(leased, failure)
            if self.pipeline.predictor.lost:
                raise DeviceLostError(leased.job.job_id) from error

    def _unalign(self, leased: LeasedJob, names: tuple[str, ...]) -> None:
        """Send a job back for alignments that are gone."""
        try:
            leased.claim()
            self._end(leased, lambda job: lifecycle.unalign(job, names, datetime.now(UTC)))
        except LeaseLostError:
            logger.warning("not ours any more", extra=self._about(leased.job) | {"action": "lease.lost"})

    def _give_up(self, leased: LeasedJob, failure: Failure) -> None:
        try:
            leased.claim()  # a job can fail before its turn
            self._end(
                leased, lambda job: lifecycle.end_attempt(job, failure, datetime.now(UTC)), failure.code
            )
        except LeaseLostError:
            logger.warning(
                "not ours any more, failure not recorded",
                extra=self._about(leased.job) | {"action": "lease.lost"},
            )

    def _end(self, leased: LeasedJob, change: Callable[[Job], Job], code: Code | None = None) -> None:
        job = self.settler.settle(leased.change(change))
        about = {"state": job.state, "code": code, "timings": job.timings, "seconds": _since_claim(job)}
        checks = {"checks": job.checks.verdict if job.checks else None}
        logger.info("attempt ended", extra=self._about(job) | about | checks | {"action": "attempt.ended"})

    def _about(self, job: Job) -> dict[str, object]:
        return job.about | {"execution": self.holder}


def _since_claim(job: Job) -> float:
    """Return the seconds that an attempt took which has just ended."""
    claimed = [change.at for change in job.history if change.event == lifecycle.Trigger.CLAIMED]
    return round((job.updated_at - claimed[-1]).total_seconds(), 3)


def _why(error: Exception) -> Failure:
    match error:
        case FailedError():
            return error.failure
        case StorageUnavailableError():
            return _failure(Code.STORAGE_UNAVAILABLE, str(error))
        case _:
            return _failure(Code.WORKER_LOST, f"The worker failed: {reason(error)}.")


def _failure(code: Code, message: str) -> Failure:
    return Failure(
        code=code, message=message, remedy="Upload the file again; if it persists, look at the worker's log."
    )
