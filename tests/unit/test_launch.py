import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event, Semaphore, Thread

import pytest
from fakes import MemoryLedger, a_job

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
    launcher.ring()
    launcher.ring()
    assert workers.starts == 2


def test_finished_workers_are_replaced_while_work_is_queued() -> None:
    workers = MemoryWorkers()
    launcher = a_launcher(queue_of(5), workers)
    launcher.ring()
    workers.finish_all()
    launcher.ring()
    assert workers.starts == 4


def test_a_started_worker_counts_before_the_api_lists_it() -> None:
    workers = MemoryWorkers(listed=False)
    launcher = a_launcher(queue_of(5), workers)
    launcher.ring()
    launcher.ring()
    assert workers.starts == 2


def test_a_used_up_quota_is_no_error() -> None:
    workers = MemoryWorkers(quota=1)
    a_launcher(queue_of(12), workers).ring()
    assert workers.starts == 1


def test_many_bells_at_once_start_no_worker_too_many() -> None:
    workers = MemoryWorkers()
    launcher = a_launcher(queue_of(100), workers)
    with ThreadPoolExecutor(16) as pool:
        for _ in range(64):
            pool.submit(launcher.ring)
    assert workers.starts == 3


class CountingLedger(MemoryLedger):
    counts = 0

    most = 0

    def count(self, state: State, most: int) -> int:
        self.counts += 1
        self.most = most
        return super().count(state, most)


def test_bells_that_ring_together_share_a_decision() -> None:
    ledger = CountingLedger()
    launcher = Launcher(ledger, MemoryWorkers(), max_workers=3, jobs_per_worker=4, decision_seconds=0.05)
    with ThreadPoolExecutor(32) as pool:
        for _ in range(32):
            pool.submit(launcher.ring)
    assert 1 <= ledger.counts < 10


def test_a_long_queue_is_counted_no_further_than_workers_may_be_started_for() -> None:
    ledger, workers = CountingLedger(queue_of(100).documents), MemoryWorkers()
    a_launcher(ledger, workers).ring()
    assert (ledger.most, workers.starts) == (12, 3)


class SlowLedger(MemoryLedger):
    """Answers a count when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.answer = Semaphore(0), Event()

    def count(self, state: State, most: int) -> int:
        self.asked.release()
        assert self.answer.wait(10)
        return super().count(state, most)


def test_of_the_bells_during_a_decision_one_waits_for_the_next_and_the_others_do_not() -> None:
    ledger = SlowLedger()
    launcher = a_launcher(ledger, MemoryWorkers())
    ringing = [Thread(target=launcher.ring) for _ in range(9)]
    ringing[0].start()
    assert ledger.asked.acquire(timeout=10)
    for thread in ringing[1:]:
        thread.start()
    deadline = time.monotonic() + 10
    while sum(thread.is_alive() for thread in ringing) > 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sum(thread.is_alive() for thread in ringing) == 2
    ledger.answer.set()
    for thread in ringing:
        thread.join(10)
    assert ledger.asked.acquire(timeout=0)
    assert not ledger.asked.acquire(timeout=0)
