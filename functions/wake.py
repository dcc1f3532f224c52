"""Resuming of jobs whose file came: many at a time, while a call has time, then by a message of its own."""

import logging
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice

from functions.errors import WakeError
from functions.waiting import OneLook, Waiting
from inputs.references import any_missing
from jobs.settle import Topic
from schemas.job import Job
from schemas.messages import ReferenceArrived, UndecodableMessageError

AT_ONCE = 16

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wake:
    """After so many ``seconds`` a call begins with no more jobs, and asks for a call for the rest.

    It looks at the clock after each ``batch``.
    """

    waiting: Waiting
    arrivals: Topic
    seconds: float
    batch: int = 10 * AT_ONCE

    def take_up(self, data: bytes, attributes: Mapping[str, str]) -> None:
        """Do what a message asks for; drop one that cannot be decoded. Raises WakeError."""
        try:
            arrival = ReferenceArrived.decode(data, attributes).data
        except UndecodableMessageError:
            logger.exception("not a message of ours", extra={"action": "message.undecodable"})
        else:
            self.wake(arrival.name, arrival.after)

    def wake(self, name: str, after: str = "") -> None:
        """Resume the jobs that wait for a file. Raises WakeError, at its end, if one could not be."""
        ends, left = time.monotonic() + self.seconds, 0
        waiting = replace(self.waiting, uploads=OneLook(self.waiting.uploads))
        if any_missing([name], waiting.uploads):
            return  # it is gone again
        jobs = iter(self.waiting.ledger.waiting_for(name, after))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while batch := list(islice(jobs, self.batch)):
                left += sum(pool.map(partial(_still_waits, waiting), batch))
                if len(batch) == self.batch and time.monotonic() >= ends:
                    rest = ReferenceArrived.of(name, datetime.now(UTC), batch[-1].job_id)
                    self.arrivals.publish(rest.encode())
                    break
        if left:
            raise WakeError(f"{left} jobs still wait for {name}; the log says which and why")


def _still_waits(waiting: Waiting, job: Job) -> bool:
    """Resume a job; return whether something prevented it."""
    try:
        waiting.resume(job)
    except Exception:
        logger.exception("waits on, though its file came", extra=job.about | {"action": "job.wake_failed"})
        return True
    return False
