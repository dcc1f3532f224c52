"""The worker's story: take what is queued, attempt it, record how it ended, settle, until nothing comes.

A few jobs are in flight at once, each told as one line by its own thread; the predictor lets them pass one by
one. A job counts as attempted only when the device is free for it, so that one which brings the process down
takes hardly any with it. One that has been attempted before is in flight alone: it can only harm itself. So
is one whose message was delivered before, since nobody knows why; it counts as attempted from the start.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from jobs.ledger import UnreadableJobError
from schemas.job import Job, State
from schemas.messages import CapacityWanted, PredictionRequested, UndecodableMessageError
from worker.errors import ShutdownRequestedError, TooLateError
from worker.job_runner import JobRunner
from worker.lease import LeasedJob
from worker.slots import Slots

MAX_IN_FLIGHT = 3
"""One is read, one is predicted, one is written, uploaded and settled."""

GRACE_SECONDS = 3
"""Seconds in which jobs in flight may still end by themselves when the process has to leave within 10 s."""

logger = logging.getLogger(__name__)


class Delivery(Protocol):
    """A message under lease."""

    data: bytes
    attributes: Mapping[str, str]
    attempt: int
    """How often it was delivered, this time included; 1 where nobody counts."""

    def ack(self) -> None:
        """Acknowledge the message."""

    def nack(self) -> None:
        """Give the message back, for redelivery once this worker has ended."""


class InFlight(NamedTuple):
    """A job and the message that brought it."""

    leased: LeasedJob
    delivery: Delivery


@dataclass(frozen=True)
class Worker:
    """The consumer of the queue, and its limits in seconds.

    ``idle_seconds`` without work end it. It begins nothing that may take longer than until ``ends_at``, a
    time of ``time.monotonic`` at which the platform ends the process; ``needs`` says how long a job may take,
    by the number of its turns on the device. Nor does it where a job is beyond this release: the next
    execution may run a later one.
    """

    runner: JobRunner
    idle_seconds: float
    ends_at: float
    needs: Callable[[int], float]

    def drain(self, deliveries: Iterable[Delivery | None]) -> None:
        """Work on what comes until nothing does; None means that nothing came for a moment.

        Raises DeviceLostError, ShutdownRequestedError; by then nothing is in flight.
        """
        slots = Slots(MAX_IN_FLIGHT, self._handle)
        try:
            self._take(deliveries, slots)
            slots.wait()
        except BaseException as error:
            self._leave(slots, error)
            raise

    def _take(self, deliveries: Iterable[Delivery | None], slots: Slots[InFlight]) -> None:
        worked = time.monotonic()
        for delivery in deliveries:
            if delivery is not None and not self._in_time():
                delivery.nack()
                return
            try:
                given = delivery is not None and self._submit(delivery, slots)
            except UnreadableJobError as error:
                logger.error("left to the next execution: %s", error, extra={"action": "job.unreadable"})  # noqa: TRY400  it says all
                return
            held = slots.held()  # always asked: it raises what went wrong in a slot
            if given or held:
                worked = time.monotonic()
            if not self._in_time() or time.monotonic() - worked > self.idle_seconds:
                return

    def _submit(self, delivery: Delivery, slots: Slots[InFlight]) -> bool:
        """Submit the job that a message asks for; return whether there was one."""
        try:
            job = self._queued(delivery)
            if job is None:
                return False
            again = delivery.attempt > 1
            alone = again or job.attempt > 0
            if alone:
                slots.wait()
            slots.submit(InFlight(self.runner.session(job, self._in_time, suspect=again), delivery))
        except BaseException:
            delivery.nack()
            raise
        if alone:
            slots.wait()
        return True

    def _in_time(self, turns: int = 1) -> bool:
        return time.monotonic() + self.needs(turns) <= self.ends_at

    def _queued(self, delivery: Delivery) -> Job | None:
        """Find the job that a message asks for, if it is still to be done; else be done with the message."""
        job_id = _asked_for(delivery)
        job = self.runner.find(job_id) if job_id else None
        if job is not None and job.state is State.QUEUED:
            return job
        delivery.ack()
        return None

    def _handle(self, new: InFlight) -> None:
        try:
            self.runner.run(new.leased)
        except TooLateError:
            new.delivery.nack()
        except BaseException:
            new.delivery.nack()
            raise
        else:
            new.delivery.ack()

    def _leave(self, slots: Slots[InFlight], why: BaseException) -> None:
        """Take nothing more; let end what ends soon; give everything else back."""
        logger.info("leaving: %s", type(why).__name__, extra={"action": "worker.leaving"})
        until = time.monotonic() + GRACE_SECONDS
        for each in _still(slots.held):
            each.leased.stop_renewing()
        for each in _still(lambda: slots.wait(max(0.0, until - time.monotonic()))):
            self.runner.release(each.leased)
            each.delivery.nack()


def _still(look: Callable[[], list[InFlight]]) -> list[InFlight]:
    """Return what is in flight, whatever else went wrong there."""
    while True:
        try:
            return look()
        except ShutdownRequestedError:
            continue  # it was not begun
        except Exception:
            logger.exception("another job ended badly", extra={"action": "job.unfinished"})


def _asked_for(delivery: Delivery) -> str | None:
    """Return the id of the job that is asked for; None for CapacityWanted, which reaches workers too."""
    if delivery.attributes.get("ce-type") == CapacityWanted.model_fields["type"].default:
        return None
    try:
        return PredictionRequested.decode(delivery.data, delivery.attributes).data.job_id
    except UndecodableMessageError:
        logger.exception("not a message of ours", extra={"action": "message.undecodable"})
        return None
