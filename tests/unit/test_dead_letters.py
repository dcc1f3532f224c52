import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.fakes import NOW, MemoryBucket, MemoryLedger, MemoryTopic, a_job
from support.later import as_the_next
from support.receipts import an_end

from functions.dead_letters import GIVEN_UP_BY, DeadLetters
from functions.intake import ExaminationError, Intake
from inputs.examine import Rules
from jobs import lifecycle
from jobs.settle import Settler
from schemas.failure import Code, Failure
from schemas.job import Job, State
from schemas.messages import CapacityWanted, Message, PredictionCompleted, PredictionRequested
from schemas.storage import StorageUnavailableError

VALID = b"sequences:\n  - protein: {id: A, sequence: NLYIQWLKDGGPSSGRPPPS, msa: empty}\n"
LOST = Failure(code=Code.WORKER_LOST, message="gone", remedy="again")
WORK, LAUNCH = {GIVEN_UP_BY: "work"}, {GIVEN_UP_BY: "launch"}


@dataclass
class House:
    """Where dead letters are taken up, in memory."""

    uploads: MemoryBucket = field(default_factory=lambda: MemoryBucket("in"))
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    receipts: MemoryBucket = field(default_factory=lambda: MemoryBucket("out"))
    requests: MemoryTopic = field(default_factory=MemoryTopic)
    completions: MemoryTopic = field(default_factory=MemoryTopic)

    def take_up(self, data: bytes, attributes: dict[str, str]) -> None:
        settler = Settler(self.ledger, self.receipts, self.requests, self.completions)
        intake = Intake(self.uploads, self.ledger, settler, MemoryTopic(), Rules())
        dead = DeadLetters(intake, self.ledger, settler, "work", timedelta(hours=1))
        dead.take_up(data, attributes)

    def take_up_request(self, job: Job, given_up_by: dict[str, str]) -> None:
        message = PredictionRequested.of(job).encode()
        self.take_up(message.data, {**message.attributes, **given_up_by})

    def take_up_notification(self, kind: str, age: timedelta, name: str = "run/foo.yaml") -> None:
        created = (datetime.now(UTC) - age).isoformat()
        data = {"bucket": "in", "name": name, "generation": "7", "size": "9", "timeCreated": created}
        self.take_up(json.dumps(data).encode(), {"eventType": kind})


def test_a_request_that_nobody_served_is_made_again_and_after_a_day_the_job_fails() -> None:
    house, taken_in = House(), datetime.now(UTC) - lifecycle.UNTAKEN / 2
    first = house.ledger.create(lifecycle.take_in(a_job(), taken_in))
    for _ in range(2):  # the same dead letter again is old news
        house.take_up_request(first, WORK)
        assert house.ledger.only().state is State.QUEUED
        assert len(house.requests.messages) == 1
    house.take_up_request(house.ledger.only(), WORK)
    assert (house.ledger.only().state, len(house.requests.messages)) == (State.QUEUED, 2)
    second = House()
    old = second.ledger.create(lifecycle.take_in(a_job(), datetime.now(UTC) - lifecycle.UNTAKEN))
    second.take_up_request(old, WORK)
    assert second.ledger.only().state is State.FAILED
    assert len(second.receipts.objects) == len(second.completions.messages) == 1
    assert not second.requests.messages


def test_a_bell_is_dropped_whatever_rang_it() -> None:
    house = House()
    job = house.ledger.create(lifecycle.take_in(a_job(), NOW))
    house.take_up_request(job, LAUNCH)
    bell = CapacityWanted.at(NOW).encode()
    house.take_up(bell.data, {**bell.attributes, **WORK})
    assert house.ledger.only() == job
    assert not house.requests.messages


def test_a_request_for_what_moved_on_or_nobody_knows_is_dropped() -> None:
    house = House()
    job = lifecycle.take_in(a_job(), NOW)
    house.take_up_request(job, WORK)
    assert not house.ledger.documents
    later = NOW + timedelta(seconds=1)
    running = house.ledger.create(lifecycle.claim(job, "worker", later))
    house.take_up_request(job, WORK)
    assert house.ledger.only() == running
    released = house.ledger.replace(lifecycle.release(running, lifecycle.Event.RELEASED, LOST, later))
    house.take_up_request(job, WORK)
    assert house.ledger.only() == released
    assert not house.requests.messages


def test_a_dead_upload_event_is_taken_in_again_while_that_makes_sense() -> None:
    house = House()
    house.uploads.put("run/foo.yaml", VALID)
    house.take_up_notification("OBJECT_FINALIZE", timedelta(minutes=10))
    assert house.ledger.only().state is State.QUEUED


