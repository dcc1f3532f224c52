import threading
from collections.abc import Iterator

import pytest
from google.cloud import pubsub_v1

from gcp.topics import Leased, Subscription, Topic
from schemas.messages import Message

TOPIC, SUBSCRIPTION = "requests", "work"
SOON = 2.0


def pulled(work: Subscription, quiet: float = SOON) -> Iterator[Leased]:
    """Yield messages until none came for a while."""
    with work.pulling(hold=1, look_seconds=quiet) as messages:
        yield from iter(lambda: next(messages), None)


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
    found = []
    for message in pulled(Subscription(subscriber, project, SUBSCRIPTION)):
        found.append((message.data, message.attributes["batch"]))
        message.ack()
    assert sorted(found) == [(b"1", "ä b"), (b"2", "ä b"), (b"3", "ä b")]


def test_what_a_leaving_worker_holds_is_left_to_the_next(
    subscriber: pubsub_v1.SubscriberClient, project: str
) -> None:
    publish(project, b"1", b"2", b"3")
    work = Subscription(subscriber, project, SUBSCRIPTION)
    with work.pulling(hold=1, look_seconds=SOON) as leaving:
        first = next(leaving)
        assert first is not None
        first.nack()
    rest = set()
    for message in pulled(work):
        rest.add(message.data)
        message.ack()
    assert rest == {b"1", b"2", b"3"}


def test_what_is_given_back_in_the_last_moment_is_not_sent_to_a_stream_that_closes(
    subscriber: pubsub_v1.SubscriberClient, project: str
) -> None:
    work = Subscription(subscriber, project, SUBSCRIPTION)
    path = subscriber.subscription_path(project, SUBSCRIPTION)
    publish(project, b"1", b"2")
    for _ in range(20):
        with work.pulling(hold=2, look_seconds=SOON) as leaving:
            held = [next(leaving), next(leaving)]
            assert None not in held
            for message in held:
                message.nack()  # type: ignore[union-attr]
    there = subscriber.pull(subscription=path, max_messages=2, timeout=SOON).received_messages
    assert there


def test_two_workers_share_the_work(subscriber: pubsub_v1.SubscriberClient, project: str) -> None:
    work = Subscription(subscriber, project, SUBSCRIPTION)
    both_have_one = threading.Barrier(3)  # the two workers, each holding a message, and this thread

    def worker() -> None:
        for _ in pulled(work, quiet=20):
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
        assert list(pulled(work, quiet=0.5)) == []
    publish(project, b"after")
    message = next(pulled(work))
    assert message.data == b"after"


def test_a_worker_holds_as_many_messages_as_it_asked_for(
    subscriber: pubsub_v1.SubscriberClient, project: str
) -> None:
    publish(project, b"1", b"2", b"3")
    with Subscription(subscriber, project, SUBSCRIPTION).pulling(2, look_seconds=SOON) as messages:
        first, second, third = next(messages), next(messages), next(messages)
        assert first is not None
        assert second is not None
        assert third is None
        first.ack()
        assert next(messages) is not None


def test_a_worker_that_is_interrupted_still_gives_back_what_it_holds(
    subscriber: pubsub_v1.SubscriberClient, project: str
) -> None:
    """As by SIGTERM: in the middle of looking for more, and answered only after that."""
    publish(project, b"1")
    work = Subscription(subscriber, project, SUBSCRIPTION)
    with work.pulling(2, look_seconds=SOON) as messages:
        held = next(messages)
        assert held is not None
        with pytest.raises(KeyboardInterrupt):
            messages.throw(KeyboardInterrupt)  # type: ignore[attr-defined]  # it is a generator
        held.nack()
    assert next(pulled(work)).data == b"1"
