from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event

import pytest
from fakes import NOW, MemoryLedger, a_job
from later import as_the_next
from patience import HANG

from jobs import lifecycle
from schemas.job import Effect, Job, State
from worker.lease import HeldJob, LeaseLostError, LeaveError, TooLateError, holding


@dataclass
class WatchedLedger(MemoryLedger):
    """Says when a lease was prolonged, and can be told to be unreachable for the next write."""

    renewed: Event = field(default_factory=Event)
    unreachable: int = 0

    def replace(self, job: Job) -> Job:
        if self.unreachable:
            self.unreachable -= 1
            raise ConnectionError("503")
        before = self.get(job.job_id)
        written = super().replace(job)
        if before and before.lease and written.lease:
            self.renewed.set()
        return written


@pytest.fixture
def ledger() -> WatchedLedger:
    ledger = WatchedLedger()
    ledger.create(a_job(pending=(Effect.REQUEST,)))
    return ledger


@pytest.fixture
def mine(ledger: WatchedLedger) -> Iterator[HeldJob]:
    with holding(HeldJob(ledger, ledger.only(), "me", renew_seconds=3600)) as held:
        yield held


def cancel(ledger: MemoryLedger) -> None:
    ledger.replace(lifecycle.advance(ledger.only(), lifecycle.Event.CANCELLED, NOW))


def test_a_job_in_hand_is_not_written_before_it_is_taken(mine: HeldJob, ledger: WatchedLedger) -> None:
    assert (mine.taken, ledger.writes, ledger.only().state) == (False, 1, State.QUEUED)


def test_taking_claims_the_job_for_this_worker(mine: HeldJob, ledger: WatchedLedger) -> None:
    mine.take()
    job = ledger.only()
    assert mine.taken
    assert mine.job == job
    assert (job.state, job.attempt, job.worker, job.pending) == (State.RUNNING, 1, "me", ())
    assert job.lease
    assert job.lease.holder == "me"


def test_taking_twice_is_one_attempt(mine: HeldJob, ledger: WatchedLedger) -> None:
    mine.take()
    written = ledger.writes
    mine.take()
    assert (ledger.writes, ledger.only().attempt) == (written, 1)


def test_a_job_that_was_asked_for_again_meanwhile_is_taken(mine: HeldJob, ledger: WatchedLedger) -> None:
    ledger.replace(lifecycle.request_again(ledger.only(), NOW))
    mine.take()
    assert (ledger.only().state, ledger.only().attempt) == (State.RUNNING, 1)


def test_a_job_that_another_worker_took_is_lost_and_stays_the_other_s(
    mine: HeldJob, ledger: WatchedLedger
) -> None:
    ledger.replace(lifecycle.claim(ledger.only(), "other", NOW))
    for _ in range(2):
        with pytest.raises(LeaseLostError):
            mine.take()
    assert not mine.taken
    assert (ledger.only().worker, ledger.only().attempt) == ("other", 1)


def test_a_job_that_nobody_wants_any_more_is_not_taken(mine: HeldJob, ledger: WatchedLedger) -> None:
    cancel(ledger)
    with pytest.raises(LeaseLostError):
        mine.take()
    assert ledger.only().state is State.CANCELLED


def test_a_job_that_the_ledger_does_not_know_any_more_is_not_taken(
    mine: HeldJob, ledger: WatchedLedger
) -> None:
    ledger.documents.clear()
    with pytest.raises(LeaseLostError):
        mine.take()


def test_nothing_is_taken_after_letting_go(mine: HeldJob, ledger: WatchedLedger) -> None:
    mine.let_go()
    with pytest.raises(LeaveError):
        mine.take()
    assert (mine.taken, ledger.writes, ledger.only().attempt) == (False, 1, 0)


def test_nothing_is_taken_too_late_but_what_was_taken_in_time_goes_on(ledger: WatchedLedger) -> None:
    answers = iter([True, False])
    with holding(HeldJob(ledger, ledger.only(), "me", 3600, lambda _: next(answers))) as mine:
        mine.take()
        mine.take()
    ledger.documents.clear()
    ledger.create(a_job())
    with (
        holding(HeldJob(ledger, ledger.only(), "me", 3600, lambda _: next(answers))) as late,
        pytest.raises(TooLateError),
    ):
        late.take()
    assert (late.taken, ledger.only().attempt) == (False, 0)


