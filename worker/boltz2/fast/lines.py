"""Functions of Boltz whose lines something here stands on: known by the digest of their source."""

import hashlib
import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from functools import cache

logger = logging.getLogger(__name__)

Lines = Mapping[Callable[..., object], str]
"""Digests by function."""


@cache
def digest(function: Callable[..., object]) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a function's source."""
    return hashlib.sha256(inspect.getsource(function).encode()).hexdigest()[:16]


def changed(lines: Lines) -> Iterator[str]:
    """Yield the names of functions that are no longer what they were."""
    for function, known in lines.items():
        if digest(function) != known:
            yield f"{function.__module__}.{function.__qualname__}"


def same(lines: Lines) -> bool:
    """Return whether all of them are what they were; else say which are not: Boltz's own way is taken."""
    others = list(changed(lines))
    if others:
        logger.warning(
            "another Boltz: its own way is taken", extra={"action": "model.own_way", "functions": others}
        )
    return not others
