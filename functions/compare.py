"""Compare the input bucket with the ledger: take in what no event brought."""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Protocol, TypeVar

from functions.intake import Intake
from jobs.examine import is_input
from jobs.ledger import Ledger
from schemas.job import Source, job_id

BATCH = 300
"""Uploads that are looked up in the ledger by one call."""

logger = logging.getLogger(__name__)
T = TypeVar("T")


class ComparisonError(Exception):
    """A comparison could not take in everything that it found lost."""


class Listing(Protocol):
    """The input bucket, as far as a list of it goes."""

    def listed(self) -> Iterator[Source]:
        """List all objects."""


@dataclass(frozen=True)
class Comparison:
    """Looks up uploads older than ``after`` and younger than ``within``, among the ``most`` first objects.

    Events of younger uploads may be under way; each upload is looked up a limited number of times.
    """

    uploads: Listing
    ledger: Ledger
    intake: Intake
    after: timedelta
    within: timedelta
    most: int

    def run(self) -> None:
        """Do one pass. Raises ComparisonError, at its end, where it left something for the next."""
        left = _each(self._lost(datetime.now(UTC)), self._take_in)
        left += _each(self.ledger.waiting(), self.intake.go_on)  # the event of what it waits for may be lost
        if left:
            raise ComparisonError(f"{left} uploads are left for the next pass; the log says which and why")

    def _take_in(self, source: Source) -> None:
        logger.warning("no event brought it", extra={"object": source.uri, "generation": source.generation})
        self.intake.on_upload(source)

    def _lost(self, now: datetime) -> Iterator[Source]:
        recent = (
            source
            for source in self._listed()
            if now - self.within < source.time < now - self.after and is_input(source.name)
        )
        while batch := list(islice(recent, BATCH)):
            by_id = {job_id(source.bucket, source.name, source.generation): source for source in batch}
            unknown = self.ledger.unknown(list(by_id))
            yield from (source for identity, source in by_id.items() if identity in unknown)

    def _listed(self) -> Iterator[Source]:
        for number, source in enumerate(self.uploads.listed()):
            if number == self.most:
                logger.error(
                    "more objects than are compared: move old ones away, or raise COMPARE_MOST",
                    extra={"most": self.most, "first_left_out": source.uri},
                )
                return
            yield source


def _each(found: Iterable[T], finish: Callable[[T], None]) -> int:
    """Finish each, whatever becomes of the others; return how many could not be finished."""
    left = 0
    for one in found:
        try:
            finish(one)
        except Exception:
            logger.exception("left for the next comparison")
            left += 1
    return left
