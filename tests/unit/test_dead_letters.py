import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.fakes import NOW, MemoryBucket, MemoryLedger, TroubledBucket, a_job
from support.inbox import Inbox, an_event
from support.inputs import INPUT
from support.later import as_the_next
from support.receipts import an_end

from functions.dead_letters import GIVEN_UP_BY, DeadLetters
from functions.errors import ExaminationError
from jobs import lifecycle
from schemas.failure import Code, Failure
from schemas.job import Job, State
from schemas.messages import CapacityWanted, Message, PredictionCompleted, PredictionRequested
from schemas.storage import StorageUnavailableError

LOST = Failure(code=Code.WORKER_LOST, message="gone", remedy="again")
WORK, LAUNCH = {GIVEN_UP_BY: "work"}, {GIVEN_UP_BY: "launch"}


class DeadLetterOffice(Inbox):
    """Where dead letters are taken up, in memory."""

    def take_up(self, data: bytes, attributes: dict[str, str]) -> None:
        dead = DeadLetters(self.another_intake(), self.ledger, self.settler, "work", timedelta(hours=1))
        dead.take_up(data, attributes)

    def take_up_request(self, job: Job, given_up_by: dict[str, str]) -> None:
        message = PredictionRequested.of(job).encode()
        self.take_up(message.data, {**message.attributes, **given_up_by})

    def take_up_notification(self, kind: str, age: timedelta, name: str = "run/foo.yaml") -> None:
        event = an_event(name, timeCreated=(datetime.now(UTC) - age).isoformat())
        self.take_up(json.dumps(event).encode(), {"eventType": kind})


def test_a_request_that_nobody_served_is_made_again_and_after_a_day_the_job_fails() -> None:
    office, taken_in = DeadLetterOffice(), datetime.now(UTC) - lifecycle.UNTAKEN / 2
    first = office.ledger.create(lifecycle.take_in(a_job(), taken_in))
    for _ in range(2):  # the same dead letter again is old news
        office.take_up_request(first, WORK)
        assert office.ledger.only().state is State.QUEUED
        assert len(office.requests.messages) == 1
    office.take_up_request(office.ledger.only(), WORK)
    assert (office.ledger.only().state, len(office.requests.messages)) == (State.QUEUED, 2)
    second = DeadLetterOffice()
    old = second.ledger.create(lifecycle.take_in(a_job(), datetime.now(UTC) - lifecycle.UNTAKEN))
    second.take_up_request(old, WORK)
    assert second.ledger.only().state is State.FAILED
    assert len(second.results.objects) == len(second.completions.messages) == 1
    assert not second.requests.messages


def test_a_request_for_capacity_is_dropped_whoever_sent_it() -> None:
    office = DeadLetterOffice()
    job = office.ledger.create(lifecycle.take_in(a_job(), NOW))
    office.take_up_request(job, LAUNCH)
    capacity = CapacityWanted.at(NOW).encode()
    office.take_up(capacity.data, {**capacity.attributes, **WORK})
    assert office.ledger.only() == job
    assert not office.requests.messages


def test_a_request_for_what_moved_on_or_nobody_knows_is_dropped() -> None:
    office = DeadLetterOffice()
    job = lifecycle.take_in(a_job(), NOW)
    office.take_up_request(job, WORK)
    assert not office.ledger.documents
    later = NOW + timedelta(seconds=1)
    running = office.ledger.create(lifecycle.claim(job, "worker", later))
    office.take_up_request(job, WORK)
    assert office.ledger.only() == running
    released = office.ledger.replace(lifecycle.release(running, lifecycle.Trigger.RELEASED, LOST, later))
    office.take_up_request(job, WORK)
    assert office.ledger.only() == released
    assert not office.requests.messages


def test_a_dead_upload_event_is_taken_in_again_while_that_makes_sense() -> None:
    office = DeadLetterOffice()
    office.uploads.put("run/foo.yaml", INPUT)
    office.take_up_notification("OBJECT_FINALIZE", timedelta(minutes=10))
    assert office.ledger.only().state is State.QUEUED


