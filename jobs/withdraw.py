"""End a job that is not wanted any more, whatever it does meanwhile."""

from collections.abc import Callable
from datetime import UTC, datetime

from jobs.ledger import ConflictError
from jobs.settle import Settler
from schemas.job import Job

End = Callable[[Job, datetime], Job]
"""A change that leads to a terminal state, such as ``lifecycle.supersede``."""


def withdraw(settler: Settler, job: Job, end: End) -> Job:
    """End the job, though a worker claims it or renews its lease, and settle it; return it as it ended.

    One that has ended by itself before stays as it is, and is settled in case nobody did.
    """
    known: Job | None = job
    while known is not None and not known.state.terminal:
        try:
            known = settler.ledger.replace(end(known, datetime.now(UTC)))
        except ConflictError:
            known = settler.ledger.get(job.job_id)
    return settler.settle(known) if known else job
