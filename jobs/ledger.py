"""What the stages need from the ledger: one document per job, every write a compare-and-set."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from schemas.job import Job, State

NEWEST = 50
"""Generations of an object that are looked at, at most: it gets one a second, and each looks as it comes."""


class AlreadyRecordedError(Exception):
    """The job exists: its event came before."""


class ConflictError(Exception):
    """Someone else changed the job since it was read."""


class UnreadableJobError(Exception):
    """The job is there, and this release cannot read it: a later one wrote it, or its record is damaged."""

    def __init__(self, job_id: str, why: str) -> None:
        super().__init__(
            f"This release cannot read the record of job {job_id}: {why}. "
            "If a later release wrote it, use that one; else docs/operations.md, Records, says what to do."
        )


class Ledger(Protocol):
    """One document per job. Jobs come back with the revision that their next write must name.

    A search passes over records that cannot be read, and logs them; a count counts them.
    """

    def create(self, job: Job) -> Job:
        """Record a new job. Raises AlreadyRecordedError."""

    def get(self, job_id: str) -> Job | None:
        """Read a job, or None. Raises UnreadableJobError."""

    def replace(self, job: Job) -> Job:
        """Write the job if it still has the revision that ``job`` was read at. Raises ConflictError."""

    def count(self, state: State, most: int) -> int:
        """Count the jobs in a state, and stop at so many."""

    def succeeded_as(self, fingerprint: str) -> Job | None:
        """Find a job that succeeded with this fingerprint."""

    def count_as(self, fingerprint: str, most: int) -> int:
        """Count the jobs that succeeded with this fingerprint, and stop at so many."""

    def waits(self, name: str) -> bool:
        """Tell whether any job waits for an object of this name."""

    def waiting_for(self, name: str, after: str = "") -> Iterable[Job]:
        """Find all jobs, behind one by their ids, that wait for an object of this name.

        They come in pages, each page as it is when it is asked for.
        """

    def generations(self, bucket: str, name: str) -> Sequence[Job]:
        """Find the jobs of the newest generations of an object, the newest first; the NEWEST at most."""

    def unfinished(self, bucket: str, prefix: str) -> Sequence[Job]:
        """Find the jobs that have not ended, of objects whose names begin with a prefix, by name."""

    def count_unfinished(self, bucket: str, prefix: str, most: int) -> int:
        """Count the same, and stop at so many."""

    def unknown(self, job_ids: Sequence[str]) -> set[str]:
        """Return those of these ids (any number) that no job has."""

    def waiting(self) -> Iterable[Job]:
        """Find all jobs that wait for files, by their ids, in pages as above."""

    def unsettled(self, before: datetime) -> Sequence[Job]:
        """Find ended jobs, last changed before a time, whose receipt or event is pending."""

    def unserved(self, before: datetime) -> Sequence[Job]:
        """Find queued jobs last changed before a time, the longest unchanged first; a page of them."""

    def newest_running(self) -> Job | None:
        """Find the running job that was taken in last."""

    def last_ended(self, since: datetime) -> Job | None:
        """Find the job that ended last, if that was after a time."""

    def lapsed(self, now: datetime) -> Sequence[Job]:
        """Find running jobs whose lease has expired."""
