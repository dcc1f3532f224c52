"""What Pub/Sub itself makes of a request that workers keep giving back, and what is done about it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from google.cloud import firestore, pubsub_v1
from support.fakes import MemoryBucket, MemoryTopic, a_job
from support.patience import until

from functions.dead_letters import GIVEN_UP_BY, DeadLetters
from functions.intake import Intake
from gcp.ledger import FirestoreLedger
from gcp.pubsub import Topic
from inputs.examine import Rules
from jobs import lifecycle
from jobs.settle import Settler
from schemas.job import State

ATTEMPTS = 5
"""The fewest that Pub/Sub allows before it gives up."""


@pytest.fixture
def give_up(pubsub_host: str, project: str) -> Callable[[], pubsub_v1.types.PubsubMessage]:
    """Return what gives the next request back until Pub/Sub gives up on it, and returns the dead letter."""
    assert pubsub_host
    publisher, subscriber = pubsub_v1.PublisherClient(), pubsub_v1.SubscriberClient()
    requests, dead = (publisher.topic_path(project, name) for name in ("requests", "dead"))
    work, graves = (subscriber.subscription_path(project, name) for name in ("work", "graves"))
    for topic in (requests, dead):
        publisher.create_topic(name=topic)
    policy = {"dead_letter_topic": dead, "max_delivery_attempts": ATTEMPTS}
    subscriber.create_subscription({"name": work, "topic": requests, "dead_letter_policy": policy})
    subscriber.create_subscription(name=graves, topic=dead)

    def pulled(path: str) -> list[pubsub_v1.types.ReceivedMessage]:
        request = {"subscription": path, "max_messages": 1, "return_immediately": True}
        return list(subscriber.pull(request).received_messages)

    def give_up_on_the_next() -> pubsub_v1.types.PubsubMessage:
        attempts = 0

        def grave() -> list[pubsub_v1.types.ReceivedMessage]:
            nonlocal attempts
            for given in pulled(work):
                subscriber.modify_ack_deadline(
                    subscription=work, ack_ids=[given.ack_id], ack_deadline_seconds=0
                )
                attempts += 1
            return pulled(graves)

        [received] = until(grave)
        assert attempts >= ATTEMPTS
        subscriber.acknowledge(subscription=graves, ack_ids=[received.ack_id])
        return received.message

    return give_up_on_the_next


@pytest.mark.usefixtures("firestore_host")
def test_a_request_that_is_given_back_for_ever_ends_in_one_failed_receipt(
    give_up: Callable[[], pubsub_v1.types.PubsubMessage], project: str
) -> None:
    ledger = FirestoreLedger(firestore.Client(project=project))
    receipts, completions = MemoryBucket("out"), MemoryTopic()
    requests = Topic(pubsub_v1.PublisherClient(), project, "requests")
    settler = Settler(ledger, receipts, requests, completions)
    intake = Intake(MemoryBucket("in"), ledger, settler, MemoryTopic(), Rules())
    dead = DeadLetters(intake, ledger, settler, "work", timedelta(hours=1))
    job = settler.settle(ledger.create(lifecycle.take_in(a_job(), datetime.now(UTC))))
    for state in (State.QUEUED, State.QUEUED, State.FAILED):
        letter = give_up()
        assert letter.attributes[GIVEN_UP_BY] == "work"
        if state is State.FAILED:
            a_day_passes(ledger, job.job_id)
        for _ in range(2):  # a dead letter may come twice
            dead.take_up(letter.data, dict(letter.attributes))
        known = ledger.get(job.job_id)
        assert known is not None
        assert known.state is state
    assert len(receipts.objects) == len(completions.messages) == 1


def a_day_passes(ledger: FirestoreLedger, job_id: str) -> None:
    """Have each of a job's steps lie a day further back."""
    job = ledger.get(job_id)
    assert job is not None
    earlier = [step.model_copy(update={"at": step.at - lifecycle.UNTAKEN}) for step in job.history]
    ledger.replace(job.evolve(history=tuple(earlier)))
