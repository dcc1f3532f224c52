"""A signal that asks this process to end is an exception in its main thread, whatever runs there."""

import gc
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.patience import HANG

from gcp.shutdown import InterruptError, raise_on

ASKED = signal.SIGUSR1
pytestmark = pytest.mark.usefixtures("_signals_as_before")


class Held:
    """Something that a weak reference can lead to, and that has something to do when it goes."""

    def __init__(self, last: Callable[[], object] = lambda: None) -> None:
        self._last = last

    def __del__(self) -> None:
        self._last()


def ask() -> None:
    signal.raise_signal(ASKED)


def in_plain_code() -> None:
    ask()


def in_the_callback_of_a_weak_reference() -> None:
    held = Held()
    reference = weakref.ref(held, lambda _: ask())
    del held
    assert reference() is None


def in_a_finaliser() -> None:
    held = Held(ask)
    del held


def in_a_callback_of_the_collector() -> None:
    def once(_phase: str, _info: dict[str, int]) -> None:
        gc.callbacks.remove(once)
        ask()

    gc.callbacks.append(once)
    gc.collect()


def while_python_tells_of_another_error() -> None:
    class Told(Exception):  # noqa: N818  what is told of an exception is its text
        def __str__(self) -> str:
            ask()
            return "told"

    def fail() -> None:
        raise Told

    held = Held(fail)
    del held


@pytest.mark.parametrize(
    "come",
    [
        in_plain_code,
        in_the_callback_of_a_weak_reference,
        in_a_finaliser,
        in_a_callback_of_the_collector,
        while_python_tells_of_another_error,
    ],
)
def test_it_is_raised_wherever_the_signal_comes(come: Callable[[], None]) -> None:
    raise_on(InterruptError, ASKED)
    with pytest.raises(InterruptError):  # noqa: PT012  at once, or a moment later
        come()
        time.sleep(HANG)


@contextmanager
def without(number: signal.Signals) -> Iterator[None]:
    """Hold a signal back for a block."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})


def test_it_is_raised_again_and_again_until_somebody_hears_it() -> None:
    """A signal that comes between Python's last look and a wait is heard when another one ends the wait."""
    raise_on(InterruptError, ASKED)
    with pytest.raises(InterruptError):  # noqa: PT012  at once, or a moment later
        with without(signal.SIGALRM):
            in_a_finaliser()
            assert signal.getitimer(signal.ITIMER_REAL)[1] > 0
        time.sleep(HANG)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_what_python_drops_besides_is_told_as_ever(capsys: pytest.CaptureFixture[str]) -> None:
    raise_on(InterruptError, ASKED)
    held = Held(lambda: 1 / 0)
    del held
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("then", "after"), [({}, signal.SIG_IGN), ({"then": signal.SIG_DFL}, signal.SIG_DFL)]
)
def test_leaving_once_is_enough(then: dict[str, signal.Handlers], after: signal.Handlers) -> None:
    raise_on(InterruptError, ASKED, **then)
    with pytest.raises(InterruptError):
        ask()
    assert signal.getsignal(ASKED) is after


def test_what_left_the_exec_of_a_text_and_was_caught_decides_no_exit_status(tmp_path: Path) -> None:
    """With KeyboardInterrupt itself, CPython would end this program with SIGINT after its last line."""
    (tmp_path / "program.py").write_text(
        "import signal, sys\n"
        "from gcp.shutdown import InterruptError, raise_on\n"
        "raise_on(InterruptError, signal.SIGTERM)\n"
        "try:\n"
        "    exec('signal.raise_signal(signal.SIGTERM)')\n"
        "except InterruptError:\n"
        "    sys.exit(3)\n"
    )
    path = {"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"}
    assert subprocess.run([sys.executable, "-m", "program"], env=path, check=False).returncode == 3
