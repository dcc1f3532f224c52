"""The job: one upload (one generation of one object) on its way to a receipt."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Literal, Self, get_args

from pydantic import AwareDatetime, Field
from pydantic.json_schema import SkipJsonSchema

from schemas.checks import Checks
from schemas.failure import Code, Failure, shortened_to
from schemas.options import Options
from schemas.record import Record
from schemas.vocabulary import Vocabulary

MAX_NAME_BYTES = 1024
"""Longest object name in Cloud Storage, in bytes of UTF-8."""

MAX_WARNINGS, MAX_WARNING = 20, 400
"""Most warnings of a job, and the longest, in characters."""

MAX_ABOUT = 100
"""Characters of a text about a device that are kept."""


def job_id(bucket: str, name: str, generation: int) -> str:
    """Return the id of an upload's job: the same for the same event twice, another for an overwrite."""
    return hashlib.sha256(f"{bucket}/{name}#{generation}".encode()).hexdigest()[:16]


class State(StrEnum):
    """State of a job; jobs/lifecycle.py has the transitions."""

    WAITING = "WAITING"  # valid, but a file it refers to is not there yet
    ALIGNING = "ALIGNING"  # valid, but an alignment that it needs is not made yet
    QUEUED = "QUEUED"  # work for any worker
    RUNNING = "RUNNING"  # one worker holds the lease
    SUCCEEDED = "SUCCEEDED"  # its outputs are proven and uploaded
    FAILED = "FAILED"  # a worker could not predict it, or no worker could take it
    REJECTED = "REJECTED"  # cannot be predicted, which intake saw, or a file that it refers to never came
    CANCELLED = "CANCELLED"  # the object was deleted, or a person does not want it any more
    SUPERSEDED = "SUPERSEDED"  # a newer generation of the object took its place

    @property
    def terminal(self) -> bool:
        """Whether a job ends in this state."""
        return self in TERMINAL


Terminal = Literal[State.SUCCEEDED, State.FAILED, State.REJECTED, State.CANCELLED, State.SUPERSEDED]
TERMINAL: tuple[State, ...] = get_args(Terminal)
"""Terminal states. All else that lists them derives from this, or is compared with it by a test."""


UNFINISHED = tuple(state for state in State if not state.terminal)


class Effect(Vocabulary):
    """Side effect of a state change, kept in the record until it is done (transactional outbox)."""

    ALIGN = "ALIGN"  # ask for the alignments
    REQUEST = "REQUEST"  # publish to the requested topic
    RECEIPT = "RECEIPT"  # write receipt.json
    EVENT = "EVENT"  # publish the completion event


class Source(Record):
    """The uploaded object, pinned to its generation. ``crc32c`` is base64, as Cloud Storage writes it."""

    bucket: str
    name: str
    generation: int
    size: int = 0
    crc32c: str | None = None
    time: AwareDatetime
    metadata: dict[str, str] = Field(default_factory=dict)

    @property
    def uri(self) -> str:
        """The object as Google's tools write it, names unescaped."""
        return f"gs://{self.bucket}/{self.name}"


class Lease(Record):
    """The worker that holds the job, and until when. The fencing token is the job's attempt."""

    holder: str
    expires_at: AwareDatetime


class Output(Record):
    """One object that the job wrote: its full name in the output bucket, bytes, base64 crc32c."""

    name: str
    size: int
    crc32c: str


Speed = Literal["exact", "fast"]
"""How a model computes: to the bytes of ``boltz predict``, or faster, with other last digits."""


class Model(Record):
    """The model that computed the result. ``random_weights`` marks a result that means nothing."""

    name: str
    version: str
    weights_digest: str
    random_weights: bool
    speed: Speed = "exact"

    @property
    def title(self) -> str:
        """Name it, with its version; and its speed, where that changes digits."""
        return f"{self.name} {self.version}{', fast' if self.speed == 'fast' else ''}"


class Alignment(Record):
    """Alignment of a protein that named none: where it came from, and how deep it is.

    ``rows`` counts the query once: 1 is an alignment without homologues. ``paired`` counts the rows of the
    whole complex, its own sequences included. ``sha256`` is of the CSV that the model read, in hexadecimal;
    ``object`` has what the server had answered, in the bucket of alignments.
    """

    chains: tuple[str, ...]
    server: str
    database: str
    rows: int = Field(ge=1)
    paired: int = Field(ge=0)
    sha256: str
    object: str


Bounded = Annotated[str, Field(max_length=MAX_ABOUT), shortened_to(MAX_ABOUT)]


class ComputeDevice(Record):
    """What computed a result: another one, or another driver or torch, may round otherwise.

    ``name`` of a processor ends in the instructions that torch uses of it.
    """

    name: Bounded
    driver: Bounded | None = Field(None, description="Version of the GPU's driver; null without a GPU.")
    cuda: Bounded | None = Field(None, description="Version of CUDA that torch was built for, on a GPU.")
    torch: Bounded
    kernels: bool = Field(description="Whether the fused kernels (cuEquivariance) computed.")
    compiled: bool = Field(False, description="Whether layers that were compiled ahead of time computed.")
    precision: Bounded = Field(description="bfloat16 (mixed) or float32.")


