"""How tests wait: for what is to happen, never for a clock. On a slow machine a test takes longer, no more.

``tests/contract/test_no_clocks.py`` holds all tests to it, and says what to do instead.
"""

import time
from collections.abc import Callable
from typing import TypeVar

HANG = 540.0
"""Seconds after which whoever waits gives up: then something hangs, on any machine.

Less than the 600 s of Pub/Sub's longest lease: what comes again within it was given back.
"""

NEVER = 1e6
"""Seconds for a limit of the product that a test is not about: nothing takes so long."""

T = TypeVar("T")


def until(condition: Callable[[], T], what: object = "it", pause: float = 0.05) -> T:
    """Wait for a condition; return what it gave. It is looked at again after each ``pause``.

    Fails when it never comes true, and says ``what`` did not happen; a function is called for that.
    """
    deadline = time.monotonic() + HANG
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {HANG:g} s: {what() if callable(what) else what}"
        time.sleep(pause)
    return found
