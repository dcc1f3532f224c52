from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from support.fakes import Document, MemoryLedger, MemoryTopic, Outside, a_job, a_source
from support.later import DAMAGES, EFFECT, as_the_next, beyond

from functions.errors import SweepError
from functions.sweep import Sweep
from jobs import lifecycle
from schemas.failure import Code, Failure
from schemas.job import Job, State
from schemas.messages import Message, PredictionRequested

LONG_AGO = datetime.now(UTC) - timedelta(days=2)
REQUESTED = PredictionRequested.model_fields["type"].default


class SweptJobs(Outside):
    """A sweep and everything that it reaches, in memory."""

    def sweep(self, settle_after: timedelta = timedelta(minutes=1)) -> None:
        Sweep(self.ledger, self.settler, settle_after, timedelta(minutes=15)).run()

    def requested_types(self) -> list[str]:
        return [message.attributes["ce-type"].split(".")[2] for message in self.requests.messages]

    def requested_ids(self) -> list[str]:
        requests = (m for m in self.requests.messages if m.attributes["ce-type"] == REQUESTED)
        return [PredictionRequested.decode(m.data, m.attributes).data.job_id for m in requests]


def queued(at: datetime, number: int = 0) -> Job:
    """Return a job whose request was lost, before or after it was published."""
    return lifecycle.take_in(a_job(job_id=f"{number:016x}"), at)


@dataclass
class OvertakenLedger(MemoryLedger):
    """A worker claims the first of what a search finds before the searcher can do anything about it."""

    def unserved(self, before: datetime) -> Sequence[Job]:
        found = super().unserved(before)
        self.replace(lifecycle.claim(found[0], "worker", datetime.now(UTC)))
        return found


def test_a_lapsed_lease_gives_the_job_back_to_the_queue_and_rings_the_bell() -> None:
    jobs = SweptJobs()
    jobs.ledger.create(lifecycle.claim(a_job(), "gone", LONG_AGO))
    jobs.sweep()
    assert jobs.ledger.only().state is State.QUEUED
    assert jobs.requested_types() == ["prediction", "capacity"]


def test_a_job_that_lost_its_worker_three_times_fails_with_a_receipt() -> None:
    jobs = SweptJobs()
    job = lifecycle.claim(a_job(attempt=2), "gone", LONG_AGO)
    jobs.ledger.create(job)
    jobs.sweep()
    assert jobs.ledger.only().state is State.FAILED
    assert f"{job.output_prefix}receipt.json" in jobs.results.objects


def test_a_lease_that_holds_is_left_alone() -> None:
    jobs = SweptJobs()
    jobs.ledger.create(lifecycle.claim(a_job(), "alive", datetime.now(UTC)))
    jobs.sweep()
    assert jobs.ledger.only().state is State.RUNNING
    assert not jobs.requests.messages


FAILURE = Failure(code=Code.INVALID_INPUT, message="m", remedy="r")
STEPS = ("count", "lapsed", "unserved", "unsettled")


@pytest.mark.parametrize("broken", STEPS)
def test_a_step_that_fails_keeps_no_other_from_being_done(broken: str) -> None:
    class Broken(MemoryLedger):
        def __getattribute__(self, name: str) -> object:
            if name == broken:
                raise ConnectionError(name)
            return super().__getattribute__(name)

    jobs = SweptJobs(Broken())
    new = a_job(job_id="a" * 16, created_at=datetime.now(UTC))
    lapsed, unserved = lifecycle.claim(new, "gone", LONG_AGO), queued(LONG_AGO, 1)
    unsettled = lifecycle.take_in(a_job(job_id="c" * 16, errors=(FAILURE,)), LONG_AGO)
    for job in (lapsed, unserved, unsettled):
        jobs.ledger.create(job)
    with pytest.raises(SweepError, match=r"^1 jobs or steps are left"):
        jobs.sweep()
    done = {
        "count": "capacity" in jobs.requested_types(),
        "lapsed": {job.job_id: job.state for job in jobs.ledger.all()}[lapsed.job_id] is not State.RUNNING,
        "unserved": unserved.job_id in jobs.requested_ids(),
        "unsettled": bool(jobs.results.objects),
    }
    assert done == {step: step != broken for step in STEPS}


