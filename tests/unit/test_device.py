import gc
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from threading import Event
from typing import TypeVar
from weakref import ref

import pytest
from support.paper import failing, nothing
from support.patience import HANG, NEVER, until

from schemas.failure import Code, FailedError
from worker.device import Device
from worker.errors import DeviceLostError

T = TypeVar("T")


@pytest.fixture
def callers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def queued(
    device: Device, callers: ThreadPoolExecutor, begin: Callable[[], object], work: Callable[[], T]
) -> "Future[T]":
    """Ask for a turn from another thread; return when it is in the queue for the device."""
    waiting = device._thread._work_queue
    before = waiting.qsize()
    future = callers.submit(device.turn, begin, work)
    until(lambda: waiting.qsize() > before)
    return future


def test_a_turn_begins_then_works_and_returns_what_the_work_returns() -> None:
    told: list[str] = []
    assert Device(NEVER).turn(lambda: told.append("begin"), lambda: [*told, "work"]) == ["begin", "work"]


def test_turns_are_taken_one_at_a_time_in_the_order_of_asking(
    gate: Event, callers: ThreadPoolExecutor
) -> None:
    device, told = Device(NEVER), []
    occupied = Event()

    def occupy() -> None:
        occupied.set()
        assert gate.wait(HANG)

    def turn(number: int) -> "Future[None]":
        def tell(what: str) -> Callable[[], None]:
            return lambda: told.append(f"{what} {number}")

        return queued(device, callers, tell("begin"), tell("work"))

    first = callers.submit(device.turn, nothing, occupy)
    assert occupied.wait(HANG)
    rest = [turn(number) for number in range(3)]
    assert not told
    gate.set()
    for future in (first, *rest):
        future.result(HANG)
    assert told == ["begin 0", "work 0", "begin 1", "work 1", "begin 2", "work 2"]


def test_a_turn_over_the_limit_is_a_timeout_and_the_device_is_lost(gate: Event) -> None:
    device = Device(limit=0.02)
    with pytest.raises(FailedError) as caught:
        device.turn(nothing, lambda: gate.wait(HANG))
    assert caught.value.failure.code is Code.TIMEOUT
    assert device.lost


def test_whoever_waited_for_a_lost_device_never_begins(gate: Event, callers: ThreadPoolExecutor) -> None:
    device, told, occupied = Device(limit=0.05), [], Event()

    def hang() -> None:
        occupied.set()
        gate.wait(HANG)

    hanging = callers.submit(device.turn, nothing, hang)
    assert occupied.wait(HANG)
    waiting = queued(device, callers, lambda: told.append("begin"), lambda: told.append("work"))
    with pytest.raises(FailedError):
        hanging.result(HANG)
    gate.set()
    with pytest.raises(DeviceLostError):
        waiting.result(HANG)
    assert not told


def test_only_work_counts_against_the_limit_neither_waiting_nor_beginning(
    gate: Event, callers: ThreadPoolExecutor
) -> None:
    device = Device(limit=0.02)

    def begin() -> None:
        """Be as slow as a ledger, well over the limit, which is not for the work that follows."""
        gate.wait(0.1)
        device._limit = NEVER

    first = callers.submit(device.turn, begin, nothing)
    second = callers.submit(device.turn, nothing, nothing)
    first.result(HANG)
    second.result(HANG)
    assert not device.lost


def test_one_that_may_not_begin_does_not_work_and_the_device_stays_usable() -> None:
    device, told = Device(NEVER), []

    def refuse() -> None:
        raise PermissionError("not yours any more")

    with pytest.raises(PermissionError):
        device.turn(refuse, lambda: told.append("worked"))
    assert (told, device.lost, device.busy) == ([], False, 0.0)
    assert device.turn(nothing, lambda: "next") == "next"


@pytest.mark.parametrize("error", [TimeoutError("of a socket"), KeyError("surprise")])
def test_what_the_work_raises_is_raised_and_costs_no_device(error: Exception) -> None:
    device = Device(NEVER)

    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        device.turn(nothing, fail)
    assert caught.value is error
    assert not device.lost


@pytest.mark.parametrize(("code", "lost"), [(Code.OUT_OF_MEMORY, False), (Code.CUDA_ERROR, True)])
def test_only_a_failure_of_the_device_itself_loses_it(code: Code, lost: bool) -> None:
    device = Device(NEVER)
    with pytest.raises(FailedError):
        device.turn(nothing, failing(code))
    assert device.lost is lost


def test_after_a_cuda_error_the_next_in_the_queue_does_not_begin(
    gate: Event, callers: ThreadPoolExecutor
) -> None:
    """However late the thread that asked for the failed turn learns of it."""
    device, told, occupied = Device(NEVER), [], Event()

    def fail() -> None:
        occupied.set()
        assert gate.wait(HANG)
        sys.setswitchinterval(HANG)  # from here on no thread runs that need not, but this one
        failing(Code.CUDA_ERROR)()

    interval = sys.getswitchinterval()
    try:
        failed = callers.submit(device.turn, nothing, fail)
        assert occupied.wait(HANG)
        waiting = queued(device, callers, lambda: told.append("begin"), nothing)
        gate.set()
        with pytest.raises(FailedError):
            failed.result(HANG)
        with pytest.raises(DeviceLostError):
            waiting.result(HANG)
    finally:
        sys.setswitchinterval(interval)
    assert not told


def test_busy_counts_the_work_and_not_what_lies_between() -> None:
    device, start = Device(NEVER), time.perf_counter()
    assert (device.busy, device.busy_share) == (0.0, 0.0)
    device.turn(nothing, lambda: time.sleep(0.02))
    time.sleep(0.02)
    device.turn(lambda: time.sleep(0.02), lambda: time.sleep(0.02))
    assert 0.04 <= device.busy <= time.perf_counter() - start - 0.04
    assert 0 < device.busy_share <= device.busy / (device.busy + 0.04)


