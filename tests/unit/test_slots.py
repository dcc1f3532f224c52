from dataclasses import dataclass, field
from threading import Event, Lock, get_ident

import pytest
from support.patience import HANG

from worker.slots import Slots


class Counter:
    """Counts how many are inside at the same time."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.now = self.most = 0

    def __enter__(self) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.now -= 1


def test_every_thing_is_worked_on_once_in_a_thread_of_its_own() -> None:
    done: list[int] = []
    threads: list[int] = []

    def work(thing: int) -> None:
        threads.append(get_ident())
        done.append(thing)

    slots = Slots(2, work)
    for thing in range(20):
        slots.submit(thing)
    assert slots.wait(HANG) == []
    assert sorted(done) == list(range(20))
    assert get_ident() not in threads


def test_as_many_as_there_are_hands_are_worked_on_at_once(gate: Event) -> None:
    started = [Event(), Event()]

    def work(thing: int) -> None:
        started[thing].set()
        assert gate.wait(HANG)

    slots = Slots(2, work)
    slots.submit(0)
    slots.submit(1)
    assert all(event.wait(HANG) for event in started)
    assert slots.held() == [0, 1]


def test_there_are_never_more_at_work_than_hands() -> None:
    counter = Counter()

    def work(_thing: int) -> None:
        with counter:
            Event().wait(0.001)

    slots = Slots(3, work)
    for thing in range(60):
        slots.submit(thing)
        assert len(slots.held()) <= 3
    slots.wait(HANG)
    assert 1 <= counter.most <= 3


def test_one_more_than_there_are_hands_waits_for_a_free_one() -> None:
    told: list[str] = []

    def work(thing: str) -> None:
        if thing == "first":
            assert go.wait(HANG)
        told.append(thing)

    go = Event()
    slots = Slots(1, work)
    slots.submit("first")
    go.set()
    slots.submit("second")  # returns when the first has ended
    assert told[0] == "first"
    slots.wait(HANG)
    assert told == ["first", "second"]


@dataclass
class Failing:
    """Fails with what it is given as the reason, once it is let go."""

    go: Event = field(default_factory=Event)

    def __call__(self, reason: str) -> None:
        assert self.go.wait(HANG)
        if reason:
            raise KeyError(reason)


def test_an_error_comes_out_once_and_the_hand_is_free_again() -> None:
    work = Failing()
    slots = Slots(1, work)
    slots.submit("surprise")
    work.go.set()
    with pytest.raises(KeyError, match="surprise"):
        slots.wait(HANG)
    assert slots.wait(HANG) == slots.held() == []
    slots.submit("")
    assert slots.wait(HANG) == []


def test_of_several_errors_each_comes_out_and_once() -> None:
    work, caught = Failing(), []
    slots = Slots(3, work)
    for reason in "abc":
        slots.submit(reason)
    work.go.set()
    for _ in "abc":
        with pytest.raises(KeyError) as error:
            slots.wait(HANG)
        caught.append(error.value.args[0])
    assert sorted(caught) == ["a", "b", "c"]
    assert slots.wait(HANG) == []


def test_giving_says_nothing_of_what_went_wrong_before_but_waiting_does() -> None:
    work, done = Failing(), []

    def note(reason: str) -> None:
        work(reason)
        done.append("worked")

    slots = Slots(1, note)
    slots.submit("surprise")
    work.go.set()
    slots.submit("")
    with pytest.raises(KeyError, match="surprise"):
        slots.wait(HANG)
    assert slots.wait(HANG) == []
    assert done == ["worked"]


def test_waiting_for_a_time_returns_what_is_held_still() -> None:
    slow, ended = Event(), Event()

    def work(thing: str) -> None:
        assert (slow if thing == "slow" else ended).wait(HANG)

    slots = Slots(2, work)
    slots.submit("slow")
    slots.submit("quick")
    assert slots.wait(0.01) == ["slow", "quick"]
    ended.set()
    while "quick" in slots.held():
        assert "slow" in slots.wait(0.001)
    slow.set()
    assert slots.wait() == []


def test_waiting_ends_with_the_first_error_whoever_works_still(gate: Event) -> None:
    """One that waits for ever must not keep the news that another has failed."""
    go = Event()

    def work(thing: str) -> None:
        if thing == "bad":
            assert go.wait(HANG)
            raise KeyError(thing)
        gate.wait(HANG)

    slots = Slots(2, work)
    slots.submit("waiting")
    slots.submit("bad")
    go.set()
    with pytest.raises(KeyError):
        slots.wait()
    assert slots.held() == ["waiting"]
