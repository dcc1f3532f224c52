from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event, Thread
from threading import enumerate as enumerate_threads

import pytest
from support.fakes import NOW, MemoryLedger, a_job
from support.later import as_the_next
from support.patience import HANG

from jobs import lifecycle
from schemas.job import Effect, Job, State
from worker.errors import LeaseLostError, ShutdownRequestedError, TooLateError
from worker.lease import LeasedJob, holding


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
def leased(ledger: WatchedLedger) -> Iterator[LeasedJob]:
    with holding(LeasedJob(ledger, ledger.only(), "me", renew_seconds=3600)) as held:
        yield held


class Crossing(Event):
    """Is set while the wait for it runs out: who waits is told once that it is not."""

    told: bool = False

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout
        assert super().wait(HANG)
        self.told, before = True, self.told
        return before


@pytest.fixture
def renewals() -> Callable[[], list[Thread]]:
    """Return what lists the threads that renew a lease of this test: another's may still be ending."""
    before = set(enumerate_threads())
    return lambda: [one for one in enumerate_threads() if one.name == "renew" and one not in before]


def cancel(ledger: MemoryLedger) -> None:
    ledger.replace(lifecycle.advance(ledger.only(), lifecycle.Trigger.CANCELLED, NOW))


def test_a_job_in_hand_is_not_written_before_it_is_taken(leased: LeasedJob, ledger: WatchedLedger) -> None:
    assert (leased.claimed, ledger.writes, ledger.only().state) == (False, 1, State.QUEUED)


def test_taking_claims_the_job_for_this_worker(leased: LeasedJob, ledger: WatchedLedger) -> None:
    leased.claim()
    job = ledger.only()
    assert leased.claimed
    assert leased.job == job
    assert (job.state, job.attempt, job.worker, job.pending) == (State.RUNNING, 1, "me", ())
    assert job.lease
    assert job.lease.holder == "me"


def test_taking_twice_is_one_attempt(leased: LeasedJob, ledger: WatchedLedger) -> None:
    leased.claim()
    written = ledger.writes
    leased.claim()
    assert (ledger.writes, ledger.only().attempt) == (written, 1)


def test_a_job_that_was_asked_for_again_meanwhile_is_taken(leased: LeasedJob, ledger: WatchedLedger) -> None:
    ledger.replace(lifecycle.request_again(ledger.only(), NOW))
    leased.claim()
    assert (ledger.only().state, ledger.only().attempt) == (State.RUNNING, 1)


def test_a_job_that_another_worker_took_is_lost_and_stays_the_other_s(
    leased: LeasedJob, ledger: WatchedLedger
) -> None:
    ledger.replace(lifecycle.claim(ledger.only(), "other", NOW))
    for _ in range(2):
        with pytest.raises(LeaseLostError):
            leased.claim()
    assert not leased.claimed
    assert (ledger.only().worker, ledger.only().attempt) == ("other", 1)


def test_a_job_that_nobody_wants_any_more_is_not_taken(leased: LeasedJob, ledger: WatchedLedger) -> None:
    cancel(ledger)
    with pytest.raises(LeaseLostError):
        leased.claim()
    assert ledger.only().state is State.CANCELLED


def test_a_job_that_the_ledger_does_not_know_any_more_is_not_taken(
    leased: LeasedJob, ledger: WatchedLedger
) -> None:
    ledger.documents.clear()
    with pytest.raises(LeaseLostError):
        leased.claim()


def test_nothing_is_taken_after_letting_go(leased: LeasedJob, ledger: WatchedLedger) -> None:
    leased.stop_renewing()
    with pytest.raises(ShutdownRequestedError):
        leased.claim()
    assert (leased.claimed, ledger.writes, ledger.only().attempt) == (False, 1, 0)


def test_nothing_is_taken_too_late_but_what_was_taken_in_time_goes_on(ledger: WatchedLedger) -> None:
    answers = iter([True, False])
    with holding(LeasedJob(ledger, ledger.only(), "me", 3600, lambda _: next(answers))) as leased:
        leased.claim()
        leased.claim()
    ledger.documents.clear()
    ledger.create(a_job())
    with (
        holding(LeasedJob(ledger, ledger.only(), "me", 3600, lambda _: next(answers))) as late,
        pytest.raises(TooLateError),
    ):
        late.claim()
    assert (late.claimed, ledger.only().attempt) == (False, 0)


