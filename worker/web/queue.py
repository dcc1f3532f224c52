"""The queue in front of the one model: so many requests at once, a few of them in slots, the others wait."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from worker.web.errors import QueueFullError

T = TypeVar("T")
Wanted = Callable[[], bool]
"""Whether anybody still waits for the work; it changes while the work goes on."""


class Queue:
    """Belongs to one event loop. ``places`` bounds what is held, ``slots`` what is worked on at once.

    Who leaves its place early is not waited for: work that has not begun does not begin any more, work that
    has begun keeps its slot until it ends.
    """

    def __init__(self, places: int, slots: int) -> None:
        self.places, self._slots = places, slots
        self._taken = 0
        self._free = asyncio.Semaphore(slots)
        self._entrance = asyncio.Lock()
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="slot")

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place. Raises QueueFullError."""
        if self._taken >= self.places:
            raise QueueFullError
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1

    async def run(self, work: Callable[[Wanted], T], *, alone: bool = False) -> T:
        """Wait for a free slot, or with ``alone`` for all of them, and work in a thread.

        Raises what ``work`` raises. Cancelled, it tells the work that nobody wants it any more.
        """
        slots = self._slots if alone else 1
        await self._take(slots)
        given_up = threading.Event()
        working = asyncio.get_running_loop().run_in_executor(self._pool, work, lambda: not given_up.is_set())
        working.add_done_callback(lambda _: self._release(slots))
        working.add_done_callback(_retrieved)
        try:
            return await asyncio.shield(working)
        finally:
            given_up.set()

    async def _take(self, slots: int) -> None:
        """Take slots in the order of asking, so that two who want all of them do not wait for each other."""
        taken = 0
        async with self._entrance:
            try:
                for taken in range(slots):  # noqa: B007  read where it is cut short
                    await self._free.acquire()
            except asyncio.CancelledError:
                self._release(taken)
                raise

    def _release(self, slots: int) -> None:
        for _ in range(slots):
            self._free.release()


def _retrieved(working: "asyncio.Future[T]") -> None:
    """Retrieve an error whose client has gone; it has been logged where it happened."""
    if not working.cancelled():
        working.exception()
