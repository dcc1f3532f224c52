"""Show the state of jobs: ``dropfold status``."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import click

from dropfold import wait
from dropfold.board import ORDER
from dropfold.cloud import Cloud, pass_cloud
from dropfold.names import is_id, prefix
from dropfold.terminal import complain, table, tell, write
from schemas.checks import Verdict
from schemas.job import Job, State
from schemas.receipt import receipt_name
from schemas.storage import ObjectGoneError, ObjectTooLargeError
from schemas.trouble import MAX_BYTES, TROUBLE, MsaTrouble

EPILOG = """\b
Examples:
  dropfold status                           all jobs, counted by state
  dropfold status run42/ --limit 100        those of a folder, and each of up to 100
  dropfold status 0123456789abcdef          one job, with what happened to it
  dropfold status run42/ --json | jq .counts

\b
Exit status: 0 it is told, 1 no such job, 2 wrong usage.
"""
SHOWN = 10
"""Most failed jobs that a summary shows."""


class Ledger(wait.Ledger, Protocol):
    """The ledger."""

    def get(self, job_id: str) -> Job | None:
        """Return a job, or None if it is missing."""


class Settings(Protocol):
    """Names of the project's parts."""

    input_bucket: str
    output_bucket: str


@click.command("status", epilog=EPILOG)
@click.argument("target", metavar="[ID|PREFIX]", default="")
@click.option(
    "--limit", type=click.IntRange(0, 1000), default=20, show_default=True, help="Most jobs listed."
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@pass_cloud
def command(cloud: Cloud, target: str, *, limit: int, as_json: bool) -> None:
    """Say where jobs are.

    One by its id, with what happened to it, or those of a folder, counted by state.
    """
    job = cloud.ledger.get(target) if is_id(target) else None
    if job:
        _show_one(job, cloud.settings.output_bucket, as_json=as_json)
        if not as_json and job.state is State.ALIGNING:
            show_trouble(cloud)
        return
    bucket = cloud.settings.input_bucket
    under = prefix(bucket, target)
    counts = {state: count for state, count in wait.tally(cloud.ledger, bucket, under).items() if count}
    jobs = cloud.ledger.under(bucket, under, tuple(State), limit) if limit and target else ()
    if target and not counts:
        raise click.ClickException(f"No job is named {target}, or lies under it.")
    if as_json:
        told = {"counts": counts, "jobs": [job.model_dump(mode="json") for job in jobs]}
        write(json.dumps(told, indent=2))
        return
    table(("state", "jobs"), ((state, counts[state]) for state in ORDER if state in counts))
    show_jobs(jobs)
    if State.ALIGNING in counts:
        show_trouble(cloud)


def failed(ledger: wait.Ledger, bucket: str, under: str) -> Sequence[Job]:
    """Return some of the failed and the rejected jobs."""
    return ledger.under(bucket, under, (State.FAILED, State.REJECTED), SHOWN)


def show_trouble(cloud: Cloud) -> None:
    """Write why jobs are ALIGNING for long, where the MSA server has trouble."""
    server = cloud.settings.msa_server
    if server is None:
        return
    try:
        body = cloud.alignments.read(f"{server.prefix}/{TROUBLE}", None, MAX_BYTES)
    except (ObjectGoneError, ObjectTooLargeError):
        return
    if trouble := MsaTrouble.decode(body):
        again = f"; it is asked again at {trouble.again_at:%H:%M}" if trouble.again_at else ""
        since = f"{server.host} cannot be used since {trouble.since:%Y-%m-%d %H:%M} (UTC)"
        tell(f"{since}: {trouble.reason}{again}. Jobs wait for it, up to a day each.", "yellow")


def show_jobs(jobs: Iterable[Job]) -> None:
    """Write a line for each job."""
    rows = [(job.job_id, job.state, job.source.name, _why(job)) for job in jobs]
    if rows:
        write("")
        table(("job", "state", "input", "why"), rows)


def _why(job: Job) -> str:
    if job.state is State.WAITING:
        return f"waits for {', '.join(job.waits_for)}"
    if job.state is State.ALIGNING:
        return f"waits for {_alignments(job)}"
    if job.checks and job.checks.verdict == Verdict.FAILED:
        return " ".join(("checks failed:", *job.checks.reasons[:1]))
    return f"{job.errors[0].code}: {job.errors[0].message}" if job.errors and job.state.terminal else ""


def _alignments(job: Job) -> str:
    """Return in words which alignments a job lacks: of which host, since when, and until when at most."""
    since = job.history[-1].at if job.history else job.updated_at
    count = len(job.aligns)
    of = f"{count} alignment{'' if count == 1 else 's'} by {job.msa_server}"
    until = f", until {job.wait_until:%Y-%m-%d %H:%M} at most" if job.wait_until else ""
    return f"{of} since {since:%Y-%m-%d %H:%M}{until} (UTC)"


def _show_one(job: Job, output_bucket: str, *, as_json: bool) -> None:
    if as_json:
        write(job.model_dump_json(indent=2))
        return
    table(("", ""), _facts(job, output_bucket))
    write("")
    changes = ((f"{change.at:%Y-%m-%d %H:%M:%S}", change.event, change.state) for change in job.history)
    table(("at (UTC)", "event", "state"), changes)
    complain(job.errors)


def _facts(job: Job, output_bucket: str) -> Iterator[tuple[str, object]]:
    yield "job", job.job_id
    yield "state", job.state
    yield "input", f"{job.source.uri}#{job.source.generation}"
    yield "tokens", job.tokens
    yield "attempts", job.attempt
    if job.waits_for:
        yield "waits for", ", ".join(job.waits_for)
    if job.aligns:
        yield "waits for", _alignments(job)
    if job.msa_server:
        yield "aligned by", job.msa_server
    if job.worker:
        yield "worker", job.worker
    if job.checks:
        yield "checks", job.checks.verdict
        yield from (("", reason) for reason in job.checks.reasons)
    yield from (("warning", warning) for warning in job.warnings)
    if job.state.terminal:
        yield "receipt", f"gs://{output_bucket}/{receipt_name(job)}"
