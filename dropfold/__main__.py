"""Entry point and composition root of the command: ``dropfold``, or ``python -m dropfold``."""

import signal

import click

from dropfold.cloud import Cloud
from dropfold.commands import (
    cancel,
    doctor,
    drop,
    events,
    pair,
    replay,
    results,
    stats,
    status,
    validate,
    watch,
)
from dropfold.upload import LostError
from gcp.shutdown import INTERRUPTED, InterruptError, raise_on
from jobs.ledger import UnreadableJobError
from schemas.storage import ObjectGoneError, ObjectUnreadableError, StorageUnavailableError

EPILOG = """\b
Environment: GOOGLE_CLOUD_PROJECT, INPUT_BUCKET, OUTPUT_BUCKET, and for a local stack what `. .local/env` sets
besides; docs/settings.md has the others. NO_COLOR leaves colours out; without a terminal nothing moves.

\b
Exit status: 0 all is well, 1 something is not, 2 wrong usage or environment, 130 after Ctrl-C.

\b
Completion of the shell: eval "$(_DROPFOLD_COMPLETE=bash_source dropfold)", or zsh_source, fish_source.
"""
COMMANDS = (drop, status, watch, results, replay, cancel, events, validate, pair, doctor, stats)


class Commands(click.Group):
    """The commands in the order in which a person needs them; an error is one line."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """Return the names in the order in which they were added."""
        return list(self.commands)

    def invoke(self, context: click.Context) -> object:
        """Run a command; raise its expected errors as click.ClickException, in one line."""
        try:
            return super().invoke(context)
        except (StorageUnavailableError, ObjectGoneError, ObjectUnreadableError, LostError) as error:
            remedy = "Try again: what is done stays done; `dropfold doctor` looks at each part"
            raise click.ClickException(f"{_line(error)}. {remedy}.") from error
        except UnreadableJobError as error:
            raise click.ClickException(str(error)) from error
        except (click.ClickException, click.exceptions.Exit):
            raise
        except KeyboardInterrupt:
            click.echo("\nInterrupted.", err=True)
            raise SystemExit(INTERRUPTED) from None
        except Exception as error:
            from gcp import errors

            if isinstance(error, errors.ERRORS):
                raise click.ClickException(errors.explained(error)) from error
            raise


@click.group(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dropfold")
@click.pass_context
def main(context: click.Context) -> None:
    """Drop Boltz-2 inputs into a bucket, get predicted structures and receipts back."""
    raise_on(InterruptError, signal.SIGINT, signal.SIGTERM, then=signal.SIG_DFL)
    context.obj = Cloud()


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


for each in COMMANDS:
    main.add_command(each.command)

if __name__ == "__main__":
    main(prog_name="dropfold")
