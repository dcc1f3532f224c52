"""The work subscription pulled message by message, under leases that are renewed here.

The worker itself streams. The Pub/Sub emulator ignores a stream's limit and sends it the whole queue, which
the client then keeps under lease, renewing thousands of leases every few seconds; with a long queue nothing
else is done on this machine, and one worker has it all. The service keeps to the limit. (Decision 002.)
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from google.api_core.exceptions import DeadlineExceeded
from google.pubsub_v1 import ReceivedMessage, SubscriberClient

LEASE_SECONDS = 60
RENEW_SECONDS = 15
PULL_SECONDS = 1.5
"""Timeout of a pull; the emulator answers an empty one a second earlier."""


class Held:
    """A message under lease. Implements worker.drain.Delivery."""

    def __init__(self, queue: "Unary", received: ReceivedMessage) -> None:
        self._queue, self._ack_id = queue, received.ack_id
        self.data: bytes = received.message.data
        self.attributes: Mapping[str, str] = dict(received.message.attributes)
        self.attempt: int = received.delivery_attempt or 1

    def ack(self) -> None:
        """Acknowledge the message."""
        self._queue.answer(self._ack_id)

    def nack(self) -> None:
        """Give the message back at once."""
        self._queue.answer(self._ack_id, give_back=True)


class Unary:
    """A subscription; at most ``hold`` messages of it are unanswered."""

    def __init__(self, subscriber: SubscriberClient, path: str, hold: int) -> None:
        self._subscriber, self._path = subscriber, path
        self._room = threading.Semaphore(hold)
        self._held: set[str] = set()
        self._over = threading.Event()

    @contextmanager
    def pulling(self, look_seconds: float) -> Iterator[Iterator[Held | None]]:
        """Yield messages, or None after ``look_seconds`` without one; renew leases while the block runs."""
        renewing = threading.Thread(target=self._renew, daemon=True)
        renewing.start()
        try:
            yield self._arriving(look_seconds)
        finally:
            self._over.set()
            renewing.join()

    def answer(self, ack_id: str, *, give_back: bool = False) -> None:
        """Acknowledge a message or give it back."""
        self._held.discard(ack_id)
        if give_back:
            self._extend([ack_id], 0)
        else:
            self._subscriber.acknowledge(subscription=self._path, ack_ids=[ack_id])
        self._room.release()

    def _arriving(self, look_seconds: float) -> Iterator[Held | None]:
        while True:
            received = self._next() if self._room.acquire(timeout=look_seconds) else None
            yield Held(self, received) if received else None

    def _next(self) -> ReceivedMessage | None:
        """Pull a message; release its room if it does not come."""
        try:
            answer = self._subscriber.pull(
                subscription=self._path, max_messages=1, timeout=PULL_SECONDS, retry=None
            )
        except DeadlineExceeded:
            answer = None
        for received in answer.received_messages if answer else ():
            self._held.add(received.ack_id)
            return received
        self._room.release()
        return None

    def _renew(self) -> None:
        while not self._over.wait(RENEW_SECONDS):
            if held := list(self._held):
                self._extend(held, LEASE_SECONDS)

    def _extend(self, ack_ids: list[str], seconds: int) -> None:
        self._subscriber.modify_ack_deadline(
            subscription=self._path, ack_ids=ack_ids, ack_deadline_seconds=seconds
        )
