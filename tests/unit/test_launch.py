from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event, Semaphore, Thread

import pytest
from support.clock import Clock
from support.fakes import MemoryLedger, a_job
from support.patience import HANG, until

from functions.launch import Launcher, wanted
from schemas.job import State


@dataclass
class MemoryWorkers:
    """A Cloud Run job whose executions run until they are told to finish."""

    running: dict[str, bool] = field(default_factory=dict)
    starts: int = 0
    quota: int = 100
    listed: bool = True

    def executions(self) -> Mapping[str, bool]:
        return dict(self.running) if self.listed else {}

    def start(self) -> str | None:
        if self.starts >= self.quota:
            return None
        self.starts += 1
        self.running[f"execution-{self.starts}"] = False
        return f"execution-{self.starts}"

    def finish_all(self) -> None:
        self.running = dict.fromkeys(self.running, True)


def queue_of(length: int) -> MemoryLedger:
    ledger = MemoryLedger()
    for number in range(length):
        ledger.create(a_job(job_id=f"{number:016x}"))
    return ledger


def a_launcher(ledger: MemoryLedger, workers: MemoryWorkers) -> Launcher:
    return Launcher(ledger, workers, max_workers=3, jobs_per_worker=4, decision_seconds=0)


@pytest.mark.parametrize(("queued", "workers"), [(0, 0), (1, 1), (4, 1), (5, 2), (12, 3), (10_000, 3)])
def test_workers_wanted_grow_with_the_queue_up_to_the_maximum(queued: int, workers: int) -> None:
    assert wanted(queued, max_workers=3, jobs_per_worker=4) == workers


def test_only_the_difference_is_started() -> None:
    workers = MemoryWorkers()
    launcher = a_launcher(queue_of(5), workers)
    launcher.reconsider()
    launcher.reconsider()
    assert workers.starts == 2


def test_finished_workers_are_replaced_while_work_is_queued() -> None:
    workers = MemoryWorkers()
    launcher = a_launcher(queue_of(5), workers)
    launcher.reconsider()
    workers.finish_all()
    launcher.reconsider()
    assert workers.starts == 4


def test_a_started_worker_counts_before_the_api_lists_it() -> None:
    workers = MemoryWorkers(listed=False)
    launcher = a_launcher(queue_of(5), workers)
    launcher.reconsider()
    launcher.reconsider()
    assert workers.starts == 2


def test_a_used_up_quota_is_no_error() -> None:
    workers = MemoryWorkers(quota=1)
    a_launcher(queue_of(12), workers).reconsider()
    assert workers.starts == 1


def test_many_messages_at_once_start_no_worker_too_many() -> None:
    workers = MemoryWorkers()
    launcher = a_launcher(queue_of(100), workers)
    with ThreadPoolExecutor(16) as pool:
        for _ in range(64):
            pool.submit(launcher.reconsider)
    assert workers.starts == 3


class CountingLedger(MemoryLedger):
    counts = 0

    most = 0

    def count(self, state: State, most: int) -> int:
        self.counts += 1
        self.most = most
        return super().count(state, most)


@dataclass
class Night(Clock):
    """Stands still; whoever sleeps by it sleeps until ``morning``."""

    slept: list[float] = field(default_factory=list)
    morning: Event = field(default_factory=Event)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        assert not seconds or self.morning.wait(HANG)


def test_messages_soon_after_a_decision_share_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, clock = CountingLedger(), Night()
    monkeypatch.setattr("functions.launch.time", clock)
    launcher = Launcher(ledger, MemoryWorkers(), max_workers=3, jobs_per_worker=4, decision_seconds=2)
    launcher.reconsider()
    with ThreadPoolExecutor(32) as pool:
        calls = [pool.submit(launcher.reconsider) for _ in range(32)]
        try:
            until(lambda: sum(call.done() for call in calls) == 31)
            assert (ledger.counts, clock.slept) == (1, [0, 2])
        finally:
            clock.morning.set()
    assert ledger.counts == 2


def test_a_long_queue_is_counted_no_further_than_workers_may_be_started_for() -> None:
    ledger, workers = CountingLedger(queue_of(100).documents), MemoryWorkers()
    a_launcher(ledger, workers).reconsider()
    assert (ledger.most, workers.starts) == (12, 3)


class SlowLedger(MemoryLedger):
    """Answers a count when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.answer = Semaphore(0), Event()

    def count(self, state: State, most: int) -> int:
        self.asked.release()
        assert self.answer.wait(HANG)
        return super().count(state, most)


def test_of_the_messages_during_a_decision_one_waits_for_the_next_and_the_others_do_not() -> None:
    ledger = SlowLedger()
    launcher = a_launcher(ledger, MemoryWorkers())
    calls = [Thread(target=launcher.reconsider) for _ in range(9)]
    calls[0].start()
    assert ledger.asked.acquire(timeout=HANG)
    for thread in calls[1:]:
        thread.start()
    until(lambda: sum(thread.is_alive() for thread in calls) == 2)
    ledger.answer.set()
    for thread in calls:
        thread.join(HANG)
        assert not thread.is_alive()
    assert ledger.asked.acquire(blocking=False)
    assert not ledger.asked.acquire(blocking=False)
