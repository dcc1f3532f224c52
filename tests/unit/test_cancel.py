from datetime import UTC, datetime

import pytest
from support.fakes import NOW, Outside, a_job, a_source

from dropfold.commands import cancel
from jobs import lifecycle
from schemas.failure import Code
from schemas.job import Job, State
from worker.errors import LeaseLostError
from worker.lease import LeasedJob


class House(Outside):
    """A ledger with jobs, and what settling reaches."""

    def add(self, number: int, name: str, state: State = State.QUEUED) -> Job:
        identity = f"{number:016x}"
        job = a_job(state, job_id=identity, source=a_source(name), output_prefix=f"{name}/{identity}/")
        return self.ledger.create(job)

    def found(self, *targets: str) -> list[str]:
        return [job.source.name for job in cancel.unfinished(self.ledger, "in", targets)]


def test_targets_are_ids_prefixes_and_uris_and_each_job_is_found_once() -> None:
    house = House()
    for number, name in enumerate(("run1/b.yaml", "run1/a.yaml", "run2/a.yaml")):
        house.add(number, name)
    assert house.found(f"{2:016x}") == ["run2/a.yaml"]
    assert house.found("run1/") == ["run1/a.yaml", "run1/b.yaml"]
    assert house.found("gs://in/run1/a.yaml", "run1/", f"{1:016x}") == ["run1/a.yaml", "run1/b.yaml"]
    assert house.found("run3/", "f" * 16) == []


def test_what_has_ended_is_not_found() -> None:
    house = House()
    house.add(1, "run1/a.yaml", State.SUCCEEDED)
    assert house.found("run1/", f"{1:016x}") == []


@pytest.mark.parametrize("state", [State.WAITING, State.QUEUED])
def test_a_cancelled_job_has_its_receipt_and_its_event_with_a_reason(state: State) -> None:
    house = House()
    ended = cancel.cancel(house.settler, house.add(1, "run1/a.yaml", state))
    assert cancel.is_cancelled(ended)
    assert (ended.errors[0].code, ended.pending) == (Code.CANCELLED, ())
    assert len(house.receipts.objects) == len(house.completions.messages) == 1


def test_a_running_job_is_cancelled_and_its_worker_loses_it() -> None:
    house = House()
    mine = LeasedJob(house.ledger, house.add(1, "run1/a.yaml"), "worker", renew_seconds=60)
    mine.claim()
    seen = mine.job
    mine.renew()  # so that the command's look is out of date
    assert cancel.is_cancelled(cancel.cancel(house.settler, seen))
    with pytest.raises(LeaseLostError):
        mine.renew()
    mine.stop_renewing()


def test_a_job_that_ends_a_moment_before_stays_as_it_ended() -> None:
    house = House()
    seen = house.add(1, "run1/a.yaml")
    house.ledger.replace(lifecycle.supersede(seen, datetime.now(UTC)))
    ended = cancel.cancel(house.settler, seen)
    assert (ended.state, len(house.completions.messages)) == (State.SUPERSEDED, 1)
    assert ended.updated_at > NOW
