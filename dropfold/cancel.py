"""Cancel jobs by id or by prefix of their objects' names."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Protocol

from jobs import lifecycle
from jobs.settle import Settler
from jobs.withdraw import withdraw
from schemas.job import Job, State


class Ledger(Protocol):
    """Where jobs are found."""

    def get(self, job_id: str) -> Job | None:
        """Read a job, or None."""

    def unfinished(self, bucket: str, prefix: str) -> Sequence[Job]:
        """Find the jobs that have not ended, of objects whose names begin with a prefix."""


def unfinished(ledger: Ledger, bucket: str, targets: Iterable[str]) -> list[Job]:
    """Find what the targets name, each job once: ids, or prefixes with or without ``gs://BUCKET/``."""
    found = (job for target in targets for job in _named(ledger, bucket, target))
    return list({job.job_id: job for job in found if not job.state.terminal}.values())


def cancel(settler: Settler, job: Job) -> Job:
    """Cancel a job, and return it as it ended: perhaps by itself, a moment before."""
    return withdraw(settler, job, partial(lifecycle.cancel, why="It was cancelled by a person's command."))


def is_cancelled(job: Job) -> bool:
    """Tell whether a job ended as it was to."""
    return job.state is State.CANCELLED


def _named(ledger: Ledger, bucket: str, target: str) -> Sequence[Job]:
    job = ledger.get(target) if "/" not in target else None
    return [job] if job else ledger.unfinished(bucket, target.removeprefix(f"gs://{bucket}/"))
