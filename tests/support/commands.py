"""The command as a person calls it, with a project in memory."""

import click
from click.testing import CliRunner, Result

from support.fakes import MemoryCloud


def run(command: click.Command, cloud: MemoryCloud | None, *words: object) -> Result:
    """Call one of the commands; what it prints for people stays apart from what it prints for programs."""
    return CliRunner(mix_stderr=False).invoke(command, list(map(str, words)), obj=cloud)
