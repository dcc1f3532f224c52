"""Download what a job names into a fresh folder: the input, pinned to its generation, and its references."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ParamSpec, Protocol, TypeVar

from inputs.read import (
    MAX_INPUT_BYTES,
    MAX_TOKENS,
    BoltzInput,
    InvalidInputError,
    normalised,
    read_input,
    references,
)
from inputs.sidecars import MAX_TOGETHER_BYTES, beside, check_file
from inputs.suffixes import kind
from schemas.checksum import sha256
from schemas.failure import Code, FailedError, Failure
from schemas.job import Alignment, Job, ReadFile
from schemas.storage import ObjectGoneError, ObjectTooLargeError, ObjectUnreadableError
from worker.child_pool import ChildPool

P = ParamSpec("P")
T = TypeVar("T")


class Call(Protocol):
    """Calls what reads the input and files of others: ``here``, or in a child, which can be killed."""

    def __call__(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what the function returns, raise what it raises; FailedError where it had to be ended."""


def here(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in this process."""
    return function(*args, **kwargs)


def in_child(children: ChildPool) -> Call:
    """Return what calls functions in a child: they take long, and this process has a device to keep busy."""

    def call(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return children.run(function, *args, **kwargs)
        except MemoryError as error:
            raise FailedError(_too_much()) from error

    return call


class Uploads(Protocol):
    """The input bucket."""

    def read(self, name: str, generation: int, limit: int) -> bytes:
        """Read one generation of an object.

        Raises ObjectGoneError, ObjectTooLargeError, ObjectUnreadableError.
        """

    def download(self, name: str, to: Path, limit: int) -> int:
        """Fetch an object's current generation; return which it was.

        Raises ObjectGoneError, ObjectTooLargeError, ObjectUnreadableError.
        """


@dataclass(frozen=True)
class Prepared:
    """An input ready for Boltz-2: its stem is the job id, its references lie beside it.

    ``text`` is what the user wrote, ``alignments`` are those that were made for it, and lie beside it, too.
    ``warnings`` say how its files were read otherwise than as they are.
    ``files`` are those that it names, as they were fetched.
    """

    input_file: Path
    document: BoltzInput
    text: str
    alignments: tuple[Alignment, ...] = ()
    warnings: tuple[str, ...] = ()
    files: tuple[ReadFile, ...] = ()


def check_all(document: BoltzInput, folder: Path) -> None:
    """Check all references, by name, for what Boltz would refuse late or not at all. Raises FailedError."""
    for name in references(document):
        with (folder / name).open(encoding="utf-8", errors=kind(name).errors) as lines:
            wrong = check_file(name, lines, document)
        if wrong:
            raise FailedError(wrong)


def prepare(
    job: Job, uploads: Uploads, folder: Path, call: Call = here, max_tokens: int = MAX_TOKENS
) -> Prepared:
    """Download what the job names, and nothing else; have it read and checked.

    Raises FailedError, also for more tokens than that.
    """
    source = job.source
    folder.mkdir(parents=True)
    with explained():
        content = uploads.read(source.name, source.generation, MAX_INPUT_BYTES)
        document = call(read_input, source.name, content, msa_service=True, max_tokens=max_tokens)
        files = fetch_all(references(document), source.name, uploads, folder)
    call(check_all, document, folder)
    input_file = folder / f"{job.job_id}{PurePosixPath(source.name).suffix.lower()}"
    text = normalised(content)
    input_file.write_bytes(text)
    return Prepared(input_file, document, text.decode(), files=files)


def fetch_all(names: Iterable[str], input_name: str, uploads: Uploads, folder: Path) -> tuple[ReadFile, ...]:
    """Download files that lie beside an object under the same names into a folder, each within its limit.

    Raises ObjectGoneError, ObjectTooLargeError, ObjectUnreadableError.
    """
    left, fetched = MAX_TOGETHER_BYTES, list[ReadFile]()
    for name in names:
        there, path = beside(input_name, name), folder / name
        generation = uploads.download(there, path, min(left, kind(name).most_bytes))
        read = ReadFile(name=there, generation=generation, size=path.stat().st_size, sha256=sha256(path))
        left -= read.size
        fetched.append(read)
    return tuple(fetched)


@contextmanager
def explained() -> Iterator[None]:
    """Turn what is wrong with an input or its files into a failure. Raises FailedError."""
    try:
        yield
    except InvalidInputError as error:
        raise FailedError(error.failures[0]) from error
    except ObjectGoneError as error:
        raise FailedError(_missing(str(error))) from error
    except ObjectTooLargeError as error:
        raise FailedError(_too_large(str(error))) from error
    except ObjectUnreadableError as error:
        raise FailedError(_unusable(str(error))) from error


def _missing(what: str) -> Failure:
    return Failure(
        code=Code.MISSING_REFERENCE,
        message=f"{what} is not there any more.",
        remedy="Upload it again, then the input.",
    )


def _too_large(what: str) -> Failure:
    return Failure(code=Code.TOO_LARGE, message=what, remedy="Use a smaller MSA or template.")


def _too_much() -> Failure:
    return Failure(
        code=Code.OUT_OF_MEMORY,
        message="Reading the input and its files took more memory than there is for it.",
        remedy="Use a smaller MSA or template, or shorten the chains.",
    )


def _unusable(what: str) -> Failure:
    remedy = "Upload it again as it is, or compressed by the tool that uploads it (gsutil cp -z)."
    return Failure(code=Code.INVALID_INPUT, message=what, remedy=remedy)
