"""A few threads for jobs in flight, so that one is read while another is predicted and a third uploaded."""

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class Slots(Generic[Thing]):
    """Works on at most ``count`` things at once, and knows which they are. Belongs to one thread."""

    def __init__(self, count: int, work: Callable[[Thing], None]) -> None:
        self._work = work
        self._free = threading.Semaphore(count)
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="slot")
        self._held: dict[Future[None], Thing] = {}

    def submit(self, thing: Thing) -> None:
        """Wait for a free slot and start to work."""
        self._free.acquire()  # released by the slot itself: it is free before anyone has looked
        future = self._pool.submit(self._work, thing)
        self._held[future] = thing
        future.add_done_callback(lambda _: self._free.release())

    def held(self) -> list[Thing]:
        """Return what is being worked on. Raises what earlier work raised."""
        for future in [future for future in self._held if future.done()]:
            del self._held[future]
            future.result()
        return list(self._held.values())

    def wait(self, seconds: float | None = None) -> list[Thing]:
        """Wait until nothing is held, or for so long; return what is held still.

        Raises what work raised, as soon as it does: some other may never end.
        """
        wait(list(self._held), timeout=seconds, return_when=FIRST_EXCEPTION)
        return self.held()
