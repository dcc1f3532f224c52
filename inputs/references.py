"""The files that an input refers to, looked up in the bucket: which are missing, and which cannot be used."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from inputs.read import BoltzInput, references
from inputs.sidecars import beside, check_beginning, too_large, unreachable
from inputs.suffixes import kind
from schemas.failure import Code, Failure
from schemas.storage import ObjectHead, ObjectUnreadableError

BEGINNING = 128 * 1024
"""First bytes of an MSA that are read, more than any chain is long; the worker checks a query behind them."""

TEMPLATE_BEGINNING = 1024 * 1024
"""First bytes of a template that are read: all of most, whose chains can then be told."""


class Uploads(Protocol):
    """The input bucket, as far as references go."""

    def head(self, name: str, most: int) -> ObjectHead | None:
        """Return the size and first ``most`` bytes of the object of this name, or None if it is missing.

        Raises ObjectUnreadableError.
        """


class ReferenceCheck(NamedTuple):
    """Names of the missing objects, and failures of those that cannot be used."""

    missing: tuple[str, ...]
    failures: tuple[Failure, ...]


def find(input_name: str, document: BoltzInput, uploads: Uploads) -> ReferenceCheck:
    """Return which of the files that a document refers to are missing or cannot be used."""
    names = references(document)
    if refused := unreachable(input_name, names):
        return ReferenceCheck((), (refused,))
    missing, failures = list[str](), list[Failure]()
    for name in names:
        try:
            most = BEGINNING if kind(name).msa else TEMPLATE_BEGINNING
            look = uploads.head(beside(input_name, name), most)
        except ObjectUnreadableError as error:
            failures.append(unreadable(error))
            continue
        if look is None:
            missing.append(beside(input_name, name))
        else:
            failures += _complaints(name, look, document)
    return ReferenceCheck(tuple(missing), tuple(failures))


def any_missing(names: Iterable[str], uploads: Uploads) -> bool:
    """Return whether an object is missing, without reading any."""
    try:
        return any(uploads.head(name, 0) is None for name in names)
    except ObjectUnreadableError:
        return False  # it is there


def unreadable(error: ObjectUnreadableError) -> Failure:
    """Return the failure of an object whose `Content-Encoding` is wrong or unsupported."""
    return Failure(
        code=Code.INVALID_INPUT,
        message=str(error),
        remedy="Upload it again as it is, or compressed by the tool that uploads it (gsutil cp -z).",
    )


def _complaints(name: str, look: ObjectHead, document: BoltzInput) -> Iterator[Failure]:
    if oversize := too_large(name, look.size):
        yield oversize
    elif wrong := check_beginning(name, look.beginning, document, whole=look.whole):
        yield wrong
