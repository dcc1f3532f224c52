"""Which generation of an object counts: the newest. Jobs of older ones are superseded, of deleted ones ended.

Events of one object come in any order. Each job is recorded before anyone looks for its neighbours, so of two
that are taken in at once at least one sees the other; both may try, and the ledger lets one write.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from jobs import lifecycle
from jobs.ledger import ConflictError, Ledger
from jobs.settle import Settler
from schemas.failure import Code, Failure
from schemas.job import Job, Source

logger = logging.getLogger(__name__)


class Uploads(Protocol):
    """The input bucket, as far as generations go."""

    def generation(self, name: str) -> int | None:
        """Return the generation of the object that has this name now, or None where there is none."""


@dataclass(frozen=True)
class Generations:
    """What is known about an object's generations: the bucket's word and the ledger's."""

    uploads: Uploads
    ledger: Ledger
    settler: Settler

    def supersede(self, job: Job) -> bool:
        """End the jobs of all older generations; tell whether the given, recorded, job is one."""
        newest, *older = self.ledger.generations(job.source.bucket, job.source.name) or [job]
        for known in older:
            self._end(known, lifecycle.supersede)
        return newest.source.generation > job.source.generation

    def withdraw(self, job: Job) -> None:
        """End a recorded job whose generation is gone; one that has ended stays as it is."""
        if job.state.terminal:
            self.settler.settle(job)
        elif self._overwritten(job.source):
            self._end(job, lifecycle.supersede)
        else:
            self._end(job, lambda known, at: lifecycle.cancel(known, _deleted(known.source), at))

    def close_unread(self, job: Job) -> Job:
        """Return the end of a new job whose generation was gone before anyone read it."""
        if self._overwritten(job.source):
            return lifecycle.supersede_unread(job, job.created_at)
        return lifecycle.cancel_unread(job, _deleted(job.source), job.created_at)

    def _overwritten(self, source: Source) -> bool:
        there = self.uploads.generation(source.name)
        if there is not None and there > source.generation:
            return True
        known = self.ledger.generations(source.bucket, source.name)
        return bool(known) and known[0].source.generation > source.generation

    def _end(self, job: Job, change: Callable[[Job, datetime], Job]) -> None:
        """End the job whatever it does meanwhile: a worker claims it, or renews its lease."""
        known: Job | None = job
        while known is not None and not known.state.terminal:
            try:
                ended = self.ledger.replace(change(known, datetime.now(UTC)))
            except ConflictError:
                known = self.ledger.get(job.job_id)
            else:
                logger.info("withdrawn", extra=ended.about | {"state": ended.state})
                self.settler.settle(ended)
                return


def _deleted(source: Source) -> Failure:
    return Failure(
        code=Code.MISSING_REFERENCE,
        message=f"{source.name} (generation {source.generation}) was deleted before its prediction ended.",
        remedy="Upload it again if the prediction is wanted after all.",
    )
