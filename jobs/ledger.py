"""The ledger as the stages need it: one document per job, every write a compare-and-set."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from schemas.job import Job, State

NEWEST = 50
"""Most generations of an object that are searched: it gets one a second, and each searches as it comes."""


class LedgerError(Exception):
    """Root of the errors of the ledger."""


class AlreadyRecordedError(LedgerError):
    """The job exists: its event came before."""


class ConflictError(LedgerError):
    """Someone else changed the job since it was read."""


class UnreadableJobError(LedgerError):
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
        """Return a job, or None if it is missing. Raises UnreadableJobError."""

    def replace(self, job: Job) -> Job:
        """Write the job if it still has the revision that ``job`` was read at. Raises ConflictError."""

    def count(self, state: State, most: int) -> int:
        """Return the number of jobs in a state, at most ``most``."""

    def succeeded_as(self, fingerprint: str) -> Job | None:
        """Return a job that succeeded with this fingerprint, or None."""

    def count_as(self, fingerprint: str, most: int) -> int:
        """Return the number of jobs that succeeded with this fingerprint, at most ``most``."""

    def waits(self, name: str) -> bool:
        """Return whether any job waits for an object of this name."""

    def waiting_for(self, name: str, after: str = "") -> Iterable[Job]:
        """Yield the jobs that wait for an object of this name, by their ids, from the one after ``after``.

        They are read in pages, each page when it is asked for.
        """

    def aligning(self) -> Iterable[Job]:
        """Yield the jobs that lack alignments, the longest unchanged first, in pages as above."""

    def aligning_for(self, name: str) -> Iterable[Job]:
        """Yield the jobs that lack the alignment of this name, by their ids, in pages as above."""

    def generations(self, bucket: str, name: str) -> Sequence[Job]:
        """Return the jobs of the newest generations of an object, the newest first, NEWEST at most."""

    def unfinished(self, bucket: str, prefix: str) -> Sequence[Job]:
        """Return the jobs that have not ended, of objects whose names begin with a prefix, by name."""

    def count_unfinished(self, bucket: str, prefix: str, most: int) -> int:
        """Return the number of these, at most ``most``."""

    def unknown(self, job_ids: Sequence[str]) -> set[str]:
        """Return those of these ids (any number) that no job has."""

    def waiting(self) -> Iterable[Job]:
        """Yield all jobs that wait for files, by their ids, in pages as above."""

    def unsettled(self, before: datetime) -> Sequence[Job]:
        """Return ended jobs, last changed before a time, whose receipt or event is pending."""

    def unserved(self, before: datetime) -> Sequence[Job]:
        """Return queued jobs last changed before a time, the longest unchanged first; a page of them."""

    def newest_running(self) -> Job | None:
        """Return the running job that was taken in last, or None."""

    def last_ended(self, since: datetime) -> Job | None:
        """Return the job that ended last if that was after a time, else None."""

    def lapsed(self, now: datetime) -> Sequence[Job]:
        """Return running jobs whose lease has expired."""
