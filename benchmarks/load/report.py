"""Print the measurements, and the claims that hold."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from benchmarks.load.checks import Ends
from benchmarks.load.meter import READ, RENEWAL
from benchmarks.load.operations import KINDS, Calls, PerJob

MOST_OPERATIONS = 8
MOST_DIFFERENCE = 0.5
"""Largest difference in operations per job between ten files and all: duplicates are few with ten."""
SLOWER = 1.5
MOST_STARTED = 0.01
Latencies = Mapping[int, tuple[Sequence[float], Sequence[float]]]


@dataclass(frozen=True)
class Report:
    """Measurements: seconds by phase, seconds of latency by depth, operations, ends, workers started."""

    seconds: Mapping[str, float]
    latencies: Latencies
    few: PerJob
    many: PerJob
    calls: Calls
    became: Ends
    started: int


def show(console: Console, found: Report) -> int:
    """Print everything; return the exit status, 1 if a claim does not hold."""
    console.print(
        "Replaced: the model, by the same few atoms for each input; the worker's stream, by single pulls."
    )
    console.print(_phases(found.seconds, found.became.uploads))
    console.print(_operations(found.few, found.many))
    console.print(latencies(found.latencies))
    comparisons = found.many.comparison[READ]
    console.print(f"Comparing bucket and ledger, every ten minutes here: {comparisons:.2f} reads per job")
    _show_ends(console, found.became)
    claims = _claims(found)
    for claim, holds in claims.items():
        console.print(
            f"{'[green]holds' if holds else '[bold red]DOES NOT HOLD'}[/]  {claim}", highlight=False
        )
    return 0 if all(claims.values()) else 1


def _phases(seconds: Mapping[str, float], files: int) -> Table:
    table = Table("phase", "seconds", "files per second", title=f"{files:,} files")
    for phase, taken in seconds.items():
        rate = f"{files / taken:.1f}" if phase in {"queue", "drain"} else ""
        table.add_row(phase, f"{taken:.1f}", rate)
    table.add_row("all", f"{sum(seconds.values()):.1f}", "")
    return table


def _operations(few: PerJob, many: PerJob) -> Table:
    table = Table("operations per job", title="What it asks of Google's services")
    for count in (few, many):
        table.add_column(f"{count.jobs:,} files")
        table.add_column(f"background ({count.minutes:.1f} min)")
        table.add_column("background per minute")
    for kind in KINDS:
        table.add_row(kind, *(cell for count in (few, many) for cell in _cells(count, kind)))
    return table


def _cells(count: PerJob, kind: str) -> tuple[str, str, str]:
    background = count.background[kind]
    return f"{count.work[kind]:.2f}", f"{background:.2f}", f"{background * count.jobs / count.minutes:.1f}"


def latencies(measured: Latencies) -> Table:
    """Return a table of seconds from upload to request, by depth of the queue."""
    table = Table(
        "queued", "p50", "p95", "beside it, 10 queued: p50", "p95", "p95 is longer", title="Upload to request"
    )
    for depth, (deep, shallow) in measured.items():
        figures = [
            f"{value * 1000:.0f} ms" for times in (deep, shallow) for value in (p(times, 50), p(times, 95))
        ]
        table.add_row(f"{depth:,}", *figures, f"{p(deep, 95) / p(shallow, 95):.2f} times")
    return table


def _show_ends(console: Console, became: Ends) -> None:
    console.print(
        f"{became.succeeded:,} succeeded; {became.cached:,} were answered by the result cache; "
        f"{became.redelivered:,} completion events came once more, with the same id; "
        f"{became.sampled_outputs:,} files of sampled receipts compared"
    )
    for job, what in list(became.wrong.items())[:20]:
        console.print(f"[red]{job}: {what}")


def p(times: Sequence[float], percent: int) -> float:
    """Return a percentile."""
    return statistics.quantiles(times, n=100, method="inclusive")[percent - 1]


def _claims(found: Report) -> dict[str, bool]:
    """Return whether each claim, worded with its figures, holds."""
    few, many, became = found.few, found.many, found.became
    deep, shallow = found.latencies[max(found.latencies)]
    ratio, share = p(deep, 95) / p(shallow, 95), found.started / became.uploads
    renewals = many.work[RENEWAL] + many.background[RENEWAL]
    return {
        f"{became.receipts:,} receipts of {became.uploads:,}, {became.lost} lost, {became.double} double": (
            became.receipts == became.uploads and not became.wrong
        ),
        f"{many.firestore:.2f} Firestore operations per job in all, at most {MOST_OPERATIONS}; "
        f"and {renewals:.2f} renewals of its lease": many.firestore <= MOST_OPERATIONS,
        f"without the background {few.firestore_work:.2f} at {few.jobs} files, "
        f"{many.firestore_work:.2f} at {many.jobs:,}": (
            abs(few.firestore_work - many.firestore_work) <= MOST_DIFFERENCE
        ),
        f"p95 of upload to request {ratio:.2f} times that of 10 queued, at most {SLOWER}": ratio <= SLOWER,
        f"{found.started} workers started, {share:.2%} of predictions, at most {MOST_STARTED:.0%}": (
            share <= MOST_STARTED
        ),
        f"counted by processes and answered by the emulator: {_compared(found.calls)}": (
            found.calls.counted == found.calls.answered
        ),
    }


def _compared(calls: Calls) -> str:
    return ", ".join(f"{name} {count} = {calls.answered[name]}" for name, count in calls.counted.items())
