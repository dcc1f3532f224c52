"""Messages on the topics: CloudEvents 1.0 in binary mode over Pub/Sub.

Attributes ``ce-*`` carry the event's context, the message's data is the event's data as JSON. ``batch``,
``state`` and ``checks`` are plain attributes beside them, because subscription filters see attributes only.
Messages carry identifiers and names, never payloads. Each model is an event in CloudEvents' JSON format;
``encode`` and ``decode`` translate it to and from a message.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Literal, Self

from pydantic import AwareDatetime, Field, ValidationError
from pydantic_core import from_json

from schemas.checks import Verdict
from schemas.failure import Failure
from schemas.job import MAX_NAME_BYTES, TERMINAL, Job, State, Terminal
from schemas.receipt import receipt_name
from schemas.record import Record
from schemas.trace import TRACEPARENT, traceparent
from schemas.undecodable import UndecodableError

MAX_ATTRIBUTE_BYTES = 1024
"""Longest attribute value that Pub/Sub takes, in bytes of UTF-8."""

PLAIN = frozenset({"batch", "checks", "state"})
"""Fields of an event that become attributes under their own name."""


class UndecodableMessageError(UndecodableError):
    """The message is not an event of this type."""


@dataclass(frozen=True)
class Message:
    """A message of a topic: JSON bytes and string attributes."""

    data: bytes
    attributes: Mapping[str, str]


class Event(Record):
    """The context that every event has."""

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(min_length=1, max_length=256)
    source: Literal["/dropfold"] = "/dropfold"
    type: str
    time: AwareDatetime
    datacontenttype: Literal["application/json"] = "application/json"
    traceparent: str | None = Field(None, pattern=TRACEPARENT, description="W3C trace context.")
    data: Record

    def encode(self) -> Message:
        """Return the event as a message.

        Attributes that Pub/Sub would refuse (the URI of a name near its 1,024 bytes) are left out: the data
        has them.
        """
        event = self.model_dump(mode="json", exclude_none=True)
        data = json.dumps(self.data.model_dump(mode="json"), separators=(",", ":"), ensure_ascii=False)
        attributes = {
            _attribute(name): value
            for name, value in event.items()
            if name != "data" and len(value.encode()) <= MAX_ATTRIBUTE_BYTES
        }
        return Message(data.encode(), attributes)

    @classmethod
    def decode(cls, data: bytes, attributes: Mapping[str, str]) -> Self:
        """Return the event of a message, without a later release's fields. Raises UndecodableMessageError."""
        known = {
            name: attributes[key] for name in cls.model_fields if (key := _attribute(name)) in attributes
        }
        try:
            return cls.model_validate({**known, "data": from_json(data)}, extra="ignore")
        except (ValidationError, ValueError) as error:
            raise UndecodableMessageError(f"not a {cls.__name__}: {error}") from error


def _attribute(name: str) -> str:
    if name == "datacontenttype":
        return "content-type"
    return name if name in PLAIN else f"ce-{name}"


class JobReference(Record):
    """Data of a request: look the job up in the ledger."""

    job_id: str = Field(pattern=r"^[0-9a-f]{16}$")


class PredictionRequested(Event):
    """A job is queued. Producers: intake, whoever releases a job. Consumers: workers, launch."""

    type: Literal["dev.dropfold.prediction.requested.v1"] = "dev.dropfold.prediction.requested.v1"
    subject: str | None = None
    data: JobReference

    @classmethod
    def of(cls, job: Job) -> Self:
        """Return the request of a job; its id differs by attempt, since a released job is asked for again."""
        return cls(
            id=f"{job.job_id}-requested-{job.attempt}",
            time=job.updated_at,
            subject=job.source.uri,
            traceparent=traceparent(job.trace, job.job_id),
            data=JobReference(job_id=job.job_id),
        )


class Nothing(Record):
    """Data of an event that says all in its type."""


class CapacityWanted(Event):
    """Work is queued, and perhaps no worker is alive. Producer: sweep. Consumer: launch."""

    type: Literal["dev.dropfold.capacity.wanted.v1"] = "dev.dropfold.capacity.wanted.v1"
    data: Nothing = Nothing()

    @classmethod
    def at(cls, time: datetime) -> Self:
        """Return the event of this time."""
        return cls(id=f"capacity-{time.isoformat()}", time=time)


