"""Names by which a person means objects and jobs: an id, a prefix, or a ``gs://`` URI."""

import re
from pathlib import PurePosixPath

import click

from inputs.read import INPUT_SUFFIXES

ID = re.compile(r"[0-9a-f]{16}")


def prefix(bucket: str, target: str) -> str:
    """Return the prefix of object names that a target means. Raises click.UsageError for another bucket."""
    if not target.startswith("gs://"):
        return target
    its, _, name = target.removeprefix("gs://").partition("/")
    if its != bucket:
        raise click.UsageError(f"{target} lies in another bucket: this project's is gs://{bucket}/.")
    return name


def is_id(target: str) -> bool:
    """Return whether a target has the form of a job's id."""
    return ID.fullmatch(target) is not None


def of_outputs(named: str) -> str:
    """Return the prefix of outputs that belongs to a prefix of inputs: an input's name without its suffix."""
    suffix = PurePosixPath(named).suffix
    return f"{named.removesuffix(suffix)}/" if suffix.lower() in INPUT_SUFFIXES else named
