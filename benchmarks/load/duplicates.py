"""The same event again, once or twice, at any time: what "at least once" permits."""

import heapq
import random
import threading
import time
from types import TracebackType
from typing import NamedTuple, Self

import requests
from google.cloud.pubsub_v1.subscriber.message import Message

from local.eventarc_bridge import event_headers

SPREAD_SECONDS = 5.0
"""Longest delay of a copy in seconds: copies overtake each other, and the bridge's own delivery too."""
POSTERS = 2
TIMEOUT_SECONDS = 60


class Copy(NamedTuple):
    """One more delivery of an event, due at a time of ``time.monotonic``."""

    due: float
    order: float
    data: bytes
    headers: dict[str, str]


class Duplicates:
    """Copies the storage notifications of uploads, and posts them to the function as the bridge does.

    How many copies an upload gets, up to ``most``, and when, follows from the seed and its name.
    """

    def __init__(self, url: str, bucket: str, seed: int, most: int) -> None:
        self._url, self._bucket, self._seed, self._most = url, bucket, seed, most
        self._due: list[Copy] = []
        self._changed = threading.Condition()
        self._over = False
        self._threads = [threading.Thread(target=self._post, daemon=True) for _ in range(POSTERS)]
        self.posted = self.planned = 0

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(TIMEOUT_SECONDS)

    @property
    def left(self) -> int:
        """Return the number of copies that are still to be delivered."""
        with self._changed:
            return self.planned - self.posted

    def copy(self, message: Message) -> None:
        """Schedule the copies of a notification."""
        attributes = dict(message.attributes)
        if attributes["eventType"] == "OBJECT_FINALIZE" and attributes["bucketId"] == self._bucket:
            chance = random.Random(f"{self._seed} {attributes['objectId']}")  # noqa: S311  no secret
            for _ in range(chance.randint(0, self._most)):
                self._plan(chance, message.data, event_headers(message.message_id, attributes))
        message.ack()

    def _plan(self, chance: random.Random, data: bytes, headers: dict[str, str]) -> None:
        due = time.monotonic() + chance.uniform(0, SPREAD_SECONDS)
        with self._changed:
            heapq.heappush(self._due, Copy(due, chance.random(), data, headers))
            self.planned += 1
            self._changed.notify()

    def _post(self) -> None:
        with requests.Session() as session:
            session.trust_env = False  # the machine's proxy has no business with 127.0.0.1
            while (copy := self._next()) is not None:
                answer = session.post(self._url, copy.data, headers=copy.headers, timeout=TIMEOUT_SECONDS)
                self._note(copy, answer.ok)

    def _note(self, copy: Copy, taken: bool) -> None:
        with self._changed:
            if taken:
                self.posted += 1
            else:  # as Eventarc does
                heapq.heappush(self._due, copy._replace(due=time.monotonic() + 1))

    def _next(self) -> Copy | None:
        """Wait for the next copy that is due, and return it; None at the end."""
        with self._changed:
            while not self._over:
                wait = self._due[0].due - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._due)
                self._changed.wait(wait)
        return None
