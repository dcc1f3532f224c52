"""Which generation of an object counts: the newest. Jobs of older ones are superseded, of deleted ones ended.

Events of one object come in any order. Each job is recorded before anyone looks for its neighbours, so of two
that are taken in at once at least one sees the other; both may try, and the ledger lets one write.
"""

import logging
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from jobs import lifecycle
from jobs.ledger import Ledger
from jobs.settle import Settler
from jobs.withdraw import End, withdraw
from schemas.job import Job, Source

logger = logging.getLogger(__name__)


class Uploads(Protocol):
    """The input bucket, as far as generations go."""

    def generation(self, name: str) -> int | None:
        """Return the generation of the object of this name, or None if it is missing."""


@dataclass(frozen=True)
class Generations:
    """Knowledge about an object's generations, from the bucket and the ledger."""

    uploads: Uploads
    ledger: Ledger
    settler: Settler

    def supersede(self, job: Job) -> bool:
        """End the jobs of all older generations; tell whether the given, recorded, job is one."""
        newest, *older = self.ledger.generations(job.source.bucket, job.source.name) or [job]
        overwritten = newest.source.generation > job.source.generation
        for known in {each.job_id: each for each in (*([job] if overwritten else ()), *older)}.values():
            if known.pending or not known.state.terminal:  # whoever ended it may have been cut short
                self._end(known, lifecycle.supersede)
        return overwritten

    def withdraw(self, job: Job) -> None:
        """End a recorded job whose generation is gone; one that has ended stays as it is."""
        if job.state.terminal:
            self.settler.settle(job)
        elif self._overwritten(job.source):
            self._end(job, lifecycle.supersede)
        else:
            self._end(job, partial(lifecycle.cancel, why=_deleted(job.source)))

    def close_unread(self, job: Job) -> Job:
        """Return the end of a new job whose generation was gone before anyone read it."""
        if self._overwritten(job.source):
            return lifecycle.supersede_unread(job, job.created_at)
        return lifecycle.cancel_unread(job, job.created_at, _deleted(job.source))

    def _overwritten(self, source: Source) -> bool:
        there = self.uploads.generation(source.name)
        if there is not None and there > source.generation:
            return True
        known = self.ledger.generations(source.bucket, source.name)
        return bool(known) and known[0].source.generation > source.generation

    def _end(self, job: Job, end: End) -> None:
        ended = withdraw(self.settler, job, end)
        logger.info("withdrawn", extra=ended.about | {"action": "job.withdrawn", "state": ended.state})


def _deleted(source: Source) -> str:
    return f"Generation {source.generation} of {source.name} was deleted before its prediction ended."