def test_what_was_claimed_can_still_be_written_after_that(leased: LeasedJob, ledger: WatchedLedger) -> None:
    leased.claim()
    leased.stop_renewing()
    leased.claim()  # a second turn of the same job
    leased.renew()
    leased.change(lambda job: lifecycle.advance(job, lifecycle.Trigger.SUCCEEDED, NOW))
    assert ledger.only().state is State.SUCCEEDED


def test_the_lease_is_renewed_in_the_background_until_stop_renewing(
    ledger: WatchedLedger, renewals: Callable[[], list[Thread]]
) -> None:
    with holding(LeasedJob(ledger, ledger.only(), "me", renew_seconds=0.001)) as leased:
        leased.claim()
        taken_at = datetime.now(UTC)
        for _ in range(3):
            assert ledger.renewed.wait(HANG)
            ledger.renewed.clear()
        lease = ledger.only().lease
        assert lease
        assert lease.expires_at > taken_at + lifecycle.LEASE
        [renewal] = renewals()
    renewal.join(HANG)
    assert renewals() == []


def test_a_renewal_that_meets_stop_renewing_writes_nothing(
    leased: LeasedJob, ledger: WatchedLedger, renewals: Callable[[], list[Thread]]
) -> None:
    leased._over = Crossing()
    leased.claim()
    written = ledger.writes
    [renewal] = renewals()
    leased.stop_renewing()
    renewal.join(HANG)
    assert (renewals(), ledger.writes) == ([], written)


def test_nothing_is_renewed_before_the_job_is_taken(
    leased: LeasedJob, renewals: Callable[[], list[Thread]]
) -> None:
    assert renewals() == []
    leased.claim()
    assert len(renewals()) == 1


def test_the_renewal_outlives_a_ledger_that_cannot_be_reached(ledger: WatchedLedger) -> None:
    with holding(LeasedJob(ledger, ledger.only(), "me", renew_seconds=0.001)) as leased:
        leased.claim()
        ledger.unreachable = 3
        ledger.renewed.clear()
        assert ledger.renewed.wait(HANG)
        assert ledger.unreachable == 0


def test_a_renewal_in_the_background_does_not_cost_the_next_write(ledger: WatchedLedger) -> None:
    with holding(LeasedJob(ledger, ledger.only(), "me", renew_seconds=0.001)) as leased:
        leased.claim()
        for _ in range(20):
            ledger.renewed.clear()
            assert ledger.renewed.wait(HANG)
            leased.renew()
        leased.change(lambda job: lifecycle.advance(job, lifecycle.Trigger.SUCCEEDED, NOW))
    assert ledger.only().state is State.SUCCEEDED


def test_a_write_after_someone_else_s_is_refused_and_changes_nothing(
    leased: LeasedJob, ledger: WatchedLedger
) -> None:
    leased.claim()
    cancel(ledger)
    cancelled = ledger.only()
    with pytest.raises(LeaseLostError):
        leased.renew()
    with pytest.raises(LeaseLostError):
        leased.change(lambda job: lifecycle.advance(job, lifecycle.Trigger.SUCCEEDED, NOW))
    assert ledger.only() == cancelled


def test_a_job_that_ended_here_is_not_written_again(leased: LeasedJob, ledger: WatchedLedger) -> None:
    leased.claim()
    leased.change(lambda job: lifecycle.advance(job, lifecycle.Trigger.FAILED, NOW))
    with pytest.raises(LeaseLostError):
        leased.change(lambda job: lifecycle.advance(job, lifecycle.Trigger.SUCCEEDED, NOW))
    with pytest.raises(LeaseLostError):
        leased.renew()
    assert ledger.only().state is State.FAILED


def test_an_error_of_the_ledger_itself_is_not_a_lost_lease(leased: LeasedJob, ledger: WatchedLedger) -> None:
    leased.claim()
    ledger.unreachable = 1
    with pytest.raises(ConnectionError):
        leased.renew()
    leased.renew()


def test_a_job_that_a_later_release_put_into_a_state_of_its_own_is_not_taken() -> None:
    ledger = MemoryLedger()
    leased = LeasedJob(ledger, ledger.create(a_job()), "me", renew_seconds=3600)
    ledger.put(as_the_next(leased.job) | {"state": "HELD"})
    with pytest.raises(LeaseLostError):
        leased.claim()
    assert (ledger.writes, leased.claimed) == (1, False)
