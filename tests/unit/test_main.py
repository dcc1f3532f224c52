import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from support.patience import HANG

THREADS = 20
Once = Callable[[Callable[[], object]], Callable[[], object]]


@pytest.fixture(scope="module")
def once() -> Once:
    """Import the functions, which set logging up, and leave logging as it was."""
    level = logging.root.level
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging.root, "handlers", [])
        from functions.main import _once  # noqa: PLC0415  see above
    logging.root.setLevel(level)
    return _once


def test_threads_that_ask_at_once_share_one_build(once: Once) -> None:
    built: list[object] = []
    together = Barrier(THREADS)

    def build() -> object:
        time.sleep(0.1)  # long enough for every thread to find nothing built
        built.append(object())
        return built[-1]

    get = once(build)
    assert not built

    def ask(_: int) -> object:
        together.wait(HANG)
        return get()

    with ThreadPoolExecutor(THREADS) as pool:
        got = list(pool.map(ask, range(THREADS)))
    assert got == built * THREADS
    assert len(built) == 1


def test_a_build_that_failed_is_tried_again(once: Once) -> None:
    answers = iter([ConnectionError("not yet"), "built"])

    def build() -> object:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    get = once(build)
    with pytest.raises(ConnectionError):
        get()
    assert get() == get() == "built"
