import json
from dataclasses import dataclass

import pytest
from support.fakes import NOW, MemoryTopic, Outside, a_job
from support.later import CODE, EFFECT, MORE, as_the_next
from support.receipts import an_end

from jobs import lifecycle
from schemas.failure import Code, Failure
from schemas.job import Job, State
from schemas.messages import Message, PredictionCompleted, PredictionRequested
from schemas.options import Options
from schemas.receipt import Receipt


def recorded(outside: Outside, job: Job) -> Job:
    return outside.ledger.create(job)


def queued() -> Job:
    return lifecycle.take_in(a_job(), NOW)


def cancelled() -> Job:
    return lifecycle.advance(a_job(), lifecycle.Trigger.CANCELLED, NOW)


def test_a_queued_job_is_requested_and_that_costs_no_write() -> None:
    outside = Outside()
    job = recorded(outside, queued())
    assert outside.settler.settle(job) == job == outside.ledger.only()
    [message] = outside.requests.messages
    assert PredictionRequested.decode(message.data, message.attributes).data.job_id == job.job_id
    assert outside.ledger.writes == 1


def test_an_ended_job_gets_its_receipt_and_its_event() -> None:
    outside = Outside()
    job = outside.settler.settle(recorded(outside, cancelled()))
    receipt = json.loads(outside.results.objects[f"{job.output_prefix}receipt.json"][1])
    [message] = outside.completions.messages
    event = PredictionCompleted.decode(message.data, message.attributes)
    assert (receipt["state"], event.state) == (State.CANCELLED, State.CANCELLED)
    assert event.data.receipt == f"gs://out/{job.output_prefix}receipt.json"
    assert message.attributes["ce-id"] == f"{job.job_id}-cancelled"


def test_settling_twice_gives_the_same_receipt_and_the_same_event() -> None:
    outside = Outside()
    job = recorded(outside, cancelled())
    outside.settler.settle(job)
    first = dict(outside.results.objects)
    outside.settler.settle(job)  # as after a death between the effects and their clearing
    assert outside.results.objects == first
    assert outside.completions.messages[0] == outside.completions.messages[1]


def test_what_is_settled_costs_nothing_to_settle_again() -> None:
    outside = Outside()
    job = outside.settler.settle(recorded(outside, cancelled()))
    writes = outside.ledger.writes
    outside.settler.settle(job)
    assert outside.ledger.writes == writes
    assert len(outside.completions.messages) == 1


def test_a_job_claimed_before_its_request_was_published_stays_claimed() -> None:
    outside = Outside()
    job = recorded(outside, queued())
    outside.ledger.replace(lifecycle.claim(job, "w", NOW))
    outside.settler.settle(job)
    assert outside.ledger.only().state is State.RUNNING


@dataclass
class BrokenTopic(MemoryTopic):
    """A topic that refuses."""

    def publish(self, message: Message) -> None:
        raise ConnectionError(message.attributes["ce-id"])


def test_an_effect_that_fails_stays_pending() -> None:
    outside = Outside()
    job = recorded(outside, queued())
    outside.requests = BrokenTopic()
    with pytest.raises(ConnectionError):
        outside.settler.settle(job)
    assert outside.ledger.only().pending == job.pending != ()


def test_what_only_a_later_release_can_do_stays_pending() -> None:
    outside = Outside()
    outside.ledger.put(as_the_next(lifecycle.cancel(a_job(), NOW, "why")))
    job = outside.settler.settle(outside.ledger.only())
    assert (job.pending, len(outside.results.objects), len(outside.completions.messages)) == (
        (EFFECT,),
        1,
        1,
    )
    writes = outside.ledger.writes
    assert outside.settler.settle(job) == job == outside.ledger.only()
    assert (outside.ledger.writes, len(outside.completions.messages)) == (writes, 1)


def test_what_is_told_of_a_later_release_s_job_is_what_this_release_tells() -> None:
    outside = Outside()
    ended = an_end(options=Options(seed=5))
    document = as_the_next(lifecycle.enter(ended, "SUCCEEDED", State.SUCCEEDED, NOW))
    document["options"]["step_scale"] = 1.5
    document["errors"] = [{"code": CODE, "message": "m", "remedy": "r", "more": MORE}]
    outside.ledger.put(document)
    outside.settler.settle(outside.ledger.only())
    receipt = Receipt.model_validate_json(outside.results.objects[f"{ended.output_prefix}receipt.json"][1])
    [message] = outside.completions.messages
    event = PredictionCompleted.decode(message.data, message.attributes)
    assert event.encode() == message
    assert receipt.error == event.data.error == Failure(code=Code(CODE), message="m", remedy="r")
    assert (receipt.options, receipt.outputs, receipt.model) == (ended.options, ended.outputs, ended.model)