def test_a_job_that_waits_is_left_to_those_who_may_look_for_its_file() -> None:
    jobs = SweptJobs()
    jobs.ledger.create(lifecycle.take_in(a_job(waits_for=("x.a3m",)), LONG_AGO))
    jobs.sweep()
    assert jobs.ledger.only().state is State.WAITING


def test_effects_that_somebody_left_pending_are_done() -> None:
    jobs = SweptJobs()
    jobs.ledger.create(lifecycle.advance(a_job(), lifecycle.Trigger.CANCELLED, LONG_AGO))
    jobs.sweep()
    assert jobs.ledger.only().pending == ()
    assert len(jobs.completions.messages) == len(jobs.results.objects) == 1


def test_effects_just_begun_are_left_to_whoever_is_at_it() -> None:
    jobs = SweptJobs()
    jobs.ledger.create(lifecycle.advance(a_job(), lifecycle.Trigger.CANCELLED, datetime.now(UTC)))
    jobs.sweep()
    assert not jobs.completions.messages


def test_a_job_that_nobody_serves_is_requested_again_once_per_period() -> None:
    jobs = SweptJobs()
    jobs.ledger.create(queued(LONG_AGO))
    jobs.sweep()
    jobs.sweep()
    assert jobs.requested_ids() == ["0" * 16]
    jobs.ledger.replace(jobs.ledger.only().evolve(updated_at=LONG_AGO))  # a period goes by
    jobs.sweep()
    assert jobs.requested_ids() == ["0" * 16] * 2


def running(taken_in_at: datetime) -> Job:
    """Return a job that a worker is at now."""
    job = a_job(job_id="f" * 16, created_at=taken_in_at)
    return lifecycle.claim(lifecycle.take_in(job, taken_in_at), "alive", datetime.now(UTC))


def test_a_queue_that_is_merely_long_is_not_requested_again() -> None:
    jobs = SweptJobs()
    jobs.ledger.create(running(LONG_AGO))
    for number in range(3):
        jobs.ledger.create(queued(LONG_AGO + timedelta(minutes=number), number))
    jobs.sweep()
    assert jobs.requested_types() == ["capacity"]


@pytest.mark.parametrize(("minutes", "again"), [(14, 0), (16, 3)])
def test_a_queue_counts_as_served_for_a_period_after_a_job_of_it_ended(minutes: int, again: int) -> None:
    jobs = SweptJobs()
    served, ended_at = running(LONG_AGO), datetime.now(UTC) - timedelta(minutes=minutes)
    jobs.ledger.create(lifecycle.supersede(served, ended_at).evolve(pending=()))
    for number in range(3):
        jobs.ledger.create(queued(LONG_AGO + timedelta(minutes=number), number))
    jobs.sweep()
    assert len(jobs.requested_ids()) == again


def test_a_job_is_requested_again_where_one_that_came_long_after_it_runs() -> None:
    jobs = SweptJobs()
    jobs.ledger.create(running(LONG_AGO + timedelta(minutes=16)))
    for number, minutes in enumerate((0, 2)):
        jobs.ledger.create(queued(LONG_AGO + timedelta(minutes=minutes), number))
    jobs.sweep()
    assert jobs.requested_ids() == ["0" * 16]


def test_a_job_queued_a_moment_ago_is_not_requested_again() -> None:
    jobs = SweptJobs()
    jobs.ledger.create(queued(datetime.now(UTC) - timedelta(minutes=14)))
    jobs.sweep()
    assert jobs.requested_types() == ["capacity"]


def test_a_backlog_is_requested_again_in_turn_a_page_at_a_time() -> None:
    jobs = SweptJobs(MemoryLedger(page=2))
    for number in range(5):
        jobs.ledger.create(queued(LONG_AGO - timedelta(hours=number), number))
    for length in (2, 4, 5, 5):
        jobs.sweep()
        assert len(jobs.requested_ids()) == length
    assert jobs.requested_ids() == [f"{number:016x}" for number in (4, 3, 2, 1, 0)]


