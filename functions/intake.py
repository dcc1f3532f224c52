"""Take an upload in: read, validate, record, ask for a prediction. Every upload that counts gets a job.

A file that inputs refer to is only told of: `functions/wake.py` lets those go on that wait for it.
"""

import logging
import posixpath
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath

from functions.alignments.kept import Kept
from functions.errors import ExaminationError
from functions.generations import Generations
from functions.lru import Recent
from functions.waiting import Uploads, Waiting
from inputs.examine import Accepted, Examiner, Rules, is_input, is_reference
from jobs import lifecycle
from jobs.ledger import AlreadyRecordedError, Ledger
from jobs.settle import Settler, Topic
from schemas.failure import Failure
from schemas.job import Job, Source, State, job_id
from schemas.messages import ReferenceArrived
from schemas.storage import ObjectGoneError, StorageUnavailableError
from schemas.trace import trace_of
from schemas.upload import why_ignored

logger = logging.getLogger(__name__)

MAX_PREFIX_BYTES = 900
"""Longest folder of outputs, so that the names under it stay below Cloud Storage's 1,024 bytes."""

UNREAD_ENDS = {State.CANCELLED, State.SUPERSEDED}
"""States of a job that is new, and whose generation is gone."""

REMEMBERED = 10_000
"""Uploads that an instance remembers to have taken in; a megabyte."""


@dataclass(frozen=True)
class Intake:
    """Collaborators of intake; ``arrivals`` is the topic of files that came."""

    uploads: Uploads
    ledger: Ledger
    settler: Settler
    arrivals: Topic
    rules: Rules
    kept: Kept | None = None
    _taken_in: Recent = field(default_factory=lambda: Recent(REMEMBERED), init=False, repr=False)

    def on_upload(self, source: Source, traceparent: str | None = None) -> None:
        """Do what an upload calls for; the same event again changes nothing."""
        if is_reference(source.name):
            self.tell(source.name)
        elif why := why_ignored(source.name):
            logger.info("ignored", extra={"action": "upload.ignored", "object": source.uri, "why": why})
        else:
            self._take_in(_blank(source, traceparent))

    def on_delete(self, source: Source, traceparent: str | None = None) -> None:
        """End the job of a generation that was deleted or overwritten, before or after it was taken in."""
        if not is_input(source.name):
            return
        blank = _blank(source, traceparent)
        known = self.ledger.get(blank.job_id)
        if known is not None:
            self.generations.withdraw(known)
        elif lifecycle.remembered(source.time, blank.created_at):
            self._record(self.generations.close_unread(blank))

    def refuse(self, source: Source, failure: Failure) -> None:
        """Reject an upload without reading it, unless it is recorded."""
        if is_input(source.name):
            refused = _blank(source, None).evolve(errors=(failure,))
            self._record(lifecycle.take_in(refused, refused.created_at))

    @property
    def waiting(self) -> Waiting:
        """Jobs that wait for files."""
        return Waiting(self.uploads, self.ledger, self.settler, self.rules, self.kept)

    @property
    def generations(self) -> Generations:
        """Which generation of an object counts."""
        return Generations(self.uploads, self.ledger, self.settler)

    def _take_in(self, blank: Job) -> None:
        if blank.job_id not in self._taken_in:
            self._record(self._read(blank))
            self._taken_in.add(blank.job_id)

    def tell(self, name: str) -> None:
        """Publish that an object came, if any job waits for it."""
        if self.ledger.waits(name):
            self.arrivals.publish(ReferenceArrived.of(name, datetime.now(UTC)).encode())

    def _record(self, job: Job) -> None:
        """Record a new job, or find the one that is there, and do what must follow."""
        recorded = self._create(job)
        if recorded is None:
            return
        if job.state in UNREAD_ENDS and not recorded.state.terminal:
            self.generations.withdraw(recorded)  # another call had read it before it was gone
            self.generations.supersede(recorded)
            return
        # Settled first: no worker need wait for a look at older generations.
        settled = self.settler.settle(recorded)
        overwritten = self.generations.supersede(settled)
        if settled.state is State.WAITING and not overwritten:
            self.waiting.resume(settled)  # its file may have come between the look and the record

    def _create(self, job: Job) -> Job | None:
        try:
            recorded = self.ledger.create(job)
        except AlreadyRecordedError:
            return self.ledger.get(job.job_id)
        logger.info(
            "taken in",
            extra=job.about | {"action": "upload.taken_in", "state": job.state, "object": job.source.uri},
        )
        return recorded

    def _read(self, job: Job) -> Job:
        try:
            examined = self._examined(job)
        except ObjectGoneError:
            return self.generations.close_unread(job)
        return lifecycle.take_in(examined, job.created_at)

    def _examined(self, job: Job) -> Job:
        try:
            result = Examiner(self.uploads, self.rules).examine(job.source)
        except (ObjectGoneError, StorageUnavailableError):
            raise
        except Exception as error:
            raise ExaminationError(job.source.uri) from error
        if not isinstance(result, Accepted):
            return job.evolve(errors=result)
        seed = result.request.options.seed
        options = result.request.options.model_copy(update={"seed": result.seed if seed is None else seed})
        accepted = job.evolve(
            options=options,
            batch=result.request.batch or job.batch,
            fresh=result.request.fresh,
            tokens=result.tokens,
            waits_for=result.missing,
        )
        return self.kept.asked_for(accepted, result.document) if self.kept else accepted


def _blank(source: Source, traceparent: str | None) -> Job:
    """Return the job of an upload that is not read yet."""
    identity, at = job_id(source.bucket, source.name, source.generation), datetime.now(UTC)
    return Job(
        job_id=identity,
        source=source,
        batch=posixpath.dirname(source.name),
        state=State.QUEUED,
        created_at=at,
        updated_at=at,
        trace=trace_of(identity, traceparent),
        output_prefix=output_prefix(source.name, identity),
    )


def output_prefix(name: str, identity: str) -> str:
    """Name the folder of a job's outputs: the object's name without its suffix, then the job."""
    stem = name.removesuffix(PurePosixPath(name).suffix).encode()[:MAX_PREFIX_BYTES]
    return f"{stem.decode(errors='ignore')}/{identity}/"