class ReadFile(Record):
    """A file that the input names, as the worker read it: its object in the input bucket.

    Bytes and SHA-256, in hexadecimal, are of the content, decompressed where it is stored compressed.
    """

    name: str
    generation: int
    size: int
    sha256: str


class Result(Record):
    """Fields that a successful attempt adds to its job. Timings are seconds by stage.

    ``fingerprint`` identifies all that the result depends on; ``cached_from`` is the job whose outputs were
    copied, where one with the same fingerprint had succeeded before. ``scores`` are Boltz-2's, and those made
    from its PAE.
    """

    outputs: tuple[Output, ...]
    scores: dict[str, float]
    timings: dict[str, float]
    model: Model
    fingerprint: str
    cached_from: str | None = None
    alignments: tuple[Alignment, ...] = ()
    warnings: tuple[str, ...] = ()
    files: tuple[ReadFile, ...] = ()
    device: ComputeDevice | None = None
    checks: Checks | None = None


class Change(Record):
    """One line of the job's history; ``code`` is why an attempt came to nothing.

    ``state`` is text where it is one of a later release.
    """

    at: AwareDatetime
    event: str
    state: Annotated[State | str, Field(union_mode="left_to_right")]
    code: Code | None = None


@dataclass(frozen=True)
class Revision:
    """The document that a job was read from, and the mark by which the storage knows this version of it."""

    mark: object = None
    document: Mapping[str, object] = field(default_factory=dict)


class Job(Record):
    """One document of the ledger. Changed by ``evolve`` alone; times are timezone-aware UTC."""

    # The upload and its request. Intake writes these once.
    job_id: str  # of the upload's bucket, name and generation: ``job_id()``; the document's id
    source: Source
    batch: str  # under which the result is filed: as asked for, else the object's folder; "" for the root
    fresh: bool = False  # computed even where an equal result could be copied
    options: Options = Options()  # with the seed of the file unless one was asked for
    tokens: int | None = None  # residues of polymers, atoms of ligands; None where the file could not be read
    trace: str  # W3C trace id of the upload's event: finds all log lines about it
    output_prefix: str  # of everything that it writes to the output bucket, with a slash at its end
    created_at: AwareDatetime  # when it was taken in

    # Its state. Whoever changes it writes these, all by ``jobs.lifecycle``.
    state: State
    updated_at: AwareDatetime  # of the last change, if only that it was asked for once more
    history: tuple[Change, ...] = ()  # its moves, the oldest first
    pending: tuple[Effect, ...] = ()  # what has to follow its last move and is not known to be done
    expire_at: AwareDatetime | None = None  # when the ledger forgets it; None until it has ended

    # While it waits: empty otherwise.
    waits_for: tuple[str, ...] = ()  # names of objects of the input bucket that are not there
    aligns: tuple[str, ...] = ()  # names of objects of the bucket of alignments that are not there
    wait_until: AwareDatetime | None = None  # when it ends for want of them

    msa_server: str | None = None  # host that letters of its proteins go to; None where none need to

    # Its attempts. The worker that claims it writes these.
    attempt: int = 0  # counts claims; the fencing token of whoever holds the lease
    lease: Lease | None = None  # None unless it is RUNNING
    worker: str | None = None  # execution, task and try of the last worker that claimed it; None before
    decided: dict[str, str] = Field(default_factory=dict)  # options that were auto, and what spoke for each

    # Its result. The worker writes these with the move to SUCCEEDED; they are empty at every other end.
    outputs: tuple[Output, ...] = ()
    scores: dict[str, float] = Field(default_factory=dict)  # of the best sample, by Boltz-2's names
    timings: dict[str, float] = Field(default_factory=dict)  # seconds by stage
    model: Model | None = None  # what computed it
    fingerprint: str | None = None  # SHA-256 of all that it depends on
    cached_from: str | None = None  # job whose outputs were copied; None where it was computed
    alignments: tuple[Alignment, ...] = ()  # those that were made for it
    warnings: tuple[str, ...] = ()  # how files that the input names were read otherwise than as they are
    files: tuple[ReadFile, ...] = ()  # MSAs and templates that were read for it
    device: ComputeDevice | None = None  # what computed it; None where that is not known
    checks: Checks | None = None  # verdict on its structures; None where they were not checked at all

    errors: tuple[Failure, ...] = ()  # why it ended without a result, the first one first

    # Of this process alone, and never stored.
    unknown_options: Annotated[SkipJsonSchema[tuple[str, ...]], Field(exclude=True, repr=False)] = ()
    """Names of options of a later release; the job is left to one that knows them."""
    # by a factory: pydantic would copy a default, deeply, for each job that is read
    revision: SkipJsonSchema[Revision] = Field(default_factory=Revision, exclude=True, repr=False)

    @property
    def about(self) -> dict[str, object]:
        """The fields of every log line about the job."""
        return {"job_id": self.job_id, "attempt": self.attempt, "trace": self.trace}

    @property
    def left_to_others(self) -> tuple[Effect, ...]:
        """The pending effects that only a later release knows."""
        return tuple(effect for effect in self.pending if not effect.known)

    def evolve(self, **changes: object) -> Self:
        """Return a copy with these fields changed; the only way a job changes."""
        return self.model_copy(update=changes)
