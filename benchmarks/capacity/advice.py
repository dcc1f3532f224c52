"""Choice of a setting, by one rule that the page names."""

from collections.abc import Sequence

from benchmarks.capacity.experiments import Point, Results

AFFORDABLE = 1.2
"""Most that a value of a setting may cost, in multiples of the cheapest."""
AS_FAST = 1.05
"""Largest p95 that counts as equal, in multiples of the fastest affordable one's: the cheapest is chosen."""


def swept(results: Results, setting: str, users: int) -> list[Point]:
    """Return the runs with this setting changed, by its value."""
    return [point for point in results.points if point.setting == setting and point.users == users]


def best(points: Sequence[Point]) -> Point:
    """Return the fastest of those that cost little more than the cheapest."""
    cheapest = min(point.per_thousand for point in points)
    affordable = [point for point in points if point.per_thousand <= AFFORDABLE * cheapest]
    fastest = min(point.p95_seconds for point in affordable)
    equals = [point for point in affordable if point.p95_seconds <= AS_FAST * fastest]
    return min(equals, key=lambda point: point.per_thousand)
