"""The project that the command works on, opened part by part when needed, so that help needs no project."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

import click
from pydantic import ValidationError

from dropfold.settings import CommandSettings
from inputs.examine import Rules
from schemas.finding import Finding, Outcome

if TYPE_CHECKING:  # Google's clients take a second to import, which checking files and help do not need
    from gcp.clients import Clients
    from gcp.cloud_run import WorkerJob
    from gcp.deployment import Deployment
    from gcp.ledger import FirestoreLedger
    from gcp.project_health import ProjectHealth
    from gcp.storage import Bucket
    from jobs.settle import Settler

P = ParamSpec("P")
R = TypeVar("R")
Part = TypeVar("Part")
HOLD = 100
POLL_SECONDS = 0.2
WORKERS_SECONDS = 5
"""Time for which a count of workers is reused."""


class Delivery(Protocol):
    """A message of a subscription."""

    @property
    def data(self) -> bytes:
        """Payload."""

    @property
    def attributes(self) -> Mapping[str, str]:
        """Attributes of the message."""

    def ack(self) -> None:
        """Acknowledge the message."""


class Cloud:
    """A project. Its parts are opened once; threads share them."""

    def __init__(self) -> None:
        self._workers: tuple[float, int | None] = (float("-inf"), None)

    @cached_property
    def settings(self) -> CommandSettings:
        """The settings in the environment. Raises click.UsageError."""
        try:
            return CommandSettings()
        except ValidationError as error:
            raise click.UsageError(_explained(error)) from error

    @cached_property
    def ledger(self) -> "FirestoreLedger":
        """The ledger."""
        return _reached(self.health.ledger(), self._clients.ledger())

    @cached_property
    def inputs(self) -> "Bucket":
        """The input bucket."""
        return self._bucket(self.settings.input_bucket)

    @cached_property
    def outputs(self) -> "Bucket":
        """The output bucket."""
        return self._bucket(self.settings.output_bucket)

    @cached_property
    def alignments(self) -> "Bucket":
        """The bucket of alignments. Raises click.UsageError where none is named."""
        if not self.settings.alignments_bucket:
            raise click.UsageError("set ALIGNMENTS_BUCKET in the environment: alignments lie there.")
        return self._bucket(self.settings.alignments_bucket)

    @cached_property
    def settler(self) -> "Settler":
        """The settler of a job's effects."""
        return self._clients.settler()

    @cached_property
    def health(self) -> "ProjectHealth":
        """The checks of each part."""
        from gcp.project_health import ProjectHealth

        return ProjectHealth(self._clients)

    def deployment(self, project: str, region: str) -> "Deployment":
        """Return the checks of what a deployment needs; no other setting is needed for them."""
        from gcp import deployment

        return deployment.opened(project, region)

    @property
    def rules(self) -> Rules:
        """The rules for uploads."""
        return Rules(msa_service=self.settings.msa_server is not None, max_tokens=self.settings.max_tokens)

    def workers(self) -> int | None:
        """Return the number of workers alive, as of the last seconds, or None if it is unknown."""
        counted_at, count = self._workers
        if time.monotonic() - counted_at > WORKERS_SECONDS:
            count = self._count_workers()
            self._workers = (time.monotonic(), count)
        return count

    @contextmanager
    def following(self, pattern: str) -> Iterator[Iterable[Delivery | None]]:
        """Subscribe to the completion topic for a block."""
        topic = self.settings.completed_topic
        own = _reached(self.health.topic(topic), self._clients.following(topic, pattern))
        with own as subscription, subscription.pulling(HOLD, POLL_SECONDS) as messages:
            yield messages

    def _bucket(self, name: str) -> "Bucket":
        return _reached(self.health.bucket(name), self._clients.bucket(name))

    @cached_property
    def _clients(self) -> "Clients":
        from gcp.clients import Clients

        return Clients(self.settings)

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
    """Return a command that is called with the project as its first argument."""
    return click.pass_obj(command)


def _reached(look: Finding, part: Part) -> Part:
    """Return the part. Raises click.ClickException if it is silent: clients would retry for minutes."""
    if look.found is Outcome.SILENT:
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
    remedy = '`. .local/env` does for a local stack, `eval "$(terraform output -raw environment)"` for yours'
    told = [f"set {', '.join(missing)} in the environment ({remedy})"] if missing else []
    return f"{'; '.join([*told, *wrong])}."
