"""What a schedule consists of, written down: what people do, and where things go otherwise than usual.

A plan without choices is a day on which nothing goes wrong. Leaving out an act or a choice leaves a plan.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from pydantic import TypeAdapter


class How(StrEnum):
    """How something goes that can go otherwise."""

    USUAL = "as usual"
    # A call:
    SLOW = "slow"  # takes seconds longer, which may cost nothing
    STUCK = "stuck"  # takes so long that a lease can run out meanwhile
    REFUSED = "refused"  # does nothing; the caller gets an error
    LOST = "answer lost"  # is done; the caller gets an error, or the message comes again
    AGAIN = "done again"  # is done; the answer is lost, and the client does it once more by itself
    KILLED_BEFORE = "killed before"  # the process is killed before it is done
    KILLED_AFTER = "killed after"  # the process is killed when it is done
    ASLEEP = "asleep"  # the process stops for so long, with all that it does
    BROKEN = "device fails"  # a prediction ends with an error of the GPU
    HANGS = "device hangs"  # a prediction does not end
    # A message:
    LATE = "late"
    TWICE = "twice"
    NEVER = "never"
    # A process:
    SKEWED = "clock off"
    FRESH = "new instance"  # of a function, beside the one that is there
    FULL = "quota used up"  # the platform starts none
    HEAVY = "killed by its input"
    ASKED = "asked to leave"  # SIGTERM
    TIMED_OUT = "at its time limit"
    # A part of the platform:
    OUT = "cannot be reached"


@dataclass(frozen=True)
class Choice:
    """How one thing goes, and for how many seconds where that makes a difference."""

    how: How = How.USUAL
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.how}, {self.seconds:g} s" if self.seconds else self.how.value


USUAL = Choice()


@dataclass(frozen=True)
class Act:
    """Something that somebody does, or that happens to the platform, at a time in seconds."""

    at: float
    what: str
    name: str = ""
    detail: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Scale:
    """Figures of the deployment that a short story makes small, so that their ends are reached."""

    task_seconds: float = 3600.0
    page: int = 200
    predict_seconds: float = 10.0


@dataclass(frozen=True)
class Plan:
    """One schedule. ``choices`` are by place; whatever has none goes as usual."""

    acts: tuple[Act, ...]
    choices: Mapping[str, Choice] = field(default_factory=dict)
    scale: Scale = Scale()


_PLANS = TypeAdapter(Plan)


def load(path: Path) -> Plan:
    """Read a plan from a file."""
    return _PLANS.validate_json(path.read_bytes())


def save(plan: Plan, path: Path) -> None:
    """Write a plan to a file."""
    path.write_bytes(_PLANS.dump_json(plan, indent=1, exclude_defaults=True) + b"\n")
