"""Whoever decides how things go: a generator led by a seed, which writes down what it decides; or a plan."""

from collections.abc import Sequence
from random import Random
from typing import Protocol

from simulation.plan import USUAL, Choice, How, Plan

SKEW = 15.0
"""Seconds by which a clock may be off: a lease outlasts its renewal by more than twice as many."""

SECONDS = {
    How.SLOW: (0.2, 1.0, 4.0, 15.0),
    How.STUCK: (65.0, 150.0, 400.0),
    How.ASLEEP: (20.0, 150.0, 400.0),
    How.LATE: (1.0, 10.0, 70.0, 700.0, 4000.0),
    How.SKEWED: (-SKEW, -1.0, 1.0, SKEW),
}
"""How long things may take that take otherwise."""


class Chance(Protocol):
    """Decides how something goes at a place, of what can happen there."""

    def choose(self, place: str, hows: Sequence[How]) -> Choice:
        """Return how it goes."""


class Written:
    """Decides as a plan says."""

    def __init__(self, plan: Plan) -> None:
        self._choices = plan.choices

    def choose(self, place: str, hows: Sequence[How]) -> Choice:
        """Return what is written, or that it goes as usual."""
        choice = self._choices.get(place, USUAL)
        return choice if choice.how in hows else USUAL


class Drawn:
    """Decides by chance, and writes it down in ``choices``.

    Which mishaps there are, and how often, is drawn first: in most schedules there are few kinds of them.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._slow = random.choice((0.0, 0.1, 0.4))
        self._odds_of_calls = random.choice((0.0, 0.005, 0.02, 0.06))
        self._odds_of_messages = random.choice((0.0, 0.05, 0.3))
        self._hows = {how for how in How if random.random() < 0.5}
        self.choices: dict[str, Choice] = {}

    def choose(self, place: str, hows: Sequence[How]) -> Choice:
        """Draw, and write down what is not as usual."""
        how = self._drawn(hows)
        if how is How.USUAL:
            return USUAL
        choice = Choice(how, self._random.choice(SECONDS.get(how, (0.0,))))
        self.choices[place] = choice
        return choice

    def _drawn(self, hows: Sequence[How]) -> How:
        drawn = self._random.random()
        if drawn < self._slow and How.SLOW in hows:
            return How.SLOW
        odds = self._odds_of_messages if How.LATE in hows else self._odds_of_calls
        if drawn < 1 - odds:
            return How.USUAL
        return self._random.choice([how for how in hows if how in self._hows] or [How.USUAL])
