"""Why a job did not succeed: a declared set of codes, and the record that tells a person what to do."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from schemas.vocabulary import Vocabulary


class Code(Vocabulary):
    """Failure class of a job; the comment beside each member is its reason."""

    # Permanent: the same file would fail the same way again.
    INVALID_INPUT = "INVALID_INPUT"  # the file breaks the grammar, or Boltz-2 cannot read it
    UNSUPPORTED_FILE = "UNSUPPORTED_FILE"  # neither an input nor a file that an input can refer to
    TOO_LARGE = "TOO_LARGE"  # over a size limit of the intake
    MISSING_REFERENCE = "MISSING_REFERENCE"  # a file it refers to never arrived, or went away
    OUT_OF_MEMORY = "OUT_OF_MEMORY"  # does not fit on the device
    TIMEOUT = "TIMEOUT"  # took longer than one prediction may
    MSA_REFUSED = "MSA_REFUSED"  # the MSA server does not align one of its sequences
    NO_OUTPUT = "NO_OUTPUT"  # the model ended without a whole, finite result
    # Withdrawn: nothing failed, but the result is not wanted any more.
    CANCELLED = "CANCELLED"  # the object was deleted, or a person cancelled the job
    SUPERSEDED = "SUPERSEDED"  # the object was overwritten
    # Retryable: the surroundings failed, not the input.
    WORKER_LOST = "WORKER_LOST"  # the worker went away and its lease ran out
    CUDA_ERROR = "CUDA_ERROR"  # the device failed; a fresh process may succeed
    STORAGE_UNAVAILABLE = "STORAGE_UNAVAILABLE"  # the bucket refused for longer than the client retries
    PREEMPTED = "PREEMPTED"  # the platform asked the worker to leave
    MSA_UNAVAILABLE = "MSA_UNAVAILABLE"  # the MSA server made no alignment for a day


WITHDRAWN = frozenset({Code.CANCELLED, Code.SUPERSEDED})
RETRYABLE = frozenset(
    {Code.WORKER_LOST, Code.CUDA_ERROR, Code.STORAGE_UNAVAILABLE, Code.PREEMPTED, Code.MSA_UNAVAILABLE}
)
PERMANENT = frozenset(Code) - WITHDRAWN - RETRYABLE


def shortened(text: str, limit: int) -> str:
    """Return the text, cut to at most ``limit`` characters."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def shortened_to(limit: int) -> BeforeValidator:
    """Return a validator that cuts an uploader's text to a length that people read and the ledger holds."""
    return BeforeValidator(lambda text: shortened(text, limit) if isinstance(text, str) else text)


class Failure(BaseModel):
    """One reason, in the words of the person who uploaded the file.

    ``field`` is the path into the document (``sequences[0].protein.msa``), or None where the whole file is
    meant; ``value`` is the offending value, shortened; ``remedy`` says what to change.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: Code
    message: Annotated[str, Field(max_length=2000), shortened_to(2000)]
    field: Annotated[str, Field(max_length=500), shortened_to(500)] | None = None
    value: Annotated[str, Field(max_length=200), shortened_to(200)] | None = None
    remedy: Annotated[str, Field(max_length=1000), shortened_to(1000)]


class FailedError(Exception):
    """A stage ends a job with this failure; its code says whether another attempt makes sense."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)  # as the one argument, so that the error survives the way between processes
        self.failure = failure

    def __str__(self) -> str:
        return f"{self.failure.code}: {self.failure.message}"