def occupied_by(device: Device, callers: ThreadPoolExecutor, gate: Event) -> "Future[bool]":
    """Have somebody compute on the device until the gate opens."""
    occupied = Event()

    def hold() -> bool:
        occupied.set()
        return gate.wait(HANG)

    first = callers.submit(device.turn, nothing, hold)
    assert occupied.wait(HANG)
    return first


def test_what_can_be_done_ahead_is_done_beside_the_turn_of_another(
    gate: Event, callers: ThreadPoolExecutor
) -> None:
    device, read = Device(NEVER), Event()

    def ahead() -> str:
        read.set()
        return "features"

    def work(features: str) -> str:
        return f"predicted from {features}"

    first = occupied_by(device, callers, gate)
    second = callers.submit(device.pipelined, nothing, ahead, work, str.upper)
    assert read.wait(HANG)  # while the first still has the device
    gate.set()
    assert first.result(HANG)
    assert second.result(HANG) == "PREDICTED FROM FEATURES"


def test_a_device_that_is_free_begins_before_anything_is_read() -> None:
    told: list[str] = []

    def ahead() -> str:
        return f"read after {told}"

    assert Device(NEVER).pipelined(lambda: told.append("begin"), ahead, str, str) == "read after ['begin']"


def test_what_follows_a_turn_holds_up_none(gate: Event) -> None:
    device = Device(NEVER)

    def first_turn() -> bool:
        return device.pipelined(nothing, nothing, lambda _: "computed", lambda _: gate.wait(HANG))

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(first_turn)
        until(lambda: device.busy > 0)
        assert device.turn(nothing, lambda: "next") == "next"
        assert not first.done()
        gate.set()
        assert first.result(HANG)


def nothing_of(_: object) -> None:
    """Compute nothing from what was read."""


def test_what_is_read_for_a_turn_that_is_refused_is_not_used(
    gate: Event, callers: ThreadPoolExecutor
) -> None:
    device = Device(NEVER)
    told: list[str] = []

    def refuse() -> None:
        raise PermissionError

    first = occupied_by(device, callers, gate)
    refused = callers.submit(device.pipelined, refuse, lambda: "features", told.append, nothing_of)
    until(lambda: device._thread._work_queue.qsize() > 0)
    gate.set()
    with pytest.raises(PermissionError):
        refused.result(HANG)
    assert first.result(HANG)
    assert (told, device.lost) == ([], False)


@pytest.mark.parametrize("where", ["ahead", "ahead of a turn that is waited for", "after"])
def test_what_hangs_beside_the_turns_is_a_timeout_too_and_the_device_is_lost(
    where: str, gate: Event, callers: ThreadPoolExecutor
) -> None:
    device, let = Device(limit=0.05), Event()

    def hang(*_: object) -> None:
        gate.wait(HANG)

    read, follow = (nothing_of, hang) if where == "after" else (hang, nothing_of)
    if where == "ahead of a turn that is waited for":
        device._limit = NEVER
        first = occupied_by(device, callers, let)
        hanging = callers.submit(device.pipelined, nothing, partial(read, None), nothing_of, follow)
        until(lambda: device._thread._work_queue.qsize() > 0)
        device._limit = 0.05
        let.set()
        assert first.result(HANG)
    else:
        hanging = callers.submit(device.pipelined, nothing, partial(read, None), nothing_of, follow)
    with pytest.raises(FailedError) as caught:
        hanging.result(HANG)
    assert caught.value.failure.code is Code.TIMEOUT
    assert device.lost


@pytest.mark.parametrize(("code", "lost"), [(Code.OUT_OF_MEMORY, False), (Code.CUDA_ERROR, True)])
def test_a_failure_of_the_device_itself_that_is_seen_after_the_turn_loses_it(code: Code, lost: bool) -> None:
    device, fail = Device(NEVER), failing(code)
    with pytest.raises(FailedError):
        device.pipelined(nothing, lambda: None, nothing_of, lambda _: fail())
    assert device.lost is lost


def test_what_reading_ahead_raises_is_raised_in_the_turn(gate: Event, callers: ThreadPoolExecutor) -> None:
    device, told = Device(NEVER), []

    def unreadable() -> None:
        raise FileNotFoundError("features")

    first = occupied_by(device, callers, gate)
    second = callers.submit(
        device.pipelined, lambda: told.append("begin"), unreadable, nothing_of, nothing_of
    )
    until(lambda: device._thread._work_queue.qsize() > 0)
    assert not second.done()
    gate.set()
    with pytest.raises(FileNotFoundError, match="features"):
        second.result(HANG)
    assert first.result(HANG)
    assert told == ["begin"]


def test_a_device_holds_on_to_nothing_of_a_turn_that_failed() -> None:
    """What the frames of an error have may be most of a GPU's memory."""
    device = Device(NEVER)
    left = []

    def fail() -> None:
        large = Event()
        left.append(ref(large))
        failing(Code.OUT_OF_MEMORY)()

    with suppress(FailedError):  # which lets go of the error, as pytest's own does not
        device.turn(nothing, fail)
    gc.collect()
    assert left[0]() is None


def test_a_failed_turn_was_busy_too() -> None:
    device = Device(NEVER)

    def fail() -> None:
        time.sleep(0.02)
        raise KeyError

    with pytest.raises(KeyError):
        device.turn(nothing, fail)
    assert device.busy >= 0.02
    assert device.busy_share == pytest.approx(1)