class AlignmentsWanted(Event):
    """Jobs lack alignments. Producers: intake, wake, worker, sweep. Consumer: align."""

    type: Literal["dev.dropfold.alignments.wanted.v1"] = "dev.dropfold.alignments.wanted.v1"
    data: Nothing = Nothing()

    @classmethod
    def at(cls, time: datetime) -> Self:
        """Return the event of this time."""
        return cls(id=f"alignments-{time.isoformat()}", time=time)


class Arrival(Record):
    """Data of an arrival: the object's name, and behind which job, by its id, others still wait for it."""

    name: str = Field(min_length=1, max_length=MAX_NAME_BYTES)
    after: str = Field("", pattern=r"^([0-9a-f]{16})?$")


class ReferenceArrived(Event):
    """A file came that jobs wait for. Producers: intake, compare, and wake, for those it has no time for.

    Consumer: wake.
    """

    type: Literal["dev.dropfold.reference.arrived.v1"] = "dev.dropfold.reference.arrived.v1"
    data: Arrival

    @classmethod
    def of(cls, name: str, time: datetime, after: str = "") -> Self:
        """Return the event of a file, for the jobs whose ids come after one."""
        digest = sha256(name.encode()).hexdigest()[:16]
        return cls(
            id=f"{digest}-arrived-{after}-{time.isoformat()}",
            time=time,
            data=Arrival(name=name, after=after),
        )


class ObjectName(Record):
    """The upload that an event is about."""

    bucket: str
    name: str
    generation: int


class Completion(Record):
    """Data of a completion event. ``outputs`` and ``receipt`` are ``gs://`` URIs."""

    job_id: str = Field(pattern=r"^[0-9a-f]{16}$")
    state: Terminal
    batch: str
    source: ObjectName
    outputs: str
    receipt: str
    scores: dict[str, float]
    random_weights: bool | None = Field(
        description="True where the result means nothing; null without model."
    )
    checks: Verdict | None = Field(None, description="Of the best structure; null where none was checked.")
    reasons: tuple[str, ...] = Field((), description="The first three of the verdict's.")
    warnings: tuple[str, ...] = Field((), description="The first three of the receipt's.")
    error: Failure | None


def completed_type(state: State) -> str:
    """Return the type of the event of a job that ended in this state."""
    return f"dev.dropfold.prediction.{state.lower()}.v1"


class PredictionCompleted(Event):
    """A job has ended, well or not. Producers: intake, worker, sweep. Consumers: whoever subscribes."""

    type: str = Field(pattern=rf"^dev\.dropfold\.prediction\.({'|'.join(TERMINAL).lower()})\.v1$")
    subject: str | None = Field(None, description="The input as a gs:// URI, names unescaped.")
    batch: str
    state: Terminal
    checks: Verdict | None = Field(None, description="Of the best structure; null where none was checked.")
    data: Completion

    @classmethod
    def of(cls, job: Job, output_bucket: str) -> Self:
        """Return the event of a job's end: for the same job in the same state the same, byte for byte.

        Raises pydantic's ValidationError for a job that has not ended.
        """
        folder = f"gs://{output_bucket}/"
        data = Completion(
            **job.model_dump(include={"job_id", "state", "batch", "scores"}),
            source=ObjectName(**job.source.model_dump(include=set(ObjectName.model_fields))),
            outputs=folder + job.output_prefix,
            receipt=folder + receipt_name(job),
            random_weights=job.model.random_weights if job.model else None,
            checks=job.checks.verdict if job.checks else None,
            reasons=job.checks.reasons[:3] if job.checks else (),
            warnings=job.warnings[:3],
            error=job.errors[0] if job.errors else None,
        )
        return cls(
            id=f"{job.job_id}-{job.state.lower()}",
            type=completed_type(job.state),
            time=job.updated_at,
            subject=job.source.uri,
            traceparent=traceparent(job.trace, job.job_id),
            batch=job.batch,
            state=data.state,
            checks=data.checks,
            data=data,
        )
