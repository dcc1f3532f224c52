"""The project that the command works on, put together as it is needed, so that help needs none."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

import click
from pydantic import ValidationError

from dropfold.settings import CommandSettings
from inputs.examine import Rules
from schemas.finding import Finding, Found

if TYPE_CHECKING:  # Google's clients take a second to import, and checking files and help need none
    from gcp.cloud_run import WorkerJob
    from gcp.health import Health
    from gcp.ledger import FirestoreLedger
    from gcp.storage import Bucket
    from jobs.settle import Settler

P = ParamSpec("P")
R = TypeVar("R")
Part = TypeVar("Part")
HOLD = 100
LOOK_SECONDS = 0.2
WORKERS_SECONDS = 5
"""How long a count of workers is good for."""


class Delivery(Protocol):
    """A message of a subscription."""

    @property
    def data(self) -> bytes:
        """What it says."""

    @property
    def attributes(self) -> Mapping[str, str]:
        """What it says about itself."""

    def ack(self) -> None:
        """Take it as read."""


class Cloud:
    """A project. Its parts are opened once; threads share them."""

    def __init__(self) -> None:
        self._workers: tuple[float, int | None] = (float("-inf"), None)

    @cached_property
    def settings(self) -> CommandSettings:
        """What the environment says. Raises click.UsageError."""
        try:
            return CommandSettings()
        except ValidationError as error:
            raise click.UsageError(_explained(error)) from error

    @cached_property
    def ledger(self) -> "FirestoreLedger":
        """Where the jobs are."""
        from gcp import project

        return _reached(self.health.ledger(), project.ledger(self.settings))

    @cached_property
    def inputs(self) -> "Bucket":
        """The input bucket."""
        return self._bucket(self.settings.input_bucket)

    @cached_property
    def outputs(self) -> "Bucket":
        """The output bucket."""
        return self._bucket(self.settings.output_bucket)

    @cached_property
    def settler(self) -> "Settler":
        """What follows a change of a job."""
        from gcp import project

        return project.settler(self.settings)

    @cached_property
    def health(self) -> "Health":
        """Looks at each part."""
        from gcp.health import Health

        return Health(self.settings)

    @property
    def rules(self) -> Rules:
        """What uploads are held to."""
        return Rules(msa_service=self.settings.msa_service, max_tokens=self.settings.max_tokens)

    def workers(self) -> int | None:
        """Count the workers alive, as of the last seconds; None where nobody tells."""
        counted_at, count = self._workers
        if time.monotonic() - counted_at > WORKERS_SECONDS:
            count = self._count_workers()
            self._workers = (time.monotonic(), count)
        return count

    @contextmanager
    def following(self, pattern: str) -> Iterator[Iterable[Delivery | None]]:
        """Subscribe to the completion topic for a block."""
        from gcp import project

        topic = self.settings.completed_topic
        own = _reached(self.health.topic(topic), project.following(self.settings, topic, pattern))
        with own as subscription, subscription.pulling(HOLD, LOOK_SECONDS) as messages:
            yield messages

    def _bucket(self, name: str) -> "Bucket":
        from gcp import project

        return _reached(self.health.bucket(name), project.bucket(self.settings, name))

    @cached_property
    def _job(self) -> "WorkerJob | None":
        from gcp.cloud_run import WorkerJob

        settings = self.settings
        name, region = settings.cloud_run_job_name, settings.cloud_run_region
        known = name and region
        return (
            WorkerJob(settings.google_cloud_project, region, name, settings.cloud_run_endpoint)
            if known
            else None
        )

    def _count_workers(self) -> int | None:
        from gcp.errors import ERRORS

        try:
            return self._job.alive(WORKERS_SECONDS) if self._job else None
        except ERRORS:
            return None  # a figure beside the bars, which may stay away


def pass_cloud(command: Callable[Concatenate[Cloud, P], R]) -> Callable[P, R]:
    """Call a command with the project first."""
    return click.pass_obj(command)


def _reached(look: Finding, part: Part) -> Part:
    """Return a part that answers: Google's clients knock for minutes where nobody does."""
    if look.found is Found.SILENT:
        what = "see whether the network, or for a local stack `make up`, is there"
        raise click.ClickException(f"{look.detail}: {what}; `dropfold doctor` looks at each part.")
    return part


def _explained(error: ValidationError) -> str:
    missing = [str(detail["loc"][0]).upper() for detail in error.errors() if detail["type"] == "missing"]
    wrong = [
        f"{str(detail['loc'][0]).upper()}={detail['input']!r}: {detail['msg']}"
        for detail in error.errors()
        if detail["type"] != "missing"
    ]
    remedy = "`. .local/env` does for a local stack, `terraform output environment` tells them for a project"
    told = [f"set {', '.join(missing)} in the environment ({remedy})"] if missing else []
    return f"{'; '.join([*told, *wrong])}."
