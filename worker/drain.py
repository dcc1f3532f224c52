"""The worker's story: take a job, attempt it, record how it ended, settle, until the queue is idle."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from jobs import lifecycle
from jobs.ledger import ConflictError, Ledger
from jobs.objects import StorageUnavailableError
from jobs.settle import Settler
from schemas.failure import RETRYABLE, Code, FailedError, Failure
from schemas.job import Job, State
from schemas.messages import CapacityWanted, PredictionRequested, UndecodableMessageError
from worker.attempt import Bench
from worker.lease import HeldJob, LeaseLostError, held

logger = logging.getLogger(__name__)


class LeaveError(BaseException):
    """The platform asked the process to leave. Not an Exception, so that nothing on the way swallows it."""


class DeviceLostError(Exception):
    """The device failed; this process is not to be trusted with another input."""


class Delivery(Protocol):
    """A message under lease."""

    data: bytes
    attributes: Mapping[str, str]

    def ack(self) -> None:
        """Tell the queue that the message is done with."""

    def nack(self) -> None:
        """Give the message back at once."""


@dataclass(frozen=True)
class Worker:
    """What a worker works with, from its start to its idle end."""

    ledger: Ledger
    settler: Settler
    bench: Bench
    holder: str
    renew_seconds: float

    def drain(self, deliveries: Iterable[Delivery]) -> None:
        """Work on what comes until nothing does. Raises DeviceLostError, LeaveError."""
        for delivery in deliveries:
            try:
                self._handle(delivery)
            except BaseException:
                delivery.nack()
                raise
            delivery.ack()

    def _handle(self, delivery: Delivery) -> None:
        """Whatever is not finished after this is in the ledger, where the sweep finds it."""
        job_id = _asked_for(delivery)
        job = self._claim(job_id) if job_id else None
        if job is not None:
            with held(self.ledger, job, self.renew_seconds) as mine:
                self._work(mine)

    def _claim(self, job_id: str) -> Job | None:
        """Take the job, or learn that somebody else has it.

        A conflict alone says neither: whoever asked for the prediction also clears its outbox, and often at
        this moment. So look again until the job is ours or not queued any more.
        """
        while (job := self.ledger.get(job_id)) is not None and job.state is State.QUEUED:
            try:
                return self.ledger.replace(lifecycle.claim(job, self.holder, datetime.now(UTC)))
            except ConflictError:
                continue
        return None

    def _work(self, mine: HeldJob) -> None:
        try:
            done = self.bench.attempt(mine)
            self._end(mine, lambda job: lifecycle.succeed(job, done, datetime.now(UTC)))
        except LeaseLostError:
            logger.warning("lease lost, result thrown away", extra={"job_id": mine.job.job_id})
        except LeaveError:
            self._give_up(mine, _failure(Code.PREEMPTED, "The platform asked the worker to leave."))
            raise
        except Exception as error:
            failure = _why(error)
            logger.warning("attempt failed", extra={"job_id": mine.job.job_id}, exc_info=error)
            self._give_up(mine, failure)
            if failure.code is Code.CUDA_ERROR:
                raise DeviceLostError(mine.job.job_id) from error

    def _give_up(self, mine: HeldJob, failure: Failure) -> None:
        def change(job: Job) -> Job:
            at = datetime.now(UTC)
            if failure.code in RETRYABLE:
                return lifecycle.release(job, lifecycle.Event.RELEASED, failure, at)
            return lifecycle.fail(job, failure, at)

        try:
            self._end(mine, change)
        except LeaseLostError:
            logger.warning("lease lost before the failure was recorded", extra={"job_id": mine.job.job_id})

    def _end(self, mine: HeldJob, change: Callable[[Job], Job]) -> None:
        job = self.settler.settle(mine.change(change))
        logger.info("attempt ended", extra={"job_id": job.job_id, "state": job.state, "attempt": job.attempt})


def _asked_for(delivery: Delivery) -> str | None:
    """Name the job that a message asks for; the bell for launch reaches workers too and asks for none."""
    if delivery.attributes.get("ce-type") == CapacityWanted.model_fields["type"].default:
        return None
    try:
        return PredictionRequested.decode(delivery.data, delivery.attributes).data.job_id
    except UndecodableMessageError:
        logger.exception("not a message of ours")
        return None


def _why(error: Exception) -> Failure:
    match error:
        case FailedError():
            return error.failure
        case StorageUnavailableError():
            return _failure(Code.STORAGE_UNAVAILABLE, str(error))
        case _:
            return _failure(Code.WORKER_LOST, f"The worker failed: {type(error).__name__}: {error}")


def _failure(code: Code, message: str) -> Failure:
    return Failure(code=code, message=message, remedy="Upload the file again; the cause was not in it.")
