"""The receipt: what became of one upload. Written last, once, beside the outputs."""

from typing import Literal, Self

from pydantic import AwareDatetime, Field

from schemas.checks import Checks
from schemas.failure import Failure
from schemas.job import (
    MAX_WARNINGS,
    Alignment,
    ComputeDevice,
    Job,
    Model,
    Output,
    ReadFile,
    Source,
    Terminal,
)
from schemas.options import Options
from schemas.record import Record

RECEIPT, REPORT, SUMMARY = "receipt.json", "report.html", "summary.png"
"""Names in the folder of a job's outputs: the receipt, the page and the picture of a prediction."""

MAX_RECEIPT_BYTES = 4 * 1024 * 1024


class Receipt(Record):
    """``receipt.json``: whoever sees it sees a whole result.

    Timings are seconds by stage. Scores are Boltz-2's, and those made from its PAE.
    """

    version: Literal[1] = 1
    job_id: str = Field(pattern=r"^[0-9a-f]{16}$")
    state: Terminal
    source: Source
    batch: str
    options: Options
    decided: dict[str, str] = Field(
        default_factory=dict, description="Options that were left to dropfold (auto), and the reason of each."
    )
    tokens: int | None = Field(
        None, ge=1, description="Residues, and atoms of ligands; null where the file could not be read."
    )
    model: Model | None
    fingerprint: str | None = Field(None, description="SHA-256 of all that the result depends on.")
    cached_from: str | None = Field(None, description="Job whose outputs were copied: nothing was computed.")
    alignments: tuple[Alignment, ...] = Field(
        (), description="Alignments that were made for proteins without one of their own."
    )
    warnings: tuple[str, ...] = Field(
        (),
        max_length=MAX_WARNINGS,
        description="In words: what of the files that the input names was read otherwise.",
    )
    files: tuple[ReadFile, ...] = Field(
        (), description="MSAs and templates that the input names, as they were read."
    )
    device: ComputeDevice | None = Field(None, description="What computed the result; null where unknown.")
    checks: Checks | None = Field(None, description="Verdict on the structures; null where there are none.")
    outputs: tuple[Output, ...]
    scores: dict[str, float]
    error: Failure | None
    errors: tuple[Failure, ...]
    timings: dict[str, float]
    attempt: int = Field(ge=0)
    worker: str | None = Field(description="Execution, task and task attempt that ran it.")
    created_at: AwareDatetime
    finished_at: AwareDatetime

    @classmethod
    def of(cls, job: Job) -> Self:
        """Return the receipt of a job in a terminal state: a pure function of its record."""
        shared = {name: getattr(job, name) for name in cls.model_fields.keys() & Job.model_fields.keys()}
        first = job.errors[0] if job.errors else None
        return cls.model_validate({**shared, "error": first, "finished_at": job.updated_at})

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Return the receipt, without a later release's fields. Raises pydantic's ValidationError."""
        return cls.model_validate_json(body, extra="ignore")

    def encode(self) -> bytes:
        """Return the bytes of receipt.json."""
        return self.model_dump_json(indent=2).encode() + b"\n"


def receipt_name(job: Job) -> str:
    """Return the name of the receipt's object in the output bucket."""
    return f"{job.output_prefix}{RECEIPT}"
