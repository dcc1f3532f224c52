"""Watch jobs until all have ended: ``dropfold watch``."""

import click

from dropfold import wait
from dropfold.board import Tally
from dropfold.cloud import Cloud, pass_cloud
from dropfold.commands.status import failed, show_jobs
from dropfold.names import prefix
from dropfold.terminal import write

EPILOG = """\b
Examples:
  dropfold watch run42/                     until nothing of the folder is unfinished
  dropfold watch gs://dropfold-in/run42/

\b
Leaving it with Ctrl-C changes nothing for the jobs.
Exit status: 0 all succeeded, 1 some did not or none is there, 2 wrong usage, 130 after Ctrl-C.
"""


@click.command("watch", epilog=EPILOG)
@click.argument("target", metavar="PREFIX")
@pass_cloud
def command(cloud: Cloud, target: str) -> None:
    """Watch jobs until all have ended.

    Shows the jobs of a folder, throughput, time left and workers alive; ends with a summary. The ledger
    counts them: a look costs a few reads, however many there are.
    """
    under = prefix(cloud.inputs.name, target)
    seen = wait.follow(wait.Prefix(cloud.ledger, cloud.inputs, under), cloud.workers)
    if not seen.total:
        raise click.ClickException(f"No job and no upload is named {target}, or lies under it.")
    succeeded = conclude(seen)
    show_jobs(failed(cloud.ledger, cloud.inputs.name, under))
    raise SystemExit(0 if succeeded else 1)


def conclude(seen: Tally) -> bool:
    """Write how jobs ended; return whether all succeeded."""
    write(f"{seen.ended} of {seen.total} ended: {seen}.")
    return seen.all_succeeded
