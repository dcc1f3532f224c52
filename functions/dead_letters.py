"""Take up what Pub/Sub gave up on, so that a dead letter ends in a receipt too. Decision 005 says why so."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from pydantic_core import from_json

from functions.errors import ExaminationError
from functions.intake import Intake
from jobs import lifecycle
from jobs.ledger import Ledger, UnreadableJobError
from jobs.settle import Settler
from schemas.failure import Code, Failure
from schemas.job import Source, State
from schemas.messages import (
    AlignmentsWanted,
    CapacityWanted,
    PredictionRequested,
    ReferenceArrived,
    UndecodableMessageError,
    completed_type,
)
from schemas.upload import UndecodableEventError, decode_upload

GIVEN_UP_BY = "CloudPubSubDeadLetterSourceSubscription"
"""Attribute in which Pub/Sub names the subscription that could not deliver."""

REQUESTED = PredictionRequested.model_fields["type"].default
ASKED_AGAIN = {each.model_fields["type"].default for each in (AlignmentsWanted, CapacityWanted)}
"""Types of messages that the next sweep publishes anew."""

ARRIVED = ReferenceArrived.model_fields["type"].default
COMPLETED = frozenset(completed_type(state) for state in State if state.terminal)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DeadLetters:
    """Handling of dead letters. ``work`` is the workers' subscription; ``try_for`` counts from the upload."""

    intake: Intake
    ledger: Ledger
    settler: Settler
    work: str
    try_for: timedelta

    def take_up(self, data: bytes, attributes: Mapping[str, str]) -> None:
        """Do what is left to do. Raises what keeps it from being done now; then it comes again."""
        try:
            self._reading(data, attributes)()
        except (UndecodableMessageError, UndecodableEventError, UnreadableJobError) as error:
            logger.error(  # noqa: TRY400  a traceback would say nothing more
                "dropped a dead letter that nobody can read",
                extra={
                    "action": "dead_letter.undecodable",
                    "why": str(error),
                    "attributes": dict(attributes),
                    "data": repr(data[:1000]),
                },
            )

    def _reading(self, data: bytes, attributes: Mapping[str, str]) -> Callable[[], None]:
        kind = attributes.get("ce-type") or attributes.get("eventType")
        if kind == REQUESTED:
            request = PredictionRequested.decode(data, attributes)
            return partial(self._on_request, request, attributes.get(GIVEN_UP_BY))
        if kind in ASKED_AGAIN:
            return lambda: None
        if kind == ARRIVED:
            return partial(
                logger.error,
                "jobs wait on though their file came; the comparison looks for them",
                extra={"action": "dead_letter.arrival"},
            )
        if kind in COMPLETED:
            about = {"attributes": dict(attributes)}
            return partial(
                logger.error,
                "a page was not made; docs/operations.md",
                extra=about | {"action": "dead_letter.page"},
            )
        if kind == "OBJECT_FINALIZE":
            return partial(self._on_upload, decode_upload(_decoded(data)))
        if kind == "OBJECT_DELETE":
            return partial(self.intake.on_delete, decode_upload(_decoded(data)))
        raise UndecodableMessageError(f"of unknown type {kind!r}")

    def _on_request(self, request: PredictionRequested, given_up_by: str | None) -> None:
        """Ask again for a job still queued, or fail it; a request older than its last step is old news."""
        job = self.ledger.get(request.data.job_id)
        if given_up_by != self.work or job is None or job.state is not State.QUEUED:
            return
        if job.history and request.time < job.history[-1].at:
            return
        changed = self.ledger.replace(lifecycle.undelivered(job, datetime.now(UTC)))
        logger.warning(
            "no worker took it", extra=changed.about | {"action": "job.undelivered", "state": changed.state}
        )
        self.settler.settle(changed)

    def _on_upload(self, source: Source) -> None:
        """Take it in; where for long it cannot be examined, though it can be read, it is the file."""
        try:
            self.intake.on_upload(source)
        except ExaminationError:
            if datetime.now(UTC) - source.time < self.try_for:
                raise
            logger.exception(
                "refused, since intake kept failing", extra={"action": "upload.refused", "object": source.uri}
            )
            self.intake.refuse(source, _untaken(source, self.try_for))


def _decoded(data: bytes) -> object:
    try:
        return from_json(data)
    except ValueError as error:
        raise UndecodableEventError(f"not JSON: {error}") from error


def _untaken(source: Source, try_for: timedelta) -> Failure:
    return Failure(
        code=Code.INVALID_INPUT,
        message=f"{source.name} could not be examined for {try_for.total_seconds() / 60:.0f} minutes.",
        remedy="Upload it again; if that fails too, it is this file: send it with a report of the problem.",
    )
