"""Entry point of the command, and the one place where it is put together: ``python -m dropfold``."""

import sys
from functools import cached_property

import click
from pydantic import ValidationError

from dropfold import cancel
from gcp import project
from gcp.ledger import FirestoreLedger
from jobs.settle import Settler

EPILOG = """\b
The project is named by environment variables: GOOGLE_CLOUD_PROJECT, INPUT_BUCKET, OUTPUT_BUCKET, and for a
local stack what `. .local/env` sets besides.
"""


class Cloud:
    """The project that a command works on; opened when it is needed, so that help needs none."""

    @cached_property
    def settings(self) -> project.Project:
        """What the environment says. Raises click.UsageError."""
        try:
            return project.Project()
        except ValidationError as error:
            missing = ", ".join(str(detail["loc"][0]).upper() for detail in error.errors())
            remedy = "`. .local/env` does for a local stack"
            raise click.UsageError(f"Set {missing} in the environment: {remedy}.") from error

    @cached_property
    def ledger(self) -> FirestoreLedger:
        """Where the jobs are."""
        return project.ledger(self.settings)

    @cached_property
    def settler(self) -> Settler:
        """What follows a change of a job."""
        return project.settler(self.settings)


@click.group(epilog=EPILOG)
@click.pass_context
def main(context: click.Context) -> None:
    """Drop Boltz-2 inputs into a bucket, get predicted structures and receipts back."""
    context.obj = Cloud()


CANCEL_EPILOG = """\b
Examples:
  python -m dropfold cancel 0123456789abcdef          one job, by its id
  python -m dropfold cancel run42/                    all unfinished jobs of a folder
  python -m dropfold cancel gs://dropfold-in/run42/foo.yaml --yes

\b
Exit status: 0 all are cancelled, 1 none was there to cancel or some ended otherwise, 2 wrong usage.
"""


@main.command("cancel", epilog=CANCEL_EPILOG)
@click.argument("targets", nargs=-1, required=True, metavar="ID|PREFIX...")
@click.option("--yes", is_flag=True, help="Do not ask before cancelling more than one job.")
@click.pass_obj
def cancel_command(cloud: Cloud, targets: tuple[str, ...], yes: bool) -> None:
    """Cancel jobs that have not ended, also running ones; files stay where they are.

    Each cancelled job gets its receipt and its completion event, as every end does.
    """
    jobs = cancel.unfinished(cloud.ledger, cloud.settings.input_bucket, targets)
    if not jobs:
        raise click.ClickException(f"No unfinished job is named {' or '.join(targets)}, or lies under it.")
    if len(jobs) > 1 and not yes:
        click.confirm(f"Cancel {len(jobs)} jobs?", abort=True)
    otherwise = 0
    for job in jobs:
        ended = cancel.cancel(cloud.settler, job)
        otherwise += not cancel.is_cancelled(ended)
        click.echo(f"{ended.job_id}  {ended.state:<10}  {ended.source.uri}")
    sys.exit(1 if otherwise else 0)


if __name__ == "__main__":
    main(prog_name="python -m dropfold")
