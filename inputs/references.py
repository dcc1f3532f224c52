"""The files that an input refers to, as the bucket has them: which are missing, and which will not do."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from inputs import msa
from inputs.read import BoltzInput, references
from inputs.sidecars import beside, too_large, unreachable
from inputs.suffixes import kind
from schemas.failure import Code, Failure
from schemas.storage import Look, ObjectUnreadableError

BEGINNING = 128 * 1024
"""Bytes of an MSA that are read. Its query is among them, or for the worker to find: no chain is so long."""


class Uploads(Protocol):
    """The input bucket, as far as references go."""

    def look(self, name: str, most: int) -> Look | None:
        """Look at the object that has this name now, and at its ``most`` first bytes; None where none is.

        Raises ObjectUnreadableError.
        """


class Found(NamedTuple):
    """Names of objects that are not there yet, and why others will not do."""

    missing: tuple[str, ...]
    failures: tuple[Failure, ...]


def find(input_name: str, document: BoltzInput, uploads: Uploads) -> Found:
    """Look at every file that a document refers to."""
    names = references(document)
    if refused := unreachable(input_name, names):
        return Found((), (refused,))
    missing, failures = list[str](), list[Failure]()
    for name in names:
        try:
            look = uploads.look(beside(input_name, name), BEGINNING if kind(name).msa else 0)
        except ObjectUnreadableError as error:
            failures.append(unreadable(error))
            continue
        if look is None:
            missing.append(beside(input_name, name))
        else:
            failures += _complaints(name, look, document)
    return Found(tuple(missing), tuple(failures))


def any_missing(names: Iterable[str], uploads: Uploads) -> bool:
    """Tell whether an object is not there, without a look into the others."""
    try:
        return any(uploads.look(name, 0) is None for name in names)
    except ObjectUnreadableError:
        return False  # it is there


def unreadable(error: ObjectUnreadableError) -> Failure:
    """Refuse what is stored in an encoding that is none, or that nobody here reads."""
    return Failure(
        code=Code.INVALID_INPUT,
        message=str(error),
        remedy="Upload it again as it is, or compressed by the tool that uploads it (gsutil cp -z).",
    )


def _complaints(name: str, look: Look, document: BoltzInput) -> Iterator[Failure]:
    if oversize := too_large(name, look.size):
        yield oversize
    elif kind(name).msa and (wrong := msa.check_beginning(name, look.beginning, document, whole=look.whole)):
        yield wrong
