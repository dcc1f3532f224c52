"""Jobs that wait for files: what goes on, and what has waited for too long."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

from functions.alignments.kept import Kept
from functions.generations import Generations
from inputs.examine import Examiner, Rules
from inputs.read import InvalidInputError
from inputs.references import ReferenceCheck, any_missing, find
from jobs import lifecycle
from jobs.ledger import ConflictError, Ledger
from jobs.settle import Settler
from schemas.job import Job, State
from schemas.storage import ObjectGoneError, ObjectHead

REMEMBERED = 64
"""Looks at files that are remembered at a time: 8 MiB."""

logger = logging.getLogger(__name__)


class Uploads(Protocol):
    """The input bucket."""

    def read(self, name: str, generation: int, limit: int) -> bytes:
        """Read one generation of an object.

        Raises ObjectGoneError, ObjectTooLargeError, ObjectUnreadableError.
        """

    def head(self, name: str, most: int) -> ObjectHead | None:
        """Return size and first ``most`` bytes of the object of this name, or None if it is missing.

        Raises ObjectUnreadableError.
        """

    def generation(self, name: str) -> int | None:
        """Return the generation of the object of this name, or None if it is missing."""


class OneLook:
    """The input bucket for the time of one call: what many inputs name is looked at once."""

    def __init__(self, uploads: Uploads) -> None:
        self.read, self.generation = uploads.read, uploads.generation
        self.head = lru_cache(REMEMBERED)(uploads.head)


@dataclass(frozen=True)
class Waiting:
    """The resuming and expiry of waiting jobs."""

    uploads: Uploads
    ledger: Ledger
    settler: Settler
    rules: Rules
    kept: Kept | None = None

    def misses(self, job: Job) -> bool:
        """Return whether a file that the job waits for is missing."""
        return any_missing(job.waits_for, self.uploads)

    def resume(self, job: Job) -> None:
        """Queue a waiting job if nothing is missing any more, or reject it if it cannot use what came."""
        if job.state is not State.WAITING or self.misses(job):
            return
        try:
            changed = self._arrived(job)
        except ObjectGoneError:
            Generations(self.uploads, self.ledger, self.settler).withdraw(job)
            return
        if changed is not None:
            self._change(changed, "waits no more")

    def expire(self, job: Job, now: datetime) -> None:
        """Reject a job whose time is up, and of whose files one is still not there."""
        self._change(lifecycle.expire(job, now), "waited too long")

    def _arrived(self, job: Job) -> Job | None:
        """Return the job after the last of its files came; None where one is gone again."""
        examiner, ready = Examiner(self.uploads, self.rules), job
        try:
            document = examiner.document(job.source)
            found = find(job.source.name, document, self.uploads)
            ready = self.kept.asked_for(job, document) if self.kept else job
        except InvalidInputError as error:  # a validator that was deployed meanwhile
            found = ReferenceCheck((), error.failures)
        if found.failures:
            return lifecycle.refuse(job, found.failures, datetime.now(UTC))
        return None if found.missing else lifecycle.arrive(ready, ready.aligns, datetime.now(UTC))

    def _change(self, changed: Job, what: str) -> None:
        try:
            recorded = self.ledger.replace(changed)
        except ConflictError:
            return  # whoever changed it saw the same files
        logger.info(what, extra=recorded.about | {"action": "job.waits_no_more", "state": recorded.state})
        self.settler.settle(recorded)
