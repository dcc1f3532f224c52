import json

import pytest
from support.fakes import NOW, a_job, a_source
from support.later import CODE, MORE

from jobs import lifecycle
from schemas.job import Job
from schemas.messages import (
    CapacityWanted,
    Message,
    PredictionCompleted,
    PredictionRequested,
    UndecodableMessageError,
)


def ended(name: str = "run42/foo.yaml") -> Job:
    return lifecycle.advance(a_job(source=a_source(name)), lifecycle.Trigger.CANCELLED, NOW)


def test_events_survive_the_way_through_a_message() -> None:
    completed = PredictionCompleted.of(ended(), "out")
    requested = PredictionRequested.of(a_job())
    for event in (completed, requested, CapacityWanted.at(NOW)):
        message = event.encode()
        assert type(event).decode(message.data, message.attributes) == event


def test_the_context_is_in_attributes_and_filters_see_batch_and_state() -> None:
    attributes = PredictionCompleted.of(ended(), "out").encode().attributes
    assert attributes["ce-specversion"] == "1.0"
    assert attributes["ce-type"] == "dev.dropfold.prediction.cancelled.v1"
    assert attributes["ce-subject"] == "gs://in/run42/foo.yaml"
    assert attributes["content-type"] == "application/json"
    assert (attributes["batch"], attributes["state"]) == ("run42", "CANCELLED")
    assert "ce-data" not in attributes


def test_a_second_attempt_is_another_request() -> None:
    ids = {PredictionRequested.of(a_job(attempt=attempt)).id for attempt in range(3)}
    assert len(ids) == 3


def test_a_name_too_long_for_an_attribute_is_in_the_data_alone() -> None:
    name = "é" * 510 + ".yaml"
    message = PredictionCompleted.of(ended(name), "out").encode()
    assert "ce-subject" not in message.attributes
    assert PredictionCompleted.decode(message.data, message.attributes).data.source.name == name


def test_a_running_job_has_no_completion_event() -> None:
    with pytest.raises(ValueError, match="state"):
        PredictionCompleted.of(lifecycle.claim(a_job(), "w", NOW), "out")


GOOD = PredictionRequested.of(a_job()).encode()


@pytest.mark.parametrize(
    "message",
    [
        Message(b"", GOOD.attributes),
        Message(b"\xff", GOOD.attributes),
        Message(b"[]", GOOD.attributes),
        Message(b'{"job_id":"../etc"}', GOOD.attributes),
        Message(GOOD.data, {}),
        Message(GOOD.data, {**GOOD.attributes, "ce-type": "another.type"}),
        Message(b"[" * 100_000, GOOD.attributes),
    ],
    ids=["empty", "binary", "list", "bad id", "no attributes", "other type", "deep"],
)
def test_what_is_not_a_request_is_one_kind_of_error(message: Message) -> None:
    with pytest.raises(UndecodableMessageError):
        PredictionRequested.decode(message.data, message.attributes)


def test_what_the_next_release_says_besides_is_left_out() -> None:
    for event in (
        PredictionRequested.of(a_job()),
        PredictionCompleted.of(ended(), "out"),
        CapacityWanted.at(NOW),
    ):
        message = event.encode()
        data = json.dumps({**json.loads(message.data), "more": MORE}).encode()
        assert type(event).decode(data, {**message.attributes, "ce-more": "1", "more": "1"}) == event


def test_what_lies_deeper_and_codes_that_the_next_release_has_are_no_trouble() -> None:
    message = PredictionCompleted.of(lifecycle.cancel(a_job(), NOW, "why"), "out").encode()
    data = json.loads(message.data)
    data["source"]["more"] = data["error"]["more"] = MORE
    data["error"]["code"] = CODE
    error = PredictionCompleted.decode(json.dumps(data).encode(), message.attributes).data.error
    assert error is not None
    assert (error.code, error.code.known) == (CODE, False)
    assert PredictionCompleted.decode(message.data, message.attributes).data.error.code.known  # type: ignore[union-attr]  # it is there
