import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import TypeVar

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


def test_a_failed_turn_was_busy_too() -> None:
    device = Device(NEVER)

    def fail() -> None:
        time.sleep(0.02)
        raise KeyError

    with pytest.raises(KeyError):
        device.turn(nothing, fail)
    assert device.busy >= 0.02
    assert device.busy_share == pytest.approx(1)
