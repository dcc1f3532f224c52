"""The device and its turns: one prediction at a time, first come first served, each with a time limit."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from schemas.failure import Code, FailedError, Failure
from worker.errors import DeviceLostError

logger = logging.getLogger(__name__)
T = TypeVar("T")
Read = TypeVar("Read")
Computed = TypeVar("Computed")

BESIDE = 4
"""Threads for what is done beside turns: one for each job in flight, and one to spare."""


class Device:
    """One thread that alone computes on the device, and others for what is done beside its turns.

    ``limit`` is the seconds that one turn may take, with what it waits for and what follows it; one that
    takes longer cannot be stopped, so the device counts as lost from then on, and the process has to go.
    ``busy`` counts the seconds in which something was computed.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="device")
        self._beside = ThreadPoolExecutor(BESIDE, thread_name_prefix="beside")
        self._asking = threading.Lock()
        self._asked = 0  # turns that are not over
        self._first = self._last = 0.0
        self.busy = 0.0
        self.lost = False

    @property
    def busy_share(self) -> float:
        """Return the share of time spent computing, from the first work's start to the last one's end."""
        return self.busy / (self._last - self._first) if self.busy else 0.0

    def turn(self, begin: Callable[[], object], work: Callable[[], T]) -> T:
        """Wait for the turn, begin, then work. Raises FailedError, DeviceLostError, what ``begin`` raises."""
        return self.pipelined(begin, lambda: None, lambda _: work(), lambda computed: computed)

    def pipelined(
        self,
        begin: Callable[[], object],
        ahead: Callable[[], Read],
        work: Callable[[Read], Computed],
        after: Callable[[Computed], T],
    ) -> T:
        """Begin and work in a turn, with what came of ``ahead``; return what ``after`` makes of the result.

        While the device is another's, ``ahead`` is called beside that turn; ``after`` beside the next one. A
        device that is free begins first. Raises what all of them raise, FailedError, DeviceLostError.
        """
        began = threading.Event()

        def run(reading: "Future[Read] | None") -> "Future[T]":
            try:
                self._begin(begin, began)
                read = reading.result() if reading else ahead()
                return self._beside.submit(self._followed, after, self._timed(work, read))
            finally:
                with self._asking:
                    self._asked -= 1

        with self._asking:
            reading = self._beside.submit(ahead) if self._asked else None
            self._asked += 1
            future = self._thread.submit(run, reading)
        began.wait()
        ends_at = time.monotonic() + self._limit
        return self._result(self._result(future, ends_at), ends_at)

    def _begin(self, begin: Callable[[], object], began: threading.Event) -> None:
        try:
            if self.lost:
                raise DeviceLostError
            begin()
        finally:
            began.set()

    def _result(self, future: "Future[T]", ends_at: float) -> T:
        try:
            return future.result(timeout=max(0.0, ends_at - time.monotonic()))
        except TimeoutError as error:
            if future.done():
                return future.result()
            self.lost = True
            raise FailedError(self._too_slow()) from error

    def _timed(self, work: Callable[[Read], Computed], read: Read) -> Computed:
        start = time.perf_counter()
        try:
            with self._lost_by_errors():
                return work(read)
        finally:
            self._first, self._last = self._first or start, time.perf_counter()
            self.busy += self._last - start

    def _followed(self, after: Callable[[Computed], T], computed: Computed) -> T:
        with self._lost_by_errors():
            return after(computed)

    @contextmanager
    def _lost_by_errors(self) -> Iterator[None]:
        """Say that the device is lost in the thread that sees it: a next turn may begin before others do."""
        try:
            yield
        except FailedError as error:
            self.lost |= error.failure.code is Code.CUDA_ERROR
            raise

    def _too_slow(self) -> Failure:
        return Failure(
            code=Code.TIMEOUT,
            message=f"The prediction took longer than {self._limit:.0f} s and was given up.",
            remedy="Shorten the chains, give a shallower MSA, or ask for fewer samples or steps.",
        )
