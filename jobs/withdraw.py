"""End a job that is not wanted any more, whatever happens to it meanwhile."""

from collections.abc import Callable
from datetime import UTC, datetime

from jobs.ledger import ConflictError
from jobs.settle import Settler
from schemas.job import Job

End = Callable[[Job, datetime], Job]
"""A change that leads to a terminal state, such as ``lifecycle.supersede``."""


def withdraw(settler: Settler, job: Job, end: End) -> Job:
    """End the job, even if a worker claims it or renews its lease meanwhile; settle it, and return it.

    One that has ended before stays as it is, and is settled again in case nobody did.
    """
    known: Job | None = job
    while known is not None and not known.state.terminal:
        try:
            known = settler.ledger.replace(end(known, datetime.now(UTC)))
        except ConflictError:
            known = settler.ledger.get(job.job_id)
    return settler.settle(known) if known else job