def test_what_was_taken_can_still_be_written_after_letting_go(mine: HeldJob, ledger: WatchedLedger) -> None:
    mine.take()
    mine.let_go()
    mine.take()  # a second turn of the same job
    mine.renew()
    mine.change(lambda job: lifecycle.advance(job, lifecycle.Event.SUCCEEDED, NOW))
    assert ledger.only().state is State.SUCCEEDED


def test_the_lease_is_renewed_in_the_background_until_let_go(ledger: WatchedLedger) -> None:
    with holding(HeldJob(ledger, ledger.only(), "me", renew_seconds=0.001)) as mine:
        mine.take()
        taken_at = datetime.now(UTC)
        for _ in range(3):
            assert ledger.renewed.wait(HANG)
            ledger.renewed.clear()
        lease = ledger.only().lease
        assert lease
        assert lease.expires_at > taken_at + lifecycle.LEASE
    with mine._lock:  # one more may have been on its way
        ledger.renewed.clear()
    assert not ledger.renewed.wait(0.03)


def test_nothing_is_renewed_before_the_job_is_taken(ledger: WatchedLedger) -> None:
    with holding(HeldJob(ledger, ledger.only(), "me", renew_seconds=0.001)):
        assert not ledger.renewed.wait(0.03)
    assert ledger.writes == 1


def test_the_renewal_outlives_a_ledger_that_cannot_be_reached(ledger: WatchedLedger) -> None:
    with holding(HeldJob(ledger, ledger.only(), "me", renew_seconds=0.001)) as mine:
        mine.take()
        ledger.unreachable = 3
        ledger.renewed.clear()
        assert ledger.renewed.wait(HANG)
        assert ledger.unreachable == 0


def test_a_renewal_in_the_background_does_not_cost_the_next_write(ledger: WatchedLedger) -> None:
    with holding(HeldJob(ledger, ledger.only(), "me", renew_seconds=0.001)) as mine:
        mine.take()
        for _ in range(20):
            ledger.renewed.clear()
            assert ledger.renewed.wait(HANG)
            mine.renew()
        mine.change(lambda job: lifecycle.advance(job, lifecycle.Event.SUCCEEDED, NOW))
    assert ledger.only().state is State.SUCCEEDED


def test_a_write_after_someone_else_s_is_refused_and_changes_nothing(
    mine: HeldJob, ledger: WatchedLedger
) -> None:
    mine.take()
    cancel(ledger)
    cancelled = ledger.only()
    with pytest.raises(LeaseLostError):
        mine.renew()
    with pytest.raises(LeaseLostError):
        mine.change(lambda job: lifecycle.advance(job, lifecycle.Event.SUCCEEDED, NOW))
    assert ledger.only() == cancelled


def test_a_job_that_ended_here_is_not_written_again(mine: HeldJob, ledger: WatchedLedger) -> None:
    mine.take()
    mine.change(lambda job: lifecycle.advance(job, lifecycle.Event.FAILED, NOW))
    with pytest.raises(LeaseLostError):
        mine.change(lambda job: lifecycle.advance(job, lifecycle.Event.SUCCEEDED, NOW))
    with pytest.raises(LeaseLostError):
        mine.renew()
    assert ledger.only().state is State.FAILED


def test_an_error_of_the_ledger_itself_is_not_a_lost_lease(mine: HeldJob, ledger: WatchedLedger) -> None:
    mine.take()
    ledger.unreachable = 1
    with pytest.raises(ConnectionError):
        mine.renew()
    mine.renew()


def test_a_job_that_a_later_release_put_into_a_state_of_its_own_is_not_taken() -> None:
    ledger = MemoryLedger()
    mine = HeldJob(ledger, ledger.create(a_job()), "me", renew_seconds=3600)
    ledger.put(as_the_next(mine.job) | {"state": "HELD"})
    with pytest.raises(LeaseLostError):
        mine.take()
    assert (ledger.writes, mine.taken) == (1, False)
