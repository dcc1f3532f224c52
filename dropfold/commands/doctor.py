"""Check whether the project can be worked with, and say what to do: ``dropfold doctor``."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, Protocol

import click

from dropfold import deploying
from dropfold.checking import Check, told
from dropfold.cloud import Cloud, pass_cloud
from schemas.finding import Finding, Outcome

EPILOG = """\b
Examples:
  dropfold doctor
  dropfold doctor --deploy --project my-project --region us-central1

\b
Changes nothing. What an API does not offer, as emulators do not know rights, is "not checked here".
Exit status: 0 nothing is wrong, 1 something is, 2 wrong usage.
"""
READ = ("storage.objects.get", "storage.objects.list")


class Settings(Protocol):
    """Names of the project's parts."""

    google_cloud_project: str
    input_bucket: str
    output_bucket: str
    requested_topic: str
    completed_topic: str
    msa_server_url: str
    alignments_bucket: str
    cloud_run_job_name: str
    cloud_run_region: str
    cloud_run_endpoint: str
    cloud_quotas_endpoint: str


class Health(Protocol):
    """Checks of the parts of a project; they return findings, and never raise."""

    def credentials(self) -> Finding:
        """Check for credentials."""

    def bucket(self, name: str) -> Finding:
        """Check that a bucket is there."""

    def bucket_rights(self, name: str, rights: Sequence[str]) -> Finding:
        """Check the rights on a bucket."""

    def topic(self, name: str) -> Finding:
        """Check that a topic is there."""

    def topic_rights(self, name: str, rights: Sequence[str]) -> Finding:
        """Check the rights on a topic."""

    def ledger(self) -> Finding:
        """Check that the ledger can be read."""

    def worker(self, region: str, job: str, endpoint: str) -> Finding:
        """Check that the worker's Cloud Run job is there."""

    def quota(self, quota: str, region: str, endpoint: str) -> Finding:
        """Check the limit of a quota of Cloud Run in a region."""

    def msa_server(self, url: str) -> Finding:
        """Check that an MSA server answers."""


@click.command("doctor", epilog=EPILOG)
@click.option("--deploy", is_flag=True, help="Look at what a deployment needs, before and after an apply.")
@click.option("--project", envvar="GOOGLE_CLOUD_PROJECT", help="With --deploy: the project.")
@click.option("--region", envvar="CLOUD_RUN_REGION", help="With --deploy: the region.")
@click.option("--image", default="", help="With --deploy: the worker's image, by digest.")
@click.option(
    "--database",
    envvar="FIRESTORE_DATABASE",
    default="(default)",
    help="With --deploy: the ledger's database.",
)
@click.option(
    "--accelerator",
    type=click.Choice(list(deploying.QUOTAS)),
    default="nvidia-l4",
    show_default=True,
    help="With --deploy: the workers' GPU.",
)
@pass_cloud
def command(cloud: Cloud, /, deploy: bool, **target: str) -> None:
    """Say what is wrong, and what to do.

    Looks at credentials, buckets, topics, ledger, rights, MSA server, workers and quota. With --deploy at
    APIs, region, quotas, image, agents of Google's and indexes.
    """
    if not deploy:
        raise SystemExit(1 if told(checks(cloud.settings, cloud.health)) else 0)
    if not (target["project"] and target["region"]):
        raise click.UsageError("--deploy needs --project and --region.")
    deployment = cloud.deployment(target["project"], target["region"])
    raise SystemExit(1 if told(deploying.checks(deploying.Target(**target), deployment)) else 0)


def checks(settings: Settings, health: Health) -> Iterator[Check]:
    """Yield the checks."""
    yield Check("credentials", health.credentials, "run `gcloud auth application-default login`")
    yield from _buckets(settings, health)
    yield from _topics(settings, health)
    reader = "ask for the role roles/datastore.viewer, and apply the Terraform plan if there is no database"
    yield Check("ledger", health.ledger, reader)
    yield from _alignments(settings, health)
    yield from _workers(settings, health)


def _buckets(settings: Settings, health: Health) -> Iterator[Check]:
    ask = "ask for roles/storage.objectUser on the input bucket, objectViewer on the output bucket"
    look = _Look("bucket", health.bucket, health.bucket_rights, ask)
    yield from look.at("INPUT_BUCKET", settings.input_bucket, ("storage.objects.create", *READ))
    yield from look.at("OUTPUT_BUCKET", settings.output_bucket, READ)


def _topics(settings: Settings, health: Health) -> Iterator[Check]:
    ask = "ask for roles/pubsub.editor: `events` subscribes, `cancel` publishes"
    look = _Look("topic", health.topic, health.topic_rights, ask)
    yield from look.at("REQUESTED_TOPIC", settings.requested_topic, ("pubsub.topics.publish",))
    yield from look.at("COMPLETED_TOPIC", settings.completed_topic, ("pubsub.topics.attachSubscription",))


def _alignments(settings: Settings, health: Health) -> Iterator[Check]:
    """Yield what makes alignments for proteins without one, where anything does."""
    if not settings.msa_server_url:
        return
    ask = "ask for roles/storage.objectViewer on the bucket of alignments: `results --msa` reads it"
    look = _Look("bucket", health.bucket, health.bucket_rights, ask)
    yield from look.at("ALIGNMENTS_BUCKET", settings.alignments_bucket, READ)
    yield Check(
        "MSA server",
        partial(health.msa_server, settings.msa_server_url),
        "compare MSA_SERVER_URL with what its operators say; nothing is sent elsewhere",
        "ask its operators, or see whether this machine may reach it; jobs that are ALIGNING go on by "
        "themselves once it answers, for 24 hours",
    )


class _Look(NamedTuple):
    """Checks of a kind of part: that it is there, and the rights on it."""

    kind: str
    there: Callable[[str], Finding]
    rights: Callable[[str, Sequence[str]], Finding]
    ask: str

    def at(self, variable: str, name: str, wanted: Sequence[str]) -> Iterator[Check]:
        compare = f"compare {variable} with the project's {self.kind}s, and ask to see it"
        yield Check(f"{self.kind} {name}", partial(self.there, name), compare)
        yield Check(f"rights on {name}", partial(self.rights, name, wanted), self.ask)


def _workers(settings: Settings, health: Health) -> Iterator[Check]:
    job, region = settings.cloud_run_job_name, settings.cloud_run_region
    if not (job and region):
        unset = Finding(Outcome.UNKNOWN, "CLOUD_RUN_JOB_NAME and CLOUD_RUN_REGION are not set")
        yield Check("workers", lambda: unset, "")
        return
    worker = "compare CLOUD_RUN_JOB_NAME and CLOUD_RUN_REGION with the project, and ask for roles/run.viewer"
    yield Check("workers", partial(health.worker, region, job, settings.cloud_run_endpoint), worker)
    yield Check(
        "quota of L4 GPUs",
        partial(health.quota, deploying.GPUS, region, settings.cloud_quotas_endpoint),
        "docs/operations.md, Quotas, says how to ask for GPUs",
    )
