"""The worker's story: take what is queued, attempt it, record how it ended, settle, until nothing comes.

A few jobs are in hand at once, each told as one line by its own thread; the predictor lets them pass one by
one. A job counts as attempted only when the device is free for it, so that one which brings the process down
takes hardly any with it, and one that has been attempted before is alone in hand: it can only harm itself.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from jobs import lifecycle
from jobs.ledger import Ledger
from jobs.objects import StorageUnavailableError
from jobs.settle import Settler
from schemas.failure import RETRYABLE, Code, FailedError, Failure
from schemas.job import Job, State
from schemas.messages import CapacityWanted, PredictionRequested, UndecodableMessageError
from worker.attempt import Bench
from worker.device import DeviceLostError
from worker.hands import Hands
from worker.lease import HeldJob, LeaseLostError, LeaveError, holding

IN_HAND = 3
"""One is read, one is predicted, one is written, uploaded and settled."""

GRACE_SECONDS = 3
"""How long the jobs in hand may still end by themselves when the process has to leave within 10 s."""

logger = logging.getLogger(__name__)


class Delivery(Protocol):
    """A message under lease."""

    data: bytes
    attributes: Mapping[str, str]

    def ack(self) -> None:
        """Tell the queue that the message is done with."""

    def nack(self) -> None:
        """Give the message back at once."""


class InHand(NamedTuple):
    """A job and the message that brought it."""

    mine: HeldJob
    delivery: Delivery


@dataclass(frozen=True)
class Worker:
    """What a worker works with, and its limits in seconds.

    ``idle_seconds`` without work end it; past ``take_until``, a time of ``time.monotonic``, it begins no
    more: the platform's own limit is nearer than one prediction.
    """

    ledger: Ledger
    settler: Settler
    bench: Bench
    holder: str
    renew_seconds: float
    idle_seconds: float
    take_until: float

    def drain(self, deliveries: Iterable[Delivery | None]) -> None:
        """Work on what comes until nothing does; None means that nothing came for a moment.

        Raises DeviceLostError, LeaveError; by then nothing is in hand.
        """
        hands = Hands(IN_HAND, self._handle)
        try:
            self._take(deliveries, hands)
            hands.wait()
        except BaseException as error:
            self._leave(hands, error)
            raise

    def _take(self, deliveries: Iterable[Delivery | None], hands: Hands[InHand]) -> None:
        worked = time.monotonic()
        for delivery in deliveries:
            if delivery is not None and not self._in_time():
                delivery.nack()
                return
            given = delivery is not None and self._give(delivery, hands)
            held = hands.held()  # always asked: it raises what went wrong in a hand
            if given or held:
                worked = time.monotonic()
            if not self._in_time() or time.monotonic() - worked > self.idle_seconds:
                return

    def _give(self, delivery: Delivery, hands: Hands[InHand]) -> bool:
        """Take the job that a message asks for in hand; tell whether there was one."""
        try:
            job = self._queued(delivery)
            if job is None:
                return False
            if job.attempt:
                hands.wait()
            hands.give(InHand(self._open(job), delivery))
        except BaseException:
            delivery.nack()
            raise
        if job.attempt:
            hands.wait()
        return True

    def _open(self, job: Job) -> HeldJob:
        return HeldJob(self.ledger, job, self.holder, self.renew_seconds, self._in_time)

    def _in_time(self) -> bool:
        return time.monotonic() <= self.take_until

    def _queued(self, delivery: Delivery) -> Job | None:
        """Find the job that a message asks for, if it is still to be done; else be done with the message."""
        job_id = _asked_for(delivery)
        job = self.ledger.get(job_id) if job_id else None
        if job is not None and job.state is State.QUEUED:
            return job
        delivery.ack()
        return None

    def _handle(self, new: InHand) -> None:
        """Whatever is not finished after this is in the ledger, where the sweep finds it."""
        try:
            with holding(new.mine) as mine:
                self._work(mine)
        except BaseException:
            new.delivery.nack()
            raise
        new.delivery.ack()

    def _work(self, mine: HeldJob) -> None:
        try:
            done = self.bench.attempt(mine)
            self._end(mine, lambda job: lifecycle.succeed(job, done, datetime.now(UTC)))
        except LeaseLostError:
            logger.warning("not ours any more, result thrown away", extra=self._about(mine.job))
        except DeviceLostError:
            raise
        except Exception as error:
            failure = _why(error)
            logger.warning("attempt failed", extra=self._about(mine.job), exc_info=error)
            self._give_up(mine, failure)
            if self.bench.predictor.lost:
                raise DeviceLostError(mine.job.job_id) from error

    def _give_up(self, mine: HeldJob, failure: Failure) -> None:
        def change(job: Job) -> Job:
            at = datetime.now(UTC)
            if failure.code in RETRYABLE:
                return lifecycle.release(job, lifecycle.Event.RELEASED, failure, at)
            return lifecycle.fail(job, failure, at)

        try:
            mine.take()  # a job can fail before its turn
            self._end(mine, change, failure.code)
        except LeaseLostError:
            logger.warning("not ours any more, failure not recorded", extra=self._about(mine.job))

    def _end(self, mine: HeldJob, change: Callable[[Job], Job], code: Code | None = None) -> None:
        job = self.settler.settle(mine.change(change))
        about = {"state": job.state, "code": code, "timings": job.timings, "seconds": _since_claim(job)}
        logger.info("attempt ended", extra=self._about(job) | about)

    def _leave(self, hands: Hands[InHand], why: BaseException) -> None:
        """Take nothing more; let end what ends soon; give everything else back."""
        logger.info("leaving: %s", type(why).__name__)
        until = time.monotonic() + GRACE_SECONDS
        for each in _still(hands.held):
            each.mine.let_go()
        for each in _still(lambda: hands.wait(max(0.0, until - time.monotonic()))):
            self._give_back(each)

    def _give_back(self, each: InHand) -> None:
        try:
            if each.mine.taken:
                self._give_up(each.mine, _failure(Code.PREEMPTED, "The worker had to leave."))
        except Exception:
            logger.exception("not given back; its lease will run out", extra=self._about(each.mine.job))
        each.delivery.nack()

    def _about(self, job: Job) -> dict[str, object]:
        return job.about | {"execution": self.holder}


def _since_claim(job: Job) -> float:
    """Say how long an attempt took that has just ended, in seconds."""
    claimed = [change.at for change in job.history if change.event == lifecycle.Event.CLAIMED]
    return round((job.updated_at - claimed[-1]).total_seconds(), 3)


def _still(look: Callable[[], list[InHand]]) -> list[InHand]:
    """Look at what is in hand, whatever else went wrong there."""
    while True:
        try:
            return look()
        except LeaveError:
            continue  # it was not begun
        except Exception:
            logger.exception("another job ended badly")


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
    return Failure(
        code=code, message=message, remedy="Upload the file again; if it persists, look at the worker's log."
    )
