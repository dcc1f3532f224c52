"""Bring what a job names into a fresh folder: the input, pinned to its generation, and its references."""

import posixpath
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from jobs.objects import ObjectGoneError, ObjectTooLargeError
from schemas.boltz_input import BoltzInput, InvalidInput, read_input, references
from schemas.failure import Code, FailedError, Failure
from schemas.job import Job

MAX_REFERENCE_BYTES = 512 * 1024 * 1024
"""Bytes of all files that one input refers to: they lie in memory where the worker runs."""


class Uploads(Protocol):
    """The input bucket."""

    def read(self, name: str, generation: int) -> bytes:
        """Read one generation of an object. Raises ObjectGoneError."""

    def download(self, name: str, to: Path, limit: int) -> None:
        """Fetch an object's current generation. Raises ObjectGoneError, ObjectTooLargeError."""


@dataclass(frozen=True)
class Prepared:
    """An input ready for Boltz-2: its stem is the job id, its references lie beside it."""

    input_file: Path
    document: BoltzInput


def prepare(job: Job, uploads: Uploads, folder: Path) -> Prepared:
    """Download what the job names, and nothing else. Raises FailedError."""
    source = job.source
    folder.mkdir(parents=True)
    with explained():
        content = uploads.read(source.name, source.generation)
        document = read_input(source.name, content, msa_service=True)
        fetch_all(references(document), source.name, uploads, folder)
    input_file = folder / f"{job.job_id}{PurePosixPath(source.name).suffix.lower()}"
    input_file.write_bytes(content)
    return Prepared(input_file, document)


def fetch_all(names: Iterable[str], beside: str, uploads: Uploads, folder: Path) -> None:
    """Download files that lie beside an object under the same names into a folder, all within one limit.

    Raises ObjectGoneError, ObjectTooLargeError.
    """
    left = MAX_REFERENCE_BYTES
    for name in names:
        uploads.download(posixpath.join(posixpath.dirname(beside), name), folder / name, left)
        left -= (folder / name).stat().st_size


@contextmanager
def explained() -> Iterator[None]:
    """Put what is wrong with an input or its files into a failure. Raises FailedError."""
    try:
        yield
    except InvalidInput as error:
        raise FailedError(error.failures[0]) from error
    except ObjectGoneError as error:
        raise FailedError(_missing(str(error))) from error
    except ObjectTooLargeError as error:
        raise FailedError(_too_large(str(error))) from error


def _missing(what: str) -> Failure:
    return Failure(
        code=Code.MISSING_REFERENCE,
        message=f"{what} is not there any more.",
        remedy="Upload it again, then the input.",
    )


def _too_large(what: str) -> Failure:
    return Failure(code=Code.TOO_LARGE, message=what, remedy="Use a smaller MSA or template.")
