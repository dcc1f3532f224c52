"""The wish that this process ends: Cloud Run's SIGTERM, or Ctrl-C, as an exception that is not lost."""

import signal
import sys
from traceback import walk_stack
from types import FrameType

AGAIN_SECONDS = 0.01
INTERRUPTED = 130
"""Exit status of a command that somebody interrupted, as shells tell it."""


class InterruptError(KeyboardInterrupt):
    """Somebody does not want this program to go on."""


def raise_on(
    error: type[BaseException], *numbers: signal.Signals, then: signal.Handlers = signal.SIG_IGN
) -> None:
    """Raise ``error`` in the main thread when one of these signals comes; later ones are for ``then``.

    Python drops what is raised in a weak reference's callback, as every import has one, in ``__del__`` or in
    a callback of the garbage collector, and only tells ``sys.unraisablehook``. The error is then raised
    again, a moment later. It must not be KeyboardInterrupt itself: where that has left an ``exec`` of a text,
    as dataclasses run at import, CPython ends ``python -m`` by SIGINT at last, though it was caught
    (Python/pythonrun.c, ``unhandled_keyboard_interrupt``). A subclass like InterruptError will do.
    """

    def leave(_number: int, frame: FrameType | None) -> None:
        if any(each.f_code is dropped.__code__ for each, _ in walk_stack(frame)):
            _soon()  # what the hook raises is dropped, too
            return
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in numbers:
            signal.signal(number, then)
        raise error

    def dropped(what: "sys.UnraisableHookArgs") -> None:
        if issubclass(what.exc_type, error):
            _soon()
        else:
            sys.__unraisablehook__(what)

    for number in (*numbers, signal.SIGALRM):
        signal.signal(number, leave)
    sys.unraisablehook = dropped


def _soon() -> None:
    """Repeat the alarm: one that comes just before a wait does not end it."""
    signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS, AGAIN_SECONDS)
