"""Child processes for everything about an input that needs no device: they can be killed, and are.

Forked from a server that has Boltz imported and has never seen CUDA (worker/child_server.py): a child is
there in milliseconds.
"""

import fcntl
import gc
import multiprocessing
import os
import resource
import threading
from collections.abc import Callable
from concurrent.futures import TimeoutError as TookTooLongError
from concurrent.futures import wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from pebble import CONSTS, ProcessExpired, ProcessFuture, ProcessPool

from schemas.failure import Code, FailedError, Failure
from worker.errors import StoppedError

PRELOAD = (
    "worker.prepare",
    "inputs.stereo",
    "worker.repair.references",
    "worker.repair.templates",
    "worker.boltz2.featurise",
    "worker.boltz2.write",
    "worker.checks.run",
    "worker.report.page",
    "worker.report.summary",
)
"""What children do, by module: it is imported once, before they are forked."""

CHILDREN = 2  # one reads the next input while another writes the last prediction
NICENESS = 10  # where processors are few, the process that computes comes first
POLL_SECONDS = 0.5
CONSTS.term_timeout = 0.1  # a child in the middle of a call into C does not hear SIGTERM: SIGKILL comes soon
P = ParamSpec("P")
T = TypeVar("T")


class _Pool(ProcessPool):
    """A pool that kills its children before it takes away what one that is just starting looks for.

    pebble unlinks the semaphores first, and then ends child after child: one that starts meanwhile dies with
    a traceback on the worker's standard error.
    """

    def _stop_pool(self) -> None:
        manager = self._pool_manager_loop
        if manager is not None:
            manager.join()  # it starts no more
        for child in list(self._pool_manager.worker_manager.workers.values()):
            child.kill()
        super()._stop_pool()  # type: ignore[no-untyped-call]


class ChildPool:
    """A pool of children; ``limit`` is the seconds that one call may take. Start it before CUDA is used.

    ``memory`` is the bytes that a child may take beside what it is born with, or None for as many as there
    are. Leaving a ``with`` block stops it.
    """

    def __init__(self, limit: float, *preload: str, memory: int | None = None) -> None:
        self._limit, self._memory = limit, memory
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["worker.no_gc", *preload])
        # Boltz takes the first of a set here and there: the same first in every child of every worker.
        os.environ["PYTHONHASHSEED"] = "0"
        self._choosing = threading.Lock()
        self._stopped = False
        self._pool = self._new_pool()
        # A server that multiprocessing starts still imports, beside what the caller does next.
        self._starting = threading.Thread(target=self._pool.schedule, args=(int,), daemon=True)
        self._starting.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in a child. Raises what it raises, MemoryError where it asks for too much of that.

        Raises FailedError where it took too long or died.
        """
        self._starting.join()
        try:
            return self._called(function, args, kwargs)
        except TookTooLongError as error:
            raise FailedError(_too_slow(self._limit)) from error
        except ProcessExpired as error:
            raise FailedError(_died(error.exitcode)) from error

    def stop(self) -> None:
        """Kill the children, whatever they do. A call that is under way raises StoppedError."""
        self._starting.join()
        with self._choosing:
            self._stopped = True
            _end(self._pool)

    def _called(self, function: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]) -> T:
        try:
            return _result(*self._schedule(function, args, kwargs))
        except BrokenProcessPool:  # a child died that had nothing to do, and took the pool along
            return _result(*self._schedule(function, args, kwargs))

    def _schedule(
        self, function: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]
    ) -> tuple[ProcessPool, ProcessFuture[T]]:
        with self._choosing:
            if self._stopped:
                raise StoppedError
            if not self._pool.active:
                _end(self._pool)
                self._pool = self._new_pool()
            return self._pool, self._pool.schedule(function, args, kwargs, timeout=self._limit)

    def _new_pool(self) -> _Pool:
        return _Pool(CHILDREN, initializer=_begin, initargs=(self._memory,), context=self._context)


def _result(pool: ProcessPool, future: ProcessFuture[T]) -> T:
    """Wait for a result. Raises BrokenProcessPool, also where the pool took the call just as it broke.

    Nobody would then ever tell: pebble aborts the calls that it knows at that moment.
    """
    while pool.active and not future.done():
        wait([future], POLL_SECONDS)
    if not future.done():
        raise BrokenProcessPool
    return future.result()


def _end(pool: ProcessPool) -> None:
    pool.stop()  # type: ignore[no-untyped-call]
    pool.join()


def _begin(memory: int | None) -> None:
    gc.freeze()
    gc.enable()  # which the fork server's imports did without
    os.nice(NICENESS)
    if memory is not None:
        _limit_memory(memory)
    _end_with_parent()


def _limit_memory(more: int) -> None:
    """Limit this child's memory: past the container's limit the kernel would end the whole worker.

    The limit counts what a process may write to and shares with nobody, used or not (getrlimit(2)).
    """
    data = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmData" in line)
    limit = int(data.split()[1]) * 1024 + more
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _end_with_parent() -> None:
    """Arrange that the kernel ends this child with its parent, even in the middle of a call into C.

    The parent holds the other end of a pipe. SIGIO tells that it was closed, and ends who does not expect it.
    """
    parent = multiprocessing.parent_process()
    if parent is None or not parent.is_alive():
        os._exit(1)
    pipe = parent.sentinel
    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
    if not parent.is_alive():  # it went before the kernel was told
        os._exit(1)


def _too_slow(limit: float) -> Failure:
    return Failure(
        code=Code.TIMEOUT,
        message=f"Reading the input and its files took longer than {limit:.0f} s.",
        remedy="A long SMILES is the usual reason: give peptides as protein chains, known molecules by their "
        "CCD code; a very large MSA is another. Leave out what is not needed.",
    )


def _died(status: int | None) -> Failure:
    return Failure(
        code=Code.WORKER_LOST,
        message=f"The process that prepares the input died with status {status}.",
        remedy="Upload the file again; if it happens again, look at the worker's log for the reason.",
    )
