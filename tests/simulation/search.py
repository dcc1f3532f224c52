"""Runs the schedules of many seeds, and tells those that end with a problem."""

import gc
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from simulation.model import Problem
from simulation.schedule import drawn
from simulation.stand_ins import installed

CHUNK = 200
"""Seeds that a process takes at once."""

Failing = tuple[int, tuple[Problem, ...]]


@contextmanager
def simulating() -> Iterator[None]:
    """Have the product live in virtual time for a block, and say nothing in logs."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    gc.freeze()  # what was imported is not looked at again and again: a sixth of all time
    try:
        with installed():
            yield
    finally:
        gc.unfreeze()
        logging.disable(disabled)


def failing(seeds: Iterable[int]) -> Iterator[Failing]:
    """Yield seeds whose schedules end with problems."""
    for seed in seeds:
        if problems := drawn(seed).problems:
            yield seed, problems


def failing_in_parts(seeds: range) -> Iterator[Sequence[Failing]]:
    """Yield the same, part by part, of all processors."""
    parts = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    with ProcessPoolExecutor(os.cpu_count(), get_context("fork")) as pool:
        yield from pool.map(_failing, parts)


def _failing(seeds: range) -> Sequence[Failing]:
    return list(failing(seeds))
