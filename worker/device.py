"""The device and its turns: one prediction at a time, first come first served, each with a time limit."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from schemas.failure import Code, FailedError, Failure
from worker.errors import DeviceLostError

logger = logging.getLogger(__name__)
T = TypeVar("T")


class Device:
    """One thread that alone computes on the device.

    ``limit`` is the seconds that one turn may take; a turn that takes longer cannot be stopped, so the device
    counts as lost from then on, and the process has to go. ``busy`` counts the seconds of all turns.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="device")
        self._first = self._last = 0.0
        self.busy = 0.0
        self.lost = False

    @property
    def busy_share(self) -> float:
        """Return the share of time spent in turns, from the first one's start to the last one's end."""
        return self.busy / (self._last - self._first) if self.busy else 0.0

    def turn(self, begin: Callable[[], object], work: Callable[[], T]) -> T:
        """Wait for the turn, begin, then work. Raises FailedError, DeviceLostError, what ``begin`` raises."""
        began = threading.Event()

        def run() -> T:
            try:
                if self.lost:
                    raise DeviceLostError
                begin()
            finally:
                began.set()
            return self._timed(work)

        future = self._thread.submit(run)
        began.wait()
        return self._result(future)

    def _result(self, future: "Future[T]") -> T:
        try:
            return future.result(timeout=self._limit)
        except TimeoutError as error:
            if future.done():
                return future.result()
            self.lost = True
            raise FailedError(self._too_slow()) from error

    def _timed(self, work: Callable[[], T]) -> T:
        start = time.perf_counter()
        try:
            return work()
        except FailedError as error:
            # Said here, on the device's thread: the next turn would have begun before anyone else says it.
            self.lost |= error.failure.code is Code.CUDA_ERROR
            raise
        finally:
            self._first, self._last = self._first or start, time.perf_counter()
            self.busy += self._last - start

    def _too_slow(self) -> Failure:
        return Failure(
            code=Code.TIMEOUT,
            message=f"The prediction took longer than {self._limit:.0f} s and was given up.",
            remedy="Shorten the chains, give a shallower MSA, or ask for fewer samples or steps.",
        )