def test_a_job_claimed_at_this_moment_stays_claimed_and_does_not_keep_the_next() -> None:
    jobs = SweptJobs(OvertakenLedger())
    for number in range(2):
        jobs.ledger.create(queued(LONG_AGO + timedelta(hours=number), number))
    jobs.sweep()
    assert [job.state for job in jobs.ledger.all()] == [State.RUNNING, State.QUEUED]
    assert jobs.requested_ids()[-1] == f"{1:016x}"


def test_a_job_that_runs_for_long_is_left_alone() -> None:
    jobs = SweptJobs()
    running = lifecycle.renew(lifecycle.claim(a_job(), "alive", LONG_AGO), datetime.now(UTC))
    before = jobs.ledger.create(running)
    jobs.sweep()
    assert jobs.ledger.only() == before
    assert not jobs.requests.messages


def test_an_empty_house_is_left_as_it_is() -> None:
    jobs = SweptJobs()
    jobs.sweep()
    assert not jobs.requests.messages


@dataclass
class TroubledTopic(MemoryTopic):
    """Refuses what is said about one object."""

    refused: str = ""

    def publish(self, message: Message) -> None:
        if message.attributes.get("ce-subject") == self.refused:
            raise TimeoutError("the topic does not answer")
        super().publish(message)


def test_a_job_that_cannot_be_finished_does_not_keep_the_others() -> None:
    jobs = SweptJobs(requests=TroubledTopic(refused="gs://in/a.yaml"))
    for number, name in enumerate(("a.yaml", "b.yaml")):
        job = a_job(job_id=f"{number:016x}", source=a_source(name))
        jobs.ledger.create(lifecycle.take_in(job, LONG_AGO))
    with pytest.raises(SweepError, match="1 jobs"):
        jobs.sweep()
    assert jobs.requested_ids() == [f"{1:016x}"]
    assert jobs.requested_types()[-1] == "capacity"
    jobs.requests = MemoryTopic()
    jobs.sweep(timedelta(0))
    assert jobs.requested_ids() == [f"{0:016x}"]


def unfinished_in_every_way() -> list[Job]:
    """Return a job for each search of the sweep: what ended shows that later ones are served."""
    job = a_job(created_at=datetime.now(UTC))
    jobs = [lifecycle.claim(job, "gone", LONG_AGO), lifecycle.supersede(job, LONG_AGO)]
    return [*jobs, queued(LONG_AGO)]


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_records_that_cannot_be_read_keep_nobody_else_from_being_finished(
    damage: Document, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = SweptJobs(MemoryLedger(page=1))
    poisoned = [
        as_the_next(job.evolve(job_id=f"{number:016x}")) | damage
        for number, job in enumerate(unfinished_in_every_way())
    ]
    for number, document in enumerate(poisoned):
        jobs.ledger.put(document)
        jobs.ledger.create(unfinished_in_every_way()[number].evolve(job_id=f"{number + 3:016x}"))
    jobs.sweep()
    assert [job.state for job in jobs.ledger.all()] == [State.QUEUED, State.SUPERSEDED, State.QUEUED]
    assert all(not job.pending for job in jobs.ledger.all() if job.state.terminal)
    assert jobs.requested_ids() == [f"{3:016x}", f"{5:016x}"]
    assert [jobs.ledger.documents[document["job_id"]][1] for document in poisoned] == poisoned
    assert any("passed over" in record.message for record in caplog.records)


def test_a_job_of_the_next_release_is_finished_and_keeps_what_it_has() -> None:
    for job in unfinished_in_every_way():
        jobs = SweptJobs()
        document = as_the_next(job)
        jobs.ledger.put(document)
        jobs.sweep()
        _, written = jobs.ledger.documents[job.job_id]
        assert written["updated_at"] > LONG_AGO or written["pending"] == [EFFECT]
        gone = {path for path in dict(beyond(document)) if path.startswith(".lease")}
        assert dict(beyond(document)).keys() - dict(beyond(written)).keys() == gone
