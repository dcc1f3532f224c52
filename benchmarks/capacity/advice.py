"""Which setting to choose, by one rule that the page names."""

from collections.abc import Sequence

from benchmarks.capacity.experiments import Point, Results

AFFORDABLE = 1.2
"""Times the cost of the cheapest value of a setting."""
AS_FAST = 1.05
"""Times the p95 of the fastest value that is affordable: among equals the cheapest is chosen."""


def swept(results: Results, setting: str, users: int) -> list[Point]:
    """Return the runs with this setting changed, by its value."""
    return [point for point in results.points if point.setting == setting and point.users == users]


def best(points: Sequence[Point]) -> Point:
    """Choose the fastest of those that cost little more than the cheapest."""
    cheapest = min(point.per_thousand for point in points)
    affordable = [point for point in points if point.per_thousand <= AFFORDABLE * cheapest]
    fastest = min(point.p95_seconds for point in affordable)
    equals = [point for point in affordable if point.p95_seconds <= AS_FAST * fastest]
    return min(equals, key=lambda point: point.per_thousand)
