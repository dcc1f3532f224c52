"""Pub/Sub: publish a message and know that it is there; pull messages one by one under a lease."""

import contextlib
import queue
import uuid
from collections.abc import Iterator, Mapping

from google.cloud import pubsub_v1
from google.cloud.pubsub_v1.subscriber.message import Message as PubsubMessage

from schemas.messages import Message

PUBLISH_SECONDS = 60
EXPIRE_SECONDS = 24 * 3600
"""Least that Pub/Sub takes."""

GIVE_BACK_SECONDS = 3
"""A worker that was asked to leave has ten seconds in all."""


class Topic:
    """One topic. Implements jobs.settle.Topic."""

    def __init__(self, publisher: pubsub_v1.PublisherClient, project: str, name: str) -> None:
        self._publisher = publisher
        self._path = publisher.topic_path(project, name)

    def publish(self, message: Message) -> None:
        """Publish and wait until the topic has it. Raises google.api_core's errors when it cannot."""
        future = self._publisher.publish(self._path, message.data, **message.attributes)
        future.result(timeout=PUBLISH_SECONDS)


class Subscription:
    """One subscription, pulled by one worker: a message stays leased to it until acked or nacked."""

    def __init__(self, subscriber: pubsub_v1.SubscriberClient, project: str, name: str) -> None:
        self._subscriber = subscriber
        self._path = subscriber.subscription_path(project, name)

    @contextlib.contextmanager
    def pulling(self, hold: int, look_seconds: float) -> Iterator[Iterator["Leased | None"]]:
        """Open the stream for a block: messages, at most ``hold`` unanswered; None when no message came.

        The client renews the leases of those that are held, until the block is left: answer them in it.
        Raises, at its end, what ended the stream.
        """
        arrived: queue.SimpleQueue[PubsubMessage] = queue.SimpleQueue()
        given_back: list[str] = []
        stream = self._subscriber.subscribe(
            self._path,
            callback=arrived.put,
            flow_control=pubsub_v1.types.FlowControl(max_messages=hold),
            await_callbacks_on_shutdown=True,
        )
        try:
            yield _until_done(stream, arrived, given_back, look_seconds)
        finally:
            stream.cancel()
            try:
                stream.result()
            finally:
                self._give_back(given_back + [message.ack_id for message in _left(arrived)])

    def _give_back(self, ack_ids: list[str]) -> None:
        """Give messages back for immediate redelivery."""
        if ack_ids:
            self._subscriber.modify_ack_deadline(
                subscription=self._path, ack_ids=ack_ids, ack_deadline_seconds=0, timeout=GIVE_BACK_SECONDS
            )


class Leased:
    """A message under lease. Implements worker.drain.Delivery.

    One that is given back goes back when the stream is closed: an open one would get it again, perhaps in the
    moment in which it is closed, and then nobody has it until its lease ends.
    """

    def __init__(self, message: PubsubMessage, given_back: list[str]) -> None:
        self._message, self._given_back = message, given_back
        self.data: bytes = message.data
        self.attributes: Mapping[str, str] = message.attributes
        self.attempt: int = message.delivery_attempt or 1  # counted where there is a dead letter policy

    def ack(self) -> None:
        """Be done with the message."""
        self._message.ack()

    def nack(self) -> None:
        """Give the message back when the stream is closed."""
        self._given_back.append(self._message.ack_id)


@contextlib.contextmanager
def following(
    subscriber: pubsub_v1.SubscriberClient, project: str, topic: str, pattern: str
) -> Iterator[Subscription]:
    """Subscribe to a topic for a block, with a subscription of its own that is deleted at its end.

    ``pattern`` is a filter of Pub/Sub, or empty. Where the end is not reached, the subscription expires after
    a day without a reader. Raises google.api_core's errors.
    """
    name = f"{topic}-follower-{uuid.uuid4().hex[:12]}"
    path = subscriber.subscription_path(project, name)
    request = {
        "name": path,
        "topic": subscriber.topic_path(project, topic),
        "filter": pattern,
        "expiration_policy": {"ttl": {"seconds": EXPIRE_SECONDS}},
    }
    subscriber.create_subscription(request=request)
    try:
        yield Subscription(subscriber, project, name)
    finally:
        subscriber.delete_subscription(subscription=path)


def _until_done(
    stream: pubsub_v1.subscriber.futures.StreamingPullFuture,
    arrived: "queue.SimpleQueue[PubsubMessage]",
    given_back: list[str],
    seconds: float,
) -> Iterator[Leased | None]:
    while not stream.done():
        message = _next(arrived, seconds)
        yield Leased(message, given_back) if message else None


def _next(arrived: "queue.SimpleQueue[PubsubMessage]", seconds: float) -> PubsubMessage | None:
    with contextlib.suppress(queue.Empty):
        return arrived.get(timeout=seconds)
    return None


def _left(arrived: "queue.SimpleQueue[PubsubMessage]") -> Iterator[PubsubMessage]:
    """Yield what came and was not taken."""
    with contextlib.suppress(queue.Empty):
        while True:
            yield arrived.get_nowait()
