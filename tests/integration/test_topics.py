import threading
from collections.abc import Iterator

import pytest
from google.cloud import pubsub_v1

from gcp.topics import Subscription, Topic
from schemas.messages import Message

TOPIC, SUBSCRIPTION = "requests", "work"
SOON = 2.0


@pytest.fixture
def subscriber(pubsub_host: str, project: str) -> Iterator[pubsub_v1.SubscriberClient]:
    assert pubsub_host
    publisher = pubsub_v1.PublisherClient()
    publisher.create_topic(name=publisher.topic_path(project, TOPIC))
    with pubsub_v1.SubscriberClient() as subscriber:
        subscriber.create_subscription(
            name=subscriber.subscription_path(project, SUBSCRIPTION),
            topic=publisher.topic_path(project, TOPIC),
        )
        yield subscriber


def publish(project: str, *bodies: bytes) -> None:
    topic = Topic(pubsub_v1.PublisherClient(), project, TOPIC)
    for body in bodies:
        topic.publish(Message(body, {"ce-id": body.decode(), "batch": "ä b"}))


def test_what_is_published_is_pulled_with_its_attributes_until_idle(
    subscriber: pubsub_v1.SubscriberClient, project: str
) -> None:
    publish(project, b"1", b"2", b"3")
    pulled = []
    for message in Subscription(subscriber, project, SUBSCRIPTION).pull(idle_seconds=SOON):
        pulled.append((message.data, message.attributes["batch"]))
        message.ack()
    assert sorted(pulled) == [(b"1", "ä b"), (b"2", "ä b"), (b"3", "ä b")]


def test_what_a_leaving_worker_holds_is_left_to_the_next(
    subscriber: pubsub_v1.SubscriberClient, project: str
) -> None:
    publish(project, b"1", b"2", b"3")
    work = Subscription(subscriber, project, SUBSCRIPTION)
    leaving = work.pull(idle_seconds=SOON)
    next(leaving).nack()
    leaving.close()
    rest = set()
    for message in work.pull(idle_seconds=SOON):
        rest.add(message.data)
        message.ack()
    assert rest == {b"1", b"2", b"3"}


def test_two_workers_share_the_work(subscriber: pubsub_v1.SubscriberClient, project: str) -> None:
    work = Subscription(subscriber, project, SUBSCRIPTION)
    both_have_one = threading.Barrier(3)  # the two workers, each holding a message, and this thread

    def worker() -> None:
        for _ in work.pull(idle_seconds=20):
            both_have_one.wait(timeout=20)
            return

    threads = [threading.Thread(target=worker) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(100):  # the emulator gives what is there to the stream that opens first
        publish(project, b"%d" % number)
        if both_have_one.n_waiting == 2:
            break
    both_have_one.wait(timeout=20)
    for thread in threads:
        thread.join(20)


def test_a_subscriber_that_left_gets_nothing_any_more(
    subscriber: pubsub_v1.SubscriberClient, project: str
) -> None:
    """Hold the local emulator to what the service does: see local/pubsub_repair.py."""
    work = Subscription(subscriber, project, SUBSCRIPTION)
    for _ in range(3):
        assert list(work.pull(idle_seconds=0.5)) == []
    publish(project, b"after")
    message = next(iter(work.pull(idle_seconds=SOON)))
    assert message.data == b"after"
