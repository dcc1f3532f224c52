"""Makes a plan that goes wrong shorter, as long as it goes wrong in the same way (delta debugging)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from simulation.plan import Act, Choice, Plan, Scale

T = TypeVar("T")
Part = Act | tuple[str, Choice]
"""An act, or a choice with its place."""


def shrunk(plan: Plan, fails: Callable[[Plan], bool]) -> Plan:
    """Return a plan of which nothing can be left out, and that still fails."""
    acts, scale = plan.acts, plan.scale
    parts: Sequence[Part] = [*acts, *plan.choices.items()]
    for simpler in _simpler(scale):
        if fails(replace(plan, scale=simpler)):
            scale = simpler
    parts = without_needless(parts, lambda kept: fails(_joined(kept, scale)))
    plan = _joined(parts, scale)
    for number, act in enumerate(plan.acts):
        plain = replace(plan, acts=(*plan.acts[:number], _plain(act), *plan.acts[number + 1 :]))
        plan = plain if fails(plain) else plan
    return plan


def without_needless(parts: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> Sequence[T]:
    """Leave out halves, quarters and so on down to single parts, until each one that is left is needed."""
    size = len(parts)
    while size:
        fewer = next((less for less in _without_some(parts, size) if fails(less)), None)
        if fewer is not None:
            parts = fewer
            size = min(size, len(parts))
        else:
            size //= 2
    return parts


def _without_some(parts: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(parts), size):
        yield [*parts[:start], *parts[start + size :]]


def _joined(parts: Sequence[Part], scale: Scale) -> Plan:
    acts = tuple(part for part in parts if isinstance(part, Act))
    return Plan(acts, dict(part for part in parts if not isinstance(part, Act)), scale)


def _simpler(scale: Scale) -> Iterator[Scale]:
    yield replace(scale, task_seconds=Scale.task_seconds)
    yield replace(scale, page=Scale.page)
    yield replace(scale, predict_seconds=Scale.predict_seconds)


def _plain(act: Act) -> Act:
    return replace(act, detail="good") if act.what == "upload" and act.name.endswith(".yaml") else act
