from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from fakes import MemoryBucket, MemoryLedger, MemoryTopic, a_job

from functions.sweep import Sweep
from jobs import lifecycle
from jobs.settle import Settler
from schemas.job import State

LONG_AGO = datetime.now(UTC) - timedelta(days=2)


@dataclass
class House:
    """A sweep and everything that it reaches, in memory."""

    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    receipts: MemoryBucket = field(default_factory=MemoryBucket)
    requests: MemoryTopic = field(default_factory=MemoryTopic)
    completions: MemoryTopic = field(default_factory=MemoryTopic)

    def sweep(self) -> None:
        settler = Settler(self.ledger, self.receipts, self.requests, self.completions)
        Sweep(self.ledger, settler, timedelta(minutes=1)).run()

    def requested_types(self) -> list[str]:
        return [message.attributes["ce-type"].split(".")[2] for message in self.requests.messages]


def test_a_lapsed_lease_gives_the_job_back_to_the_queue_and_rings_the_bell() -> None:
    house = House()
    house.ledger.create(lifecycle.claim(a_job(), "gone", LONG_AGO))
    house.sweep()
    assert house.ledger.only().state is State.QUEUED
    assert house.requested_types() == ["prediction", "capacity"]


def test_a_job_that_lost_its_worker_three_times_fails_with_a_receipt() -> None:
    house = House()
    job = lifecycle.claim(a_job(attempt=2), "gone", LONG_AGO)
    house.ledger.create(job)
    house.sweep()
    assert house.ledger.only().state is State.FAILED
    assert f"{job.output_prefix}receipt.json" in house.receipts.objects


def test_a_lease_that_holds_is_left_alone() -> None:
    house = House()
    house.ledger.create(lifecycle.claim(a_job(), "alive", datetime.now(UTC)))
    house.sweep()
    assert house.ledger.only().state is State.RUNNING
    assert not house.requests.messages


def test_a_job_that_waited_too_long_is_rejected() -> None:
    house = House()
    house.ledger.create(lifecycle.take_in(a_job(waits_for=("x.a3m",)), LONG_AGO))
    house.sweep()
    assert house.ledger.only().state is State.REJECTED
    assert len(house.completions.messages) == 1


def test_effects_that_somebody_left_pending_are_done() -> None:
    house = House()
    house.ledger.create(lifecycle.advance(a_job(), lifecycle.Event.CANCELLED, LONG_AGO))
    house.sweep()
    assert house.ledger.only().pending == ()
    assert len(house.completions.messages) == len(house.receipts.objects) == 1


def test_effects_just_begun_are_left_to_whoever_is_at_it() -> None:
    house = House()
    house.ledger.create(lifecycle.advance(a_job(), lifecycle.Event.CANCELLED, datetime.now(UTC)))
    house.sweep()
    assert not house.completions.messages


def test_an_empty_house_is_left_as_it_is() -> None:
    house = House()
    house.sweep()
    assert not house.requests.messages
