"""Compare the input bucket with the ledger: take in what no event brought, and go through all that waits."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Protocol, TypeVar

from functions.errors import ComparisonError
from functions.intake import Intake
from functions.waiting import OneLook, Waiting
from inputs.examine import is_input
from jobs.ledger import Ledger
from schemas.job import Job, Source, job_id

BATCH = 300
"""Uploads that are looked up in the ledger by one call, and waiting jobs that are looked after at a time."""

AT_ONCE = 16

LETTERS = [chr(number) for number in range(ord("!"), ord("~") + 1)]
"""What names begin with."""

logger = logging.getLogger(__name__)
T = TypeVar("T")


class Listing(Protocol):
    """The input bucket, as far as a list of it goes."""

    def listed_from(self, name: str) -> Iterator[Source]:
        """List all objects in the order of their names, from this one on, and then those before it."""


@dataclass(frozen=True)
class Comparison:
    """Looks up uploads older than ``after`` and younger than ``within``, among ``most`` objects.

    Events of younger uploads may be under way; each upload is looked up a limited number of times. Where the
    bucket has more objects, each pass begins elsewhere: nobody's folder hides all others' from every pass.
    """

    uploads: Listing
    ledger: Ledger
    intake: Intake
    after: timedelta
    within: timedelta
    most: int

    def run(self) -> None:
        """Do one pass. Raises ComparisonError, at its end, where it left something for the next."""
        now = datetime.now(UTC)
        left = sum(map(_left(self._take_in), self._lost(now)))
        left += self._look_after_waiting(now)
        left += sum(map(_left(partial(self._expire, now)), self.ledger.aligning()))
        if left:
            raise ComparisonError(f"{left} uploads are left for the next pass; the log says which and why")

    def _look_after_waiting(self, now: datetime) -> int:
        """Check the files of all waiting jobs; return the number of those that could not be checked."""
        waiting, told, left = self.intake.waiting, set[str](), 0
        remembering = replace(waiting, uploads=OneLook(waiting.uploads))
        jobs = iter(self.ledger.waiting())
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while batch := list(islice(jobs, BATCH)):
                left += sum(pool.map(_left(partial(self._look_after, remembering, told, now)), batch))
        return left

    def _look_after(self, waiting: Waiting, told: set[str], now: datetime, job: Job) -> None:
        """Publish the arrival of a job's files if all are there: their event was lost. Else expire it."""
        name, until = job.waits_for[0], job.wait_until
        if not waiting.misses(job):
            if name not in told:
                told.add(name)
                self.intake.tell(name)
        elif until and until < now and self.intake.waiting.misses(job):  # looks anew
            waiting.expire(job, now)

    def _expire(self, now: datetime, job: Job) -> None:
        """End a job that lacked alignments for too long, also where nobody makes any."""
        if job.wait_until and job.wait_until < now:
            self.intake.waiting.expire(job, now)

    def _take_in(self, source: Source) -> None:
        logger.warning(
            "no event brought it",
            extra={"action": "upload.found", "object": source.uri, "generation": source.generation},
        )
        self.intake.on_upload(source)

    def _lost(self, now: datetime) -> Iterator[Source]:
        recent = (
            source
            for source in self._listed(first_letter(now))
            if now - self.within < source.time < now - self.after and is_input(source.name)
        )
        while batch := list(islice(recent, BATCH)):
            by_id = {job_id(source.bucket, source.name, source.generation): source for source in batch}
            unknown = self.ledger.unknown(list(by_id))
            yield from (source for identity, source in by_id.items() if identity in unknown)

    def _listed(self, first: str) -> Iterator[Source]:
        for number, source in enumerate(self.uploads.listed_from(first)):
            if number == self.most:
                logger.error(
                    "more objects than are compared: move old ones away, or raise COMPARE_MOST",
                    extra={"action": "reconcile.too_many", "most": self.most, "first_left_out": source.uri},
                )
                return
            yield source


def first_letter(now: datetime) -> str:
    """Return where an hour's pass begins: far from the last one's, and in time at each letter."""
    hours = int(now.timestamp()) // 3600
    return LETTERS[hours * 37 % len(LETTERS)]


def _left(finish: Callable[[T], None]) -> Callable[[T], bool]:
    """Return what finishes one of many, and tells whether something kept it from that."""

    def finished(one: T) -> bool:
        try:
            finish(one)
        except Exception:
            logger.exception("left for the next comparison", extra={"action": "reconcile.left"})
            return True
        return False

    return finished
