"""The five figures that the dashboard shows, from the ledger: ``dropfold stats``."""

import json
import re
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import click

from dropfold.cloud import Cloud, pass_cloud
from dropfold.terminal import table, tell, write
from jobs.lifecycle import Trigger
from schemas.job import Job, State
from schemas.stages import ON_DEVICE

EPILOG = """\b
Examples:
  dropfold stats                     of the last day
  dropfold stats --since 2h --json

\b
Cold starts are workers that predicted; one that started before the window counts as well.
GPU utilisation is the share of the workers' time, from first claim to last end, in which the device computed.
Exit status: 0 it is told, 2 wrong usage.
"""
UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class Ledger(Protocol):
    """The ledger."""

    def count(self, state: State, most: int) -> int:
        """Return the number of jobs in a state, at most ``most``."""

    def longest_queued(self) -> Job | None:
        """Return the queued job that has not changed for longest, or None."""

    def predicted(self, since: datetime, most: int) -> Sequence[Job]:
        """Return the jobs that succeeded or failed after a time, the last first, at most ``most``."""


@dataclass(frozen=True)
class Figures:
    """The five figures, None without data. Shares are of 1, times are seconds."""

    predictions: int
    cold_starts: int
    cold_start_share: float | None
    queue_depth: int
    queue_age_seconds: float | None
    success_rate: float | None
    processing_p95_seconds: float | None
    device_busy_share: float | None


class Since(click.ParamType):
    """A time span, such as 90m, 24h or 7d."""

    name = "SPAN"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the time span of a text."""
        match = re.fullmatch(r"(\d{1,4})([mhd])", str(value))
        if not match:
            self.fail(f"{value!r} is no span: write 90m, 24h or 7d.", param, ctx)
        return timedelta(**{UNITS[match[2]]: int(match[1])})


@click.command("stats", epilog=EPILOG)
@click.option("--since", type=Since(), default="24h", show_default=True, help="How far to look back.")
@click.option(
    "--most",
    type=click.IntRange(1, 100_000),
    default=2000,
    show_default=True,
    help="Most jobs that are read, the last ones.",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@pass_cloud
def command(cloud: Cloud, *, since: timedelta, most: int, as_json: bool) -> None:
    """Tell the five figures of operation.

    Cold starts, queue, success rate, processing time and GPU utilisation, from the ledger.
    """
    now = datetime.now(UTC)
    jobs = cloud.ledger.predicted(now - since, most)
    if len(jobs) == most:
        tell(f"Only the last {most} jobs are read; --most reads more.", "yellow")
    figures = measure(jobs, cloud.ledger, now)
    if as_json:
        write(json.dumps(asdict(figures), indent=2))
    else:
        table(("figure", "value", "goal"), _rows(figures))


def measure(jobs: Sequence[Job], ledger: Ledger, now: datetime) -> Figures:
    """Return the figures of jobs that ended, and of the queue now, as eventarc/monitoring.tf defines them."""
    oldest = ledger.longest_queued()
    succeeded = [job for job in jobs if job.state is State.SUCCEEDED]
    cold = len({job.worker for job in jobs if job.worker and _busy(job)})
    return Figures(
        predictions=len(jobs),
        cold_starts=cold,
        cold_start_share=cold / len(jobs) if jobs else None,
        queue_depth=ledger.count(State.QUEUED, 100_000),
        queue_age_seconds=(now - oldest.updated_at).total_seconds() if oldest else None,
        success_rate=len(succeeded) / len(jobs) if jobs else None,
        processing_p95_seconds=_p95([_processing(job) for job in succeeded]),
        device_busy_share=_busy_share(succeeded),
    )


def _processing(job: Job) -> float:
    """Return the seconds from the last claim to the end."""
    return (job.updated_at - _claimed(job)).total_seconds()


def _claimed(job: Job) -> datetime:
    claims = (change.at for change in job.history if change.event == Trigger.CLAIMED)
    return max(claims, default=job.created_at)


def _busy(job: Job) -> float:
    return sum(job.timings.get(stage, 0) for stage in ON_DEVICE)


def _p95(seconds: Sequence[float]) -> float | None:
    if len(seconds) < 2:  # noqa: PLR2004  quantiles lie between two
        return seconds[0] if seconds else None
    return statistics.quantiles(seconds, n=20, method="inclusive")[-1]


def _busy_share(jobs: Iterable[Job]) -> float | None:
    """Return the share of all workers' time in which their devices computed, or None without any."""
    by_worker: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        if job.worker and _busy(job):
            by_worker[job.worker].append(job)
    busy = sum(_busy(job) for served in by_worker.values() for job in served)
    alive = sum(
        (max(job.updated_at for job in served) - min(map(_claimed, served))).total_seconds()
        for served in by_worker.values()
    )
    return busy / alive if alive else None


def _rows(figures: Figures) -> list[tuple[str, str, str]]:
    cold = f"{figures.cold_starts} of {figures.predictions} predictions, {_percent(figures.cold_start_share)}"
    age = figures.queue_age_seconds
    queue = f"{figures.queue_depth} queued{'' if age is None else f', the oldest for {age:.0f} s'}"
    p95 = figures.processing_p95_seconds
    return [
        ("cold starts", cold, "under 5 %"),
        ("queue", queue, ""),
        ("success rate", _percent(figures.success_rate), "over 95 %"),
        ("processing time, P95", "nothing ended" if p95 is None else f"{p95:.1f} s", ""),
        ("GPU utilisation", _percent(figures.device_busy_share), ""),
    ]


def _percent(share: float | None) -> str:
    return "nothing ended" if share is None else f"{share:.1%}"
