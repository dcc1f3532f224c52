"""Settings of the worker, read from the environment; Cloud Run itself sets CLOUD_RUN_*, K_REVISION, PORT."""

import secrets
from pathlib import Path

from pydantic import Field

from gcp.settings import Project
from schemas.job import Speed
from schemas.options import Options
from schemas.rights import Right
from worker.scratch import FALL_BACK

RIGHTS = frozenset(
    {
        Right.READ_INPUTS,
        Right.WRITE_RESULTS,
        Right.PUBLISH,
        Right.READ_ALIGNMENTS,
        Right.ASK_FOR_ALIGNMENTS,
    }
)
"""What Job and Service do with buckets and topics."""


class PredictionSettings(Project):
    """Settings of everything that predicts: where the model lies, its limits, where to work."""

    boltz_cache: Path = Field(description="folder of the weights")
    device: str = Field("auto", description="auto (CUDA if there is one), cpu or cuda")
    speed: Speed = Field("exact", description="exact, or fast: other last digits (docs/performance.md)")
    work_dir: Path = Field(
        FALL_BACK,
        description="folder for the files of jobs in flight; where nothing can be written, the default",
    )
    renew_seconds: float = Field(30, gt=0, le=60, description="between two renewals of a lease")
    child_memory_mib: int | None = Field(
        None, ge=256, description="memory that reading or writing one input may take; unlimited without"
    )
    read_seconds: float = Field(
        120,
        gt=0,
        description="limit for each step over one input in a child: reading, featurising, writing, checking",
    )
    prediction_seconds: float = Field(
        600, gt=0, description="limit for one turn on the device, with saving what it gave"
    )
    result_cache: bool = Field(True, description="copy the outputs of an equal job that succeeded before")
    usd_per_hour: float | None = Field(
        None, ge=0, description="what an hour of this worker costs, for reports"
    )

    @property
    def child_memory(self) -> int | None:
        """Return the bytes that a child may take."""
        return None if self.child_memory_mib is None else self.child_memory_mib * 2**20


class WorkerSettings(PredictionSettings):
    """The Job: where its work comes from, how long it stays without work."""

    work_subscription: str = Field("work", description="subscription that work is pulled from")
    idle_seconds: float = Field(30, gt=0, description="without work, then the worker leaves")
    task_seconds: float = Field(3600, gt=0, description="the task's own timeout, as it is deployed")
    cloud_run_execution: str = Field(description="set by Cloud Run: the execution's name")
    cloud_run_task_index: int = Field(0, description="set by Cloud Run: which of the execution's tasks")
    cloud_run_task_attempt: int = Field(0, description="set by Cloud Run: which attempt at that task, from 0")

    def needs(self, turns: int) -> float:
        """Return the most seconds that a job may take from its claim to its end, by its turns on the device.

        After each turn what it gave is read and written by children, under their own limit.
        """
        return turns * (self.prediction_seconds + self.read_seconds)

    @property
    def holder(self) -> str:
        """Name this process in leases, receipts and logs."""
        return f"{self.cloud_run_execution}/{self.cloud_run_task_index}/{self.cloud_run_task_attempt}"


class ServiceSettings(PredictionSettings):
    """The Service: where it listens, how many requests it holds, how long one may take.

    ``grace_seconds`` is less than the 10 s from Cloud Run's SIGTERM to its SIGKILL.
    """

    bind_address: str = Field(
        "0.0.0.0",  # noqa: S104  a container's only interface; who may call it is Cloud Run's to say
        description="address to listen at",
    )
    port: int = Field(8080, ge=1, le=65535, description="port to listen at; set by Cloud Run")
    queue_limit: int = Field(10, ge=1, le=1000, description="requests that are held at once")
    request_seconds: float = Field(300, gt=0, le=3600, description="limit for the answer to one request")
    grace_seconds: float = Field(6, gt=0, description="from SIGTERM until what is not done is given up")
    default_options: Options = Field(
        Options(), description="options where a request names none, as JSON; README has those left out"
    )
    k_revision: str = Field("service", description="set by Cloud Run: the revision's name")
    instance: str = Field(default_factory=lambda: secrets.token_hex(4), description="tells instances apart")

    @property
    def holder(self) -> str:
        """Name this process in leases, receipts and logs."""
        return f"{self.k_revision}/{self.instance}"
