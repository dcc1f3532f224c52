from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Event, Lock, get_ident

import pytest
from patience import HANG

from worker.hands import Hands


@pytest.fixture
def gate() -> Iterator[Event]:
    """Hold work back until the test opens it; it opens at the test's end, so that no thread stays."""
    opened = Event()
    yield opened
    opened.set()


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

    hands = Hands(2, work)
    for thing in range(20):
        hands.give(thing)
    assert hands.wait(HANG) == []
    assert sorted(done) == list(range(20))
    assert get_ident() not in threads


def test_as_many_as_there_are_hands_are_worked_on_at_once(gate: Event) -> None:
    started = [Event(), Event()]

    def work(thing: int) -> None:
        started[thing].set()
        assert gate.wait(HANG)

    hands = Hands(2, work)
    hands.give(0)
    hands.give(1)
    assert all(event.wait(HANG) for event in started)
    assert hands.held() == [0, 1]


def test_there_are_never_more_at_work_than_hands() -> None:
    counter = Counter()

    def work(_thing: int) -> None:
        with counter:
            Event().wait(0.001)

    hands = Hands(3, work)
    for thing in range(60):
        hands.give(thing)
        assert len(hands.held()) <= 3
    hands.wait(HANG)
    assert 1 <= counter.most <= 3


def test_one_more_than_there_are_hands_waits_for_a_free_one() -> None:
    told: list[str] = []

    def work(thing: str) -> None:
        if thing == "first":
            assert go.wait(HANG)
        told.append(thing)

    go = Event()
    hands = Hands(1, work)
    hands.give("first")
    go.set()
    hands.give("second")  # returns when the first has ended
    assert told[0] == "first"
    hands.wait(HANG)
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
    hands = Hands(1, work)
    hands.give("surprise")
    work.go.set()
    with pytest.raises(KeyError, match="surprise"):
        hands.wait(HANG)
    assert hands.wait(HANG) == hands.held() == []
    hands.give("")
    assert hands.wait(HANG) == []


def test_of_several_errors_each_comes_out_and_once() -> None:
    work, caught = Failing(), []
    hands = Hands(3, work)
    for reason in "abc":
        hands.give(reason)
    work.go.set()
    for _ in "abc":
        with pytest.raises(KeyError) as error:
            hands.wait(HANG)
        caught.append(error.value.args[0])
    assert sorted(caught) == ["a", "b", "c"]
    assert hands.wait(HANG) == []


def test_giving_says_nothing_of_what_went_wrong_before_but_waiting_does() -> None:
    work, done = Failing(), []

    def note(reason: str) -> None:
        work(reason)
        done.append("worked")

    hands = Hands(1, note)
    hands.give("surprise")
    work.go.set()
    hands.give("")
    with pytest.raises(KeyError, match="surprise"):
        hands.wait(HANG)
    assert hands.wait(HANG) == []
    assert done == ["worked"]


def test_waiting_for_a_time_returns_what_is_held_still() -> None:
    slow, ended = Event(), Event()

    def work(thing: str) -> None:
        assert (slow if thing == "slow" else ended).wait(HANG)

    hands = Hands(2, work)
    hands.give("slow")
    hands.give("quick")
    assert hands.wait(0.01) == ["slow", "quick"]
    ended.set()
    while "quick" in hands.held():
        assert "slow" in hands.wait(0.001)
    slow.set()
    assert hands.wait() == []


def test_waiting_ends_with_the_first_error_whoever_works_still(gate: Event) -> None:
    """One that waits for ever must not keep the news that another has failed."""
    go = Event()

    def work(thing: str) -> None:
        if thing == "bad":
            assert go.wait(HANG)
            raise KeyError(thing)
        gate.wait(HANG)

    hands = Hands(2, work)
    hands.give("waiting")
    hands.give("bad")
    go.set()
    with pytest.raises(KeyError):
        hands.wait()
    assert hands.held() == ["waiting"]
