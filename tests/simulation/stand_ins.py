"""What product code waits with and reads the time from, in virtual time: threads, locks, futures, clocks.

`installed` puts them into the product's modules; whoever uses one must be a task of the running clockwork.
"""

import concurrent.futures
import datetime as dt
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION, Executor
from contextlib import contextmanager
from functools import cache, partial
from types import SimpleNamespace
from typing import Any, TypeVar

from support.fakes import NOW

from inputs.read import read_input
from simulation.clockwork import Clockwork, Task, current

T = TypeVar("T")
ROOMS = ("functions", "inputs", "jobs", "worker")
"""Packages of the product whose modules are told virtual time."""

_running: list[Clockwork] = []


@contextmanager
def running(clockwork: Clockwork) -> Iterator[Clockwork]:
    """Let the product's waits and clocks be this clockwork's for a block."""
    _running.append(clockwork)
    try:
        yield clockwork
    finally:
        _running.remove(clockwork)


def at(seconds: float) -> dt.datetime:
    """Return the time that is so many seconds after the beginning."""
    return NOW + dt.timedelta(seconds=seconds)


def monotonic() -> float:
    """Return seconds since the beginning."""
    return _running[-1].now


def sleep(seconds: float) -> None:
    """Wait for so long."""
    _running[-1].park(seconds)


class Datetime(dt.datetime):
    """Says what time it is by the clock of the process that asks."""

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]
        """Return the time: of the schedule, and off by what the process's clock is."""
        assert tz
        return at(_running[-1].now + current().process.skew)


class Waiting:
    """Tasks that wait for something, in the order in which they came."""

    def __init__(self) -> None:
        self._tasks: list[Task] = []

    def until(self, there: Callable[[], bool], seconds: float | None = None) -> bool:
        """Wait until something is so, or for so long; tell whether it is."""
        clockwork, task = _running[-1], current()
        ends = None if seconds is None else clockwork.now + seconds
        while not there():
            left = None if ends is None else ends - clockwork.now
            if left is not None and left <= 0:
                return False
            self._tasks.append(task)
            try:
                clockwork.park(left)
            finally:
                self._tasks.remove(task)
        return True

    def look(self) -> None:
        """Have all of them look again."""
        for task in self._tasks:
            _running[-1].wake(task)


class Semaphore:
    """As threading.Semaphore."""

    def __init__(self, value: int = 1) -> None:
        self._value, self._waiting = value, Waiting()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        seconds = 0.0 if not blocking else None if timeout < 0 else timeout
        if not self._waiting.until(lambda: self._value > 0, seconds):
            return False
        self._value -= 1
        return True

    def release(self) -> None:
        self._value += 1
        self._waiting.look()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_error: object) -> None:
        self.release()


class RLock(Semaphore):
    """As threading.RLock."""

    def __init__(self) -> None:
        super().__init__()
        self._owner: Task | None = None
        self._depth = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self._owner is not current():
            if not super().acquire(blocking, timeout):
                return False
            self._owner = current()
        self._depth += 1
        return True

    def release(self) -> None:
        self._depth -= 1
        if not self._depth:
            self._owner = None
            super().release()


class Event:
    """As threading.Event."""

    def __init__(self) -> None:
        self._set, self._waiting = False, Waiting()

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        self._waiting.look()

    def clear(self) -> None:
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        return self._waiting.until(self.is_set, timeout)


class Thread:
    """As threading.Thread: a task of the process that starts it."""

    def __init__(
        self,
        *,
        target: Callable[..., object],
        args: tuple[Any, ...] = (),
        name: str = "",
        daemon: bool = False,
    ) -> None:
        self.name, self.daemon = name, daemon
        self._run, self._ended = partial(target, *args), Event()

    def start(self) -> None:
        spawn(self.name, self._told)

    def join(self, timeout: float | None = None) -> None:
        self._ended.wait(timeout)

    def _told(self) -> None:
        try:
            self._run()
        finally:
            self._ended.set()


class Future(concurrent.futures.Future[T]):
    """As concurrent.futures.Future."""

    def __init__(self) -> None:
        super().__init__()
        self._looking = Waiting()
        self.add_done_callback(lambda _: self._looking.look())

    def result(self, timeout: float | None = None) -> T:
        if not self._looking.until(self.done, timeout):
            raise TimeoutError
        return super().result()


class ThreadPoolExecutor(Executor):
    """As concurrent.futures.ThreadPoolExecutor; what was submitted first is begun first."""

    def __init__(self, max_workers: int, thread_name_prefix: str = "pool") -> None:
        self._most, self._busy, self._name = max_workers, 0, thread_name_prefix
        self._line: deque[tuple[Future[Any], Callable[[], object]]] = deque()
        self._left = Waiting()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:  # noqa: ANN401
        future: Future[T] = Future()
        self._line.append((future, partial(fn, *args, **kwargs)))
        if self._busy < self._most:
            self._busy += 1
            spawn(self._name, self._work)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if cancel_futures:
            while self._line:
                self._line.popleft()[0].cancel()
        if wait:
            self._left.until(lambda: not self._busy)

    def _work(self) -> None:
        while self._line:
            _do(*self._line.popleft())
        self._busy -= 1
        self._left.look()


def _do(future: Future[Any], work: Callable[[], object]) -> None:
    """Do a piece of work and say in its future what came of it; a death says nothing."""
    try:
        answer = work()
    except BaseException as error:
        if current().process.dead:
            raise
        future.set_exception(error)
    else:
        future.set_result(answer)


def wait(
    fs: Iterable[Future[Any]], timeout: float | None = None, return_when: str = ALL_COMPLETED
) -> tuple[set[Future[Any]], set[Future[Any]]]:
    """As concurrent.futures.wait."""
    futures = list(fs)
    waiting = Waiting()
    for future in futures:
        future.add_done_callback(lambda _: waiting.look())
    waiting.until(partial(_enough, futures, return_when), timeout)
    done = {future for future in futures if future.done()}
    return done, set(futures) - done


def _enough(futures: list[Future[Any]], return_when: str) -> bool:
    done = [future for future in futures if future.done()]
    if return_when == FIRST_COMPLETED and done:
        return True
    if return_when == FIRST_EXCEPTION and any(future.exception() for future in done):
        return True
    return len(done) == len(futures)


def spawn(name: str, run: Callable[[], object]) -> None:
    """Begin a task beside the running one, in its process and about what it is about."""
    task = current()
    _running[-1].spawn(task.process, f"{task.name} {name}", run)


STAND_INS: list[tuple[object, object]] = [
    (
        threading,
        SimpleNamespace(Lock=Semaphore, RLock=RLock, Semaphore=Semaphore, Event=Event, Thread=Thread),
    ),
    (time, SimpleNamespace(monotonic=monotonic, perf_counter=monotonic, sleep=sleep)),
    (dt.datetime, Datetime),
    (concurrent.futures.ThreadPoolExecutor, ThreadPoolExecutor),
    (concurrent.futures.wait, wait),
    (
        read_input,
        cache(read_input),
    ),  # a file is read in the same way each time; this takes a tenth of all time
]


@contextmanager
def installed() -> Iterator[None]:
    """Put the stand-ins into the product's modules for a block, wherever one has the original."""
    put = [
        (module, name, value, stand_in)
        for room, module in list(sys.modules.items())
        if room.partition(".")[0] in ROOMS
        for name, value in vars(module).items()
        for original, stand_in in STAND_INS
        if value is original
    ]
    for module, name, _, stand_in in put:
        setattr(module, name, stand_in)
    try:
        yield
    finally:
        for module, name, value, _ in put:
            setattr(module, name, value)