def unreadable(why: Exception) -> MemoryBucket:
    """Return a bucket that has an input which cannot be read."""
    return TroubledBucket("in", unreadable={"run/foo.yaml": why})


class AbsentLedger(MemoryLedger):
    """Does not answer."""

    def create(self, job: Job) -> Job:
        raise ConnectionError(job.job_id)


@pytest.mark.parametrize(
    "missing", [{"uploads": unreadable(StorageUnavailableError())}, {"ledger": AbsentLedger()}]
)
def test_an_outage_is_never_blamed_on_a_file_however_long_it_lasts(missing: dict[str, Any]) -> None:
    office = DeadLetterOffice(**missing)
    office.uploads.put("run/foo.yaml", INPUT)
    with pytest.raises((StorageUnavailableError, ConnectionError)):
        office.take_up_notification("OBJECT_FINALIZE", timedelta(hours=5))
    assert not office.ledger.documents


def test_what_failed_for_long_is_taken_in_once_all_works_again() -> None:
    office = DeadLetterOffice()
    office.uploads.put("run/foo.yaml", INPUT)
    office.take_up_notification("OBJECT_FINALIZE", timedelta(hours=5))
    assert office.ledger.only().state is State.QUEUED


def test_a_dead_upload_event_ends_in_a_receipt_when_taking_in_keeps_failing() -> None:
    office = DeadLetterOffice(uploads=unreadable(MemoryError()))
    office.uploads.put("run/foo.yaml", INPUT)
    with pytest.raises(ExaminationError):
        office.take_up_notification("OBJECT_FINALIZE", timedelta(minutes=50))
    assert not office.ledger.documents
    office.take_up_notification("OBJECT_FINALIZE", timedelta(minutes=70))
    job = office.ledger.only()
    assert (job.state, len(office.results.objects)) == (State.REJECTED, 1)
    assert "60 minutes" in job.errors[0].message


def test_a_dead_delete_event_cancels() -> None:
    office = DeadLetterOffice()
    office.take_up_notification("OBJECT_DELETE", timedelta(hours=2))
    assert office.ledger.only().state is State.CANCELLED


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
    office = DeadLetterOffice()
    office.take_up(message.data, dict(message.attributes))
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert not office.ledger.documents


def test_a_page_that_could_not_be_made_is_told_of_and_changes_no_job(
    caplog: pytest.LogCaptureFixture,
) -> None:
    office = DeadLetterOffice()
    job = office.ledger.create(an_end(state=State.FAILED))
    message = PredictionCompleted.of(job, "out").encode()
    office.take_up(message.data, {**message.attributes, GIVEN_UP_BY: "pages"})
    assert office.ledger.only() == job
    [record] = caplog.records
    assert record.message == "a page was not made; docs/operations.md"
    assert record.__dict__["attributes"]["ce-subject"] == "gs://in/run42/foo.yaml"


def test_a_dead_letter_of_a_job_that_cannot_be_read_is_dropped_loudly(
    caplog: pytest.LogCaptureFixture,
) -> None:
    office = DeadLetterOffice()
    office.uploads.put("run/foo.yaml", INPUT)
    office.take_up_notification("OBJECT_FINALIZE", timedelta(0))
    job = office.ledger.only()
    document = as_the_next(job) | {"state": "HELD"}
    office.ledger.put(document)
    office.requests.messages.clear()
    caplog.clear()
    office.take_up_request(job, WORK)
    for kind, minutes in (("OBJECT_FINALIZE", 10), ("OBJECT_FINALIZE", 70), ("OBJECT_DELETE", 70)):
        office.take_up_notification(kind, timedelta(minutes=minutes))
    dropped = [record for record in caplog.records if record.message.startswith("dropped")]
    assert len(dropped) == 4
    assert all(job.job_id in record.__dict__["why"] for record in dropped)
    assert [stored for _, stored in office.ledger.documents.values()] == [document]
    assert not [*office.requests.messages, *office.results.objects]
