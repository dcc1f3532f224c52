"""A signal that comes at a moment in which Python may forget what a handler raises.

Python imports a module of this name at every start, and a test puts this folder on a program's PYTHONPATH.
The program then gets SIGTERM while it imports ASKED_AT: in a text that ``exec`` runs, as dataclasses run one,
or in the callback of a weak reference, as each import's lock has one; ASKED_IN says which.
"""

import os
import signal
import sys
import weakref


class _Held:
    pass


def _ask() -> None:
    signal.raise_signal(signal.SIGTERM)


def _in_an_exec() -> None:
    exec("_ask()", globals())  # noqa: S102  the case is about it


def _in_a_weak_callback() -> None:
    held = _Held()
    reference = weakref.ref(held, lambda _: _ask())
    del held
    assert reference() is None


_WAYS = {"exec": _in_an_exec, "weakref": _in_a_weak_callback}


def _look(event: str, arguments: tuple[object, ...]) -> None:
    if event == "import" and arguments[0] == os.environ["ASKED_AT"]:
        _WAYS[os.environ["ASKED_IN"]]()


sys.addaudithook(_look)
