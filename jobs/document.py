"""A job as a document of the ledger, which an earlier or a later release may have written. Decision 010.

A field that this release does not know is not read, and is still there after a write: unchanged fields are
written as they were stored.
"""

import logging
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from jobs.ledger import UnreadableJobError
from schemas.job import Job, Revision, State
from schemas.options import Options

LONGEST = 100
"""Most characters of a value that a message shows."""

logger = logging.getLogger(__name__)


def encode(job: Job) -> dict[str, object]:
    """Return the fields to store: those changed since the job was read, all others as they were stored."""
    stored, after = job.revision.document, job.model_dump()
    before = _read(stored).model_dump() if stored else {}
    return _fields(stored, before, after)


def decode(job_id: str, document: Mapping[str, Any], mark: object) -> Job:
    """Return the job of a document. Raises UnreadableJobError."""
    try:
        job = _read(document)
    except ValidationError as error:
        why = "; ".join(map(_said, error.errors()))
        raise UnreadableJobError(job_id, why) from None  # pydantic's own words show what is stored
    unknown = document.get("options", {}).keys() - Options.model_fields
    return job.evolve(revision=Revision(mark, document), unknown_options=tuple(sorted(unknown)))


def decode_or_log(job_id: str, document: Mapping[str, Any], mark: object) -> Job | None:
    """Return the job of a document, or None for an unreadable one, which is logged."""
    try:
        return decode(job_id, document, mark)
    except UnreadableJobError as error:
        logger.error("passed over: %s", error, extra={"action": "record.unreadable", "job_id": job_id})  # noqa: TRY400  it says all
        return None


def state_of(document: Mapping[str, object]) -> State | None:
    """Return the state that a document names, or None if this release does not know it."""
    return next((state for state in State if state == document.get("state")), None)


def _read(document: Mapping[str, object]) -> Job:
    return Job.model_validate(document, extra="ignore")


def _said(detail: ErrorDetails) -> str:
    where, value = ".".join(map(str, detail["loc"])), detail["input"]
    shown = f" is {value!r:.{LONGEST}}" if isinstance(value, str | int | float) else ""
    return f"{where}{shown}: {detail['msg']}"


def _fields(
    stored: Mapping[str, object], before: Mapping[str, object], after: Mapping[str, object]
) -> dict[str, object]:
    return {
        name: _merged(stored[name], before.get(name), value) if name in stored else value
        for name, value in after.items()
    }


def _merged(stored: object, before: object, after: object) -> object:
    """Return the stored value with a change merged in; a changed element of a list is replaced whole."""
    if before == after:
        return stored
    match stored, before, after:
        case Mapping(), Mapping(), Mapping():
            unread = {name: value for name, value in stored.items() if name not in before}
            return unread | _fields(stored, before, after)
        case [*_], [*_], [*_]:
            each = zip(stored, before, after, strict=False)
            return [old if was == now else now for old, was, now in each] + list(after[len(before) :])
    return after
