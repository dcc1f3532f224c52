import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from google.cloud import pubsub_v1
from google.cloud.pubsub_v1.subscriber._protocol import histogram
from support.patience import HANG, until

from gcp.pubsub import Leased, Subscription, Topic, following
from schemas.messages import Message

TOPIC, SUBSCRIPTION = "requests", "work"
POLL_SECONDS = 0.5


def pulled(work: Subscription, count: int) -> Iterator[Leased]:
    """Yield so many messages, and see that no more come."""
    with work.pulling(hold=1, look_seconds=POLL_SECONDS) as messages:
        for _ in range(count):
            yield waited_for(messages)
        assert next(messages) is None


def waited_for(messages: Iterator[Leased | None]) -> Leased:
    """Return the next message, however many looks it takes until there is one."""
    found = until(lambda: next(messages))
    assert found
    return found


@pytest.fixture(autouse=True)
def _long_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lease messages for as long as Pub/Sub can, instead of ten seconds: what comes again was given back."""
    monkeypatch.setattr(histogram, "MIN_ACK_DEADLINE", histogram.MAX_ACK_DEADLINE)


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
    for message in pulled(Subscription(subscriber, project, SUBSCRIPTION), 3):
        found.append((message.data, message.attributes["batch"]))
        message.ack()
    assert sorted(found) == [(b"1", "ä b"), (b"2", "ä b"), (b"3", "ä b")]


def test_what_a_leaving_worker_holds_is_left_to_the_next(
    subscriber: pubsub_v1.SubscriberClient, project: str
) -> None:
    publish(project, b"1", b"2", b"3")
    work = Subscription(subscriber, project, SUBSCRIPTION)
    with work.pulling(hold=1, look_seconds=POLL_SECONDS) as leaving:
        waited_for(leaving).nack()
    rest = set()
    for message in pulled(work, 3):
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
        with work.pulling(hold=2, look_seconds=POLL_SECONDS) as leaving:
            for message in [waited_for(leaving), waited_for(leaving)]:
                message.nack()
    request = {"subscription": path, "max_messages": 2, "return_immediately": True}
    until(lambda: subscriber.pull(request).received_messages)


def test_two_workers_share_the_work(subscriber: pubsub_v1.SubscriberClient, project: str) -> None:
    work = Subscription(subscriber, project, SUBSCRIPTION)
    both_have_one, numbers = Barrier(3), itertools.count()  # the two workers, and this thread

    def worker() -> None:
        with work.pulling(hold=1, look_seconds=POLL_SECONDS) as messages:
            waited_for(messages)
            both_have_one.wait(HANG)

    def both_wait() -> bool:
        """Publish more: the emulator gives what is there to the stream that opens first."""
        publish(project, b"%d" % next(numbers))
        return both_have_one.n_waiting == 2

    with ThreadPoolExecutor(2) as pool:
        workers = [pool.submit(worker) for _ in range(2)]
        until(both_wait)
        both_have_one.wait(HANG)
    assert [each.result() for each in workers] == [None, None]


def test_a_subscriber_that_left_gets_nothing_any_more(
    subscriber: pubsub_v1.SubscriberClient, project: str
) -> None:
    """Hold the local emulator to what the service does: see local/pubsub_repair.py."""
    work = Subscription(subscriber, project, SUBSCRIPTION)
    for _ in range(3):
        assert list(pulled(work, 0)) == []
    publish(project, b"after")
    assert next(pulled(work, 1)).data == b"after"


def test_a_worker_holds_as_many_messages_as_it_asked_for(
    subscriber: pubsub_v1.SubscriberClient, project: str
) -> None:
    publish(project, b"1", b"2", b"3")
    with Subscription(subscriber, project, SUBSCRIPTION).pulling(2, look_seconds=POLL_SECONDS) as messages:
        first, _second = waited_for(messages), waited_for(messages)
        assert next(messages) is None
        first.ack()
        waited_for(messages)


def test_a_worker_that_is_interrupted_still_gives_back_what_it_holds(
    subscriber: pubsub_v1.SubscriberClient, project: str
) -> None:
    """As by SIGTERM: in the middle of looking for more, and answered only after that."""
    publish(project, b"1")
    work = Subscription(subscriber, project, SUBSCRIPTION)
    with work.pulling(2, look_seconds=POLL_SECONDS) as messages:
        held = waited_for(messages)
        with pytest.raises(KeyboardInterrupt):
            messages.throw(KeyboardInterrupt)  # type: ignore[attr-defined]  # it is a generator
        held.nack()
    assert next(pulled(work, 1)).data == b"1"


def test_a_follower_hears_what_comes_and_its_subscription_goes_with_it(
    subscriber: pubsub_v1.SubscriberClient, project: str
) -> None:
    def names() -> set[str]:
        return {found.name for found in subscriber.list_subscriptions(project=f"projects/{project}")}

    before = names()
    with following(subscriber, project, TOPIC, 'attributes.batch = "ä b"') as own:
        [mine] = names() - before
        made = subscriber.get_subscription(subscription=mine)
        assert made.filter == 'attributes.batch = "ä b"'
        assert made.expiration_policy.ttl.days == 1
        publish(project, b"1")
        for message in pulled(own, 1):
            message.ack()
            assert message.data == b"1"
    assert names() == before
