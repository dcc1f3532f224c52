"""Checks whether an upload can be predicted: the same before it is sent as after, in the same words."""

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Protocol

from inputs.read import (
    INPUT_SUFFIXES,
    MAX_INPUT_BYTES,
    MAX_TOKENS,
    REFERENCE_SUFFIXES,
    BoltzInput,
    InvalidInputError,
    count_tokens,
    read_input,
)
from inputs.references import find, unreadable
from inputs.sampling import seed_of, unwritable
from inputs.tree import shorten
from schemas.failure import Code, Failure
from schemas.job import Source
from schemas.options import Options, RequestedOptions, read_metadata
from schemas.storage import ObjectHead, ObjectTooLargeError, ObjectUnreadableError
from schemas.upload import why_ignored


class Uploads(Protocol):
    """Storage of the upload and of the files that it refers to: a bucket, or a folder before it is sent."""

    def read(self, name: str, generation: int, limit: int) -> bytes:
        """Return the content of one generation of an object.

        Raises ObjectGoneError, ObjectTooLargeError, ObjectUnreadableError.
        """

    def head(self, name: str, most: int) -> ObjectHead | None:
        """Return the size and first ``most`` bytes of the object of this name, or None if it is missing.

        Raises ObjectUnreadableError.
        """


@dataclass(frozen=True)
class Accepted:
    """An upload that can be predicted."""

    request: RequestedOptions
    document: BoltzInput
    missing: tuple[str, ...]

    @property
    def seed(self) -> int:
        """The seed derived from the input's content."""
        return seed_of(self.document)

    @property
    def tokens(self) -> int:
        """The number of tokens, as Boltz-2 counts them."""
        return count_tokens(self.document)


@dataclass(frozen=True)
class Rules:
    """The rules of a deployment: its default options, and what it accepts.

    Without ``msa_service`` every protein must say where its MSA is.
    """

    default_options: Options = field(default_factory=Options)
    msa_service: bool = False
    max_tokens: int = MAX_TOKENS


@dataclass(frozen=True)
class Examiner:
    """Examines uploads."""

    uploads: Uploads
    rules: Rules

    def examine(self, source: Source) -> Accepted | tuple[Failure, ...]:
        """Return the accepted upload, or every reason against it. Raises ObjectGoneError."""
        if refused := _refuse_unread(source):
            return (refused,)
        asked = read_metadata(source.metadata, self.rules.default_options)
        refusals = asked if isinstance(asked, tuple) else ()
        try:
            document = self.document(source)
        except InvalidInputError as error:
            return (*refusals, *error.failures)
        if isinstance(asked, tuple):
            return refusals
        if refusal := unwritable(document, asked.options, "metadata.dropfold-output-format"):
            return (refusal,)
        found = find(source.name, document, self.uploads)
        return found.failures or Accepted(asked, document, found.missing)

    def document(self, source: Source) -> BoltzInput:
        """Read and check the input. Raises InvalidInputError, ObjectGoneError."""
        try:
            content = self.uploads.read(source.name, source.generation, MAX_INPUT_BYTES)
        except ObjectTooLargeError as error:
            raise InvalidInputError((_too_large(str(error)),)) from error
        except ObjectUnreadableError as error:
            raise InvalidInputError((unreadable(error),)) from error
        msa_service, max_tokens = self.rules.msa_service, self.rules.max_tokens
        return read_input(source.name, content, msa_service=msa_service, max_tokens=max_tokens)


def is_input(name: str) -> bool:
    """Return whether an upload of this name gets a receipt."""
    return why_ignored(name) is None and not is_reference(name)


def is_reference(name: str) -> bool:
    """Return whether an upload of this name is a file that inputs refer to."""
    return _suffix(name) in REFERENCE_SUFFIXES


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _refuse_unread(source: Source) -> Failure | None:
    suffix, shown = _suffix(source.name), shorten(source.name, 300)
    if suffix not in INPUT_SUFFIXES:
        known = ", ".join(sorted(INPUT_SUFFIXES))
        return Failure(
            code=Code.UNSUPPORTED_FILE,
            message=f"{shown}: files of type {shorten(suffix) or 'none'} are no Boltz-2 input.",
            value=suffix or None,
            remedy=f"Upload one of {known}; MSA and template files are taken beside their input.",
        )
    if source.size > MAX_INPUT_BYTES:
        return _too_large(f"{shown} has {source.size:,} bytes; the limit is {MAX_INPUT_BYTES:,}.")
    return None


def _too_large(what: str) -> Failure:
    remedy = "Split the input; MSAs belong into .a3m files beside it."
    return Failure(code=Code.TOO_LARGE, message=what, remedy=remedy)
