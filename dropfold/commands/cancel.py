"""Cancel jobs by id or by prefix of their objects' names: ``dropfold cancel``."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Protocol

import click

from dropfold.cloud import Cloud, pass_cloud
from dropfold.names import is_id, prefix
from dropfold.terminal import say
from jobs import lifecycle
from jobs.settle import Settler
from jobs.withdraw import withdraw
from schemas.job import Job, State

EPILOG = """\b
Examples:
  dropfold cancel 0123456789abcdef          one job, by its id
  dropfold cancel run42/                    all unfinished jobs of a folder
  dropfold cancel gs://dropfold-in/run42/foo.yaml --yes

\b
Exit status: 0 all are cancelled, 1 none was there to cancel or some ended otherwise, 2 wrong usage.
"""


class Ledger(Protocol):
    """The ledger."""

    def get(self, job_id: str) -> Job | None:
        """Return a job, or None if it is missing."""

    def unfinished(self, bucket: str, prefix: str) -> Sequence[Job]:
        """Return the jobs that have not ended, of objects whose names begin with a prefix."""


class Settings(Protocol):
    """Names of the project's parts."""

    input_bucket: str


@click.command("cancel", epilog=EPILOG)
@click.argument("targets", nargs=-1, required=True, metavar="ID|PREFIX...")
@click.option("--yes", is_flag=True, help="Do not ask before cancelling more than one job.")
@pass_cloud
def command(cloud: Cloud, targets: tuple[str, ...], *, yes: bool) -> None:
    """Cancel jobs that have not ended.

    Also running ones; files stay where they are. Each cancelled job gets its receipt and its completion
    event, as every end does.
    """
    jobs = unfinished(cloud.ledger, cloud.settings.input_bucket, targets)
    if not jobs:
        raise click.ClickException(f"No unfinished job is named {' or '.join(targets)}, or lies under it.")
    if len(jobs) > 1 and not yes:
        click.confirm(f"Cancel {len(jobs)} jobs?", abort=True)
    otherwise = 0
    for job in jobs:
        ended = cancel(cloud.settler, job)
        otherwise += not is_cancelled(ended)
        say(ended.job_id, f"{ended.state:<10}", ended.source.uri)
    raise SystemExit(1 if otherwise else 0)


def unfinished(ledger: Ledger, bucket: str, targets: Iterable[str]) -> list[Job]:
    """Return the unfinished jobs of ids, or of prefixes with or without ``gs://BUCKET/``, each job once."""
    found = (job for target in targets for job in _named(ledger, bucket, target))
    return list({job.job_id: job for job in found if not job.state.terminal}.values())


def cancel(settler: Settler, job: Job) -> Job:
    """Cancel a job, and return it as it ended: perhaps otherwise, a moment before."""
    return withdraw(settler, job, partial(lifecycle.cancel, why="It was cancelled by a person's command."))


def is_cancelled(job: Job) -> bool:
    """Return whether a job ended as cancelled."""
    return job.state is State.CANCELLED


def _named(ledger: Ledger, bucket: str, target: str) -> Sequence[Job]:
    job = ledger.get(target) if is_id(target) else None
    return [job] if job else ledger.unfinished(bucket, prefix(bucket, target))
