"""What a deployment needs in its project, with the command that mends each: ``dropfold doctor --deploy``."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from dropfold.checking import Check
from schemas.finding import Finding, Outcome

APIS = (
    "artifactregistry.googleapis.com",
    "billingbudgets.googleapis.com",
    "cloudbuild.googleapis.com",
    "cloudfunctions.googleapis.com",
    "cloudquotas.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "cloudscheduler.googleapis.com",
    "eventarc.googleapis.com",
    "eventarcpublishing.googleapis.com",
    "firestore.googleapis.com",
    "iam.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
    "pubsub.googleapis.com",
    "run.googleapis.com",
    "storage.googleapis.com",
)
"""What every deployment calls: eventarc/services.tf."""

AGENTS = {
    "eventarc": ("gcp-sa-eventarc", "roles/eventarc.serviceAgent"),
    "storage": ("gs-project-accounts", "roles/pubsub.publisher"),
}
"""Agents of Google's that act for a deployment: their domains, and their roles on the project."""

GPUS = "NvidiaL4GpuAllocNoZonalRedundancyPerProjectRegion"
"""Cloud Run's quota of L4 GPUs."""

CPUS, MEMORY = "CpuAllocPerProjectRegion", "MemAllocPerProjectRegion"
QUOTAS = {
    "nvidia-l4": {GPUS: 1, CPUS: 16_000, MEMORY: 24 * 2**30},
    "nvidia-rtx-pro-6000": {
        "NvidiaRtxPro6000GpuAllocNoZonalRedundancyPerProjectRegion": 1000,
        CPUS: 32_000,
        MEMORY: 88 * 2**30,
    },
}
"""Quotas of Cloud Run, and the least with which one worker of an accelerator runs beside the functions."""

WITH_GPUS = ("asia-south1", "asia-southeast1", "europe-west1", "europe-west4", "us-central1", "us-east4")
MAY_BUILD = ("europe-west1", "us-central1")
"""Regions with L4 GPUs, and those of them in which Google lets every project build functions."""

INDEXES = 6
"""Composite indexes of the collection ``jobs``: eventarc/ledger.tf."""


class Target(NamedTuple):
    """What is deployed, and where; ``image`` is empty while there is none."""

    project: str
    region: str
    image: str = ""
    database: str = "(default)"
    accelerator: str = "nvidia-l4"


class Deployment(Protocol):
    """Checks of a project; they return findings, and never raise."""

    def apis(self, names: Sequence[str]) -> Finding:
        """Check that APIs are enabled."""

    def agent(self, domain: str, role: str) -> Finding:
        """Check that an agent of Google's has a role."""

    def quota(self, quota: str, least: int) -> Finding:
        """Check that a quota grants as much."""

    def image(self, image: str) -> Finding:
        """Check that an image is there, and of the right platform."""

    def indexes(self, database: str, collection: str, count: int) -> Finding:
        """Check that indexes are ready."""


def checks(target: Target, deployment: Deployment) -> Iterator[Check]:
    """Yield the checks, in the order in which a deployment is made."""
    project, region = f"--project={target.project}", target.region
    yield Check(
        "APIs", partial(deployment.apis, APIS), f"`gcloud services enable {' '.join(APIS)} {project}`"
    )
    yield Check(f"region {region}", partial(_region, region), "set `region` in terraform.tfvars")
    for quota, least in QUOTAS[target.accelerator].items():
        ask = (
            f"`gcloud beta quotas preferences create --service=run.googleapis.com {project} "
            f"--quota-id={quota} --preferred-value={least} --dimensions=region={region} --email=YOU`"
        )
        yield Check(f"quota {quota}", partial(deployment.quota, quota, least), ask)
    if target.image:
        build = "build it with `--platform linux/amd64`, push it, and put its digest into terraform.tfvars"
        yield Check("image", partial(deployment.image, target.image), build)
    for service, (domain, role) in AGENTS.items():
        yield Check(f"agent of {service}", partial(deployment.agent, domain, role), "`terraform apply`")
    ready = partial(deployment.indexes, target.database, "jobs", INDEXES)
    yield Check("indexes of the ledger", ready, "`terraform apply`, which waits until they are built")


def _region(region: str) -> Finding:
    if region not in WITH_GPUS:
        return Finding(Outcome.MISSING, f"no L4 GPUs; there are some in {', '.join(WITH_GPUS)}")
    if region not in MAY_BUILD:
        return Finding(Outcome.UNKNOWN, f"some projects may build functions only in {', '.join(MAY_BUILD)}")
    return Finding(Outcome.OK, "has L4 GPUs, and functions are built there")
