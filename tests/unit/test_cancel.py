from datetime import UTC, datetime

import pytest
from support.fakes import NOW, Outside, a_job, a_source

from dropfold.commands import cancel
from jobs import lifecycle
from schemas.failure import Code
from schemas.job import Job, State
from worker.errors import LeaseLostError
from worker.lease import LeasedJob


class CancellableJobs(Outside):
    """A ledger with jobs, and what settling reaches."""

    def add(self, number: int, name: str, state: State = State.QUEUED) -> Job:
        identity = f"{number:016x}"
        job = a_job(state, job_id=identity, source=a_source(name), output_prefix=f"{name}/{identity}/")
        return self.ledger.create(job)

    def found(self, *targets: str) -> list[str]:
        return [job.source.name for job in cancel.unfinished(self.ledger, "in", targets)]


def test_targets_are_ids_prefixes_and_uris_and_each_job_is_found_once() -> None:
    jobs = CancellableJobs()
    for number, name in enumerate(("run1/b.yaml", "run1/a.yaml", "run2/a.yaml")):
        jobs.add(number, name)
    assert jobs.found(f"{2:016x}") == ["run2/a.yaml"]
    assert jobs.found("run1/") == ["run1/a.yaml", "run1/b.yaml"]
    assert jobs.found("gs://in/run1/a.yaml", "run1/", f"{1:016x}") == ["run1/a.yaml", "run1/b.yaml"]
    assert jobs.found("run3/", "f" * 16) == []


def test_what_has_ended_is_not_found() -> None:
    jobs = CancellableJobs()
    jobs.add(1, "run1/a.yaml", State.SUCCEEDED)
    assert jobs.found("run1/", f"{1:016x}") == []


@pytest.mark.parametrize("state", [State.WAITING, State.QUEUED])
def test_a_cancelled_job_has_its_receipt_and_its_event_with_a_reason(state: State) -> None:
    jobs = CancellableJobs()
    ended = cancel.cancel(jobs.settler, jobs.add(1, "run1/a.yaml", state))
    assert cancel.is_cancelled(ended)
    assert (ended.errors[0].code, ended.pending) == (Code.CANCELLED, ())
    assert len(jobs.results.objects) == len(jobs.completions.messages) == 1


def test_a_running_job_is_cancelled_and_its_worker_loses_it() -> None:
    jobs = CancellableJobs()
    mine = LeasedJob(jobs.ledger, jobs.add(1, "run1/a.yaml"), "worker", renew_seconds=60)
    mine.claim()
    seen = mine.job
    mine.renew()  # so that the command's look is out of date
    assert cancel.is_cancelled(cancel.cancel(jobs.settler, seen))
    with pytest.raises(LeaseLostError):
        mine.renew()
    mine.stop_renewing()


def test_a_job_that_ends_a_moment_before_stays_as_it_ended() -> None:
    jobs = CancellableJobs()
    seen = jobs.add(1, "run1/a.yaml")
    jobs.ledger.replace(lifecycle.supersede(seen, datetime.now(UTC)))
    ended = cancel.cancel(jobs.settler, seen)
    assert (ended.state, len(jobs.completions.messages)) == (State.SUPERSEDED, 1)
    assert ended.updated_at > NOW
