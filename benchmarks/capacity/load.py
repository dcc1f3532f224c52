"""Arrival times and sizes of files: the same for every architecture that is compared."""

import math
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from benchmarks.capacity.figures import Habits

HOUR = 3600
DAY = 24 * HOUR
WEEK = 7 * DAY
WORKING_DAYS = 5
LUNCH_HOUR = 12


class File(NamedTuple):
    """An input: seconds after Monday, 0 o'clock, and its size."""

    at: float
    tokens: int


def arrivals(habits: Habits, users: int, weeks: int, seed: int) -> list[File]:
    """Return the files of some weeks, drawn at random, in order of their arrival."""
    random = Random(seed)  # noqa: S311  a simulation, not a secret
    days = [week * WEEK + day * DAY for week in range(weeks) for day in range(WORKING_DAYS)]
    times = sorted(at for day in days for at in _day(habits, users, day, random))
    return [File(at, _tokens(habits, random)) for at in times]


def batch(habits: Habits, count: int, seed: int) -> list[File]:
    """Return one batch, drawn at random, that begins at once."""
    random = Random(seed)  # noqa: S311
    return [File(number * habits.between_files_seconds, _tokens(habits, random)) for number in range(count)]


def _day(habits: Habits, users: int, midnight: float, random: Random) -> Iterator[float]:
    opens, closes = (midnight + hour * HOUR for hour in (habits.opens_hour, habits.closes_hour))
    at = opens
    while (at := at + random.expovariate(users * habits.singles_per_day / (closes - opens))) < closes:
        yield at
    for _ in range(users):
        if random.random() < habits.batches_per_day:
            yield from _batch(habits, midnight, random)


def _batch(habits: Habits, midnight: float, random: Random) -> Iterator[float]:
    if random.random() < habits.before_lunch:
        hour = random.uniform(LUNCH_HOUR - 1, LUNCH_HOUR)
    else:
        hour = random.uniform(habits.opens_hour, habits.closes_hour)
    sizes = math.log(habits.smallest_batch), math.log(habits.largest_batch)
    for number in range(round(math.exp(random.uniform(*sizes)))):
        yield midnight + hour * HOUR + number * habits.between_files_seconds


def _tokens(habits: Habits, random: Random) -> int:
    drawn = random.lognormvariate(math.log(habits.median_tokens), habits.sigma_tokens)
    return round(min(drawn, habits.most_tokens))