class BrokenBucket(MemoryBucket):
    """Has an input that cannot be examined."""

    def read(self, name: str, generation: int | None, limit: int) -> bytes:
        raise MemoryError(f"{name}#{generation}, up to {limit}")


class AbsentBucket(MemoryBucket):
    """Does not answer."""

    def read(self, name: str, generation: int | None, limit: int) -> bytes:
        raise StorageUnavailableError(f"{name}#{generation}, up to {limit}")


class AbsentLedger(MemoryLedger):
    """Does not answer."""

    def create(self, job: Job) -> Job:
        raise ConnectionError(job.job_id)


@pytest.mark.parametrize("missing", [{"uploads": AbsentBucket("in")}, {"ledger": AbsentLedger()}])
def test_an_outage_is_never_blamed_on_a_file_however_long_it_lasts(missing: dict[str, Any]) -> None:
    house = House(**missing)
    house.uploads.put("run/foo.yaml", VALID)
    with pytest.raises((StorageUnavailableError, ConnectionError)):
        house.take_up_notification("OBJECT_FINALIZE", timedelta(hours=5))
    assert not house.ledger.documents


def test_what_failed_for_long_is_taken_in_once_all_works_again() -> None:
    house = House()
    house.uploads.put("run/foo.yaml", VALID)
    house.take_up_notification("OBJECT_FINALIZE", timedelta(hours=5))
    assert house.ledger.only().state is State.QUEUED


def test_a_dead_upload_event_ends_in_a_receipt_when_taking_in_keeps_failing() -> None:
    house = House(BrokenBucket("in"))
    house.uploads.put("run/foo.yaml", VALID)
    with pytest.raises(ExaminationError):
        house.take_up_notification("OBJECT_FINALIZE", timedelta(minutes=50))
    assert not house.ledger.documents
    house.take_up_notification("OBJECT_FINALIZE", timedelta(minutes=70))
    job = house.ledger.only()
    assert (job.state, len(house.receipts.objects)) == (State.REJECTED, 1)
    assert "60 minutes" in job.errors[0].message


def test_a_dead_delete_event_cancels() -> None:
    house = House()
    house.take_up_notification("OBJECT_DELETE", timedelta(hours=2))
    assert house.ledger.only().state is State.CANCELLED


@pytest.mark.parametrize(
    "message",
    [
        Message(b"\xff", {}),
        Message(b"{", {"eventType": "OBJECT_FINALIZE"}),
        Message(b"{}", {"eventType": "OBJECT_DELETE"}),
        Message(b"{}", {"ce-type": PredictionRequested.model_fields["type"].default}),
        Message(b"{}", {"ce-type": "com.example.other"}),
    ],
)
def test_what_nobody_can_read_is_dropped_loudly(message: Message, caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    house.take_up(message.data, dict(message.attributes))
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert not house.ledger.documents


def test_a_page_that_could_not_be_made_is_told_of_and_changes_no_job(
    caplog: pytest.LogCaptureFixture,
) -> None:
    house = House()
    job = house.ledger.create(an_end(state=State.FAILED))
    message = PredictionCompleted.of(job, "out").encode()
    house.take_up(message.data, {**message.attributes, GIVEN_UP_BY: "pages"})
    assert house.ledger.only() == job
    [record] = caplog.records
    assert record.message == "a page was not made; docs/operations.md"
    assert record.__dict__["attributes"]["ce-subject"] == "gs://in/run42/foo.yaml"


def test_a_dead_letter_of_a_job_that_cannot_be_read_is_dropped_loudly(
    caplog: pytest.LogCaptureFixture,
) -> None:
    house = House()
    house.uploads.put("run/foo.yaml", VALID)
    house.take_up_notification("OBJECT_FINALIZE", timedelta(0))
    job = house.ledger.only()
    document = as_the_next(job) | {"state": "HELD"}
    house.ledger.put(document)
    house.requests.messages.clear()
    caplog.clear()
    house.take_up_request(job, WORK)
    for kind, minutes in (("OBJECT_FINALIZE", 10), ("OBJECT_FINALIZE", 70), ("OBJECT_DELETE", 70)):
        house.take_up_notification(kind, timedelta(minutes=minutes))
    dropped = [record for record in caplog.records if record.message.startswith("dropped")]
    assert len(dropped) == 4
    assert all(job.job_id in record.__dict__["why"] for record in dropped)
    assert [stored for _, stored in house.ledger.documents.values()] == [document]
    assert not [*house.requests.messages, *house.receipts.objects]
