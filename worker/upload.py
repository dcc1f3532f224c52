"""Upload what an attempt has made, fenced: while the lease is ours, and over nothing that came later."""

from pathlib import Path
from typing import Protocol

from schemas.job import Output
from schemas.outputs import content_type_of
from schemas.storage import ContentDiffersError
from worker.lease import LeasedJob


class Destination(Protocol):
    """The output bucket, as far as writing goes."""

    def upload(self, path: Path, name: str, content_type: str, if_generation: int = 0) -> Output:
        """Upload over a generation, 0 for none. Raises ContentDiffersError, StorageUnavailableError."""

    def generation(self, name: str) -> int | None:
        """Return the generation of the object that has this name now, None if it does not exist."""


def upload(path: Path, public_name: str, leased: LeasedJob, to: Destination) -> Output:
    """Upload a file over what an earlier attempt may have left, be it the same or not.

    Raises LeaseLostError, StorageUnavailableError.
    """
    name, content_type = leased.job.output_prefix + public_name, content_type_of(path)
    over = _replaceable(name, leased, to) if leased.job.attempt > 1 else 0
    try:
        return to.upload(path, name, content_type, over)
    except ContentDiffersError:
        return to.upload(path, name, content_type, _replaceable(name, leased, to))


def _replaceable(name: str, leased: LeasedJob, to: Destination) -> int:
    """Return the generation that may be replaced: of what lay there while the lease was still ours.

    It is read before the lease is checked: whoever sleeps in between, or after, finds that the next holder
    has made another generation of every file.
    """
    there = to.generation(name) or 0
    leased.renew()
    return there
