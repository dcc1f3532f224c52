import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, RLock

import pytest
from support.patience import HANG

from gcp.made_once import made_once

THREADS = 20


class House:
    """Has one part, which another needs."""

    def __init__(self, make: Callable[[], object]) -> None:
        self.lock = RLock()
        self._make = make

    @made_once
    def part(self) -> object:
        return self._make()

    @made_once
    def other(self) -> list[object]:
        return [self.part]


def test_threads_that_ask_at_once_share_one_part() -> None:
    made: list[object] = []
    together = Barrier(THREADS)

    def make() -> object:
        time.sleep(0.1)  # long enough for every thread to find nothing made
        made.append(object())
        return made[-1]

    house = House(make)
    assert not made

    def ask(number: int) -> object:
        together.wait(HANG)
        return house.other[0] if number % 2 else house.part

    with ThreadPoolExecutor(THREADS) as pool:
        got = list(pool.map(ask, range(THREADS)))
    assert got == made * THREADS
    assert len(made) == 1


def test_each_object_has_a_part_of_its_own() -> None:
    assert House(object).part is not House(object).part


def test_what_could_not_be_made_is_tried_again() -> None:
    answers = iter([ConnectionError("not yet"), "made"])

    def make() -> object:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    house = House(make)
    with pytest.raises(ConnectionError):
        house.part  # noqa: B018  to read it makes it
    assert house.part == house.part == "made"
