"""Settings of the functions, read from the environment. A missing one stops the start, by name."""

from typing import Literal, Self, TypeVar

from pydantic import Field, ValidationError, model_validator

from gcp.project import Project
from jobs.lifecycle import KEEP
from schemas.options import Options

Mode = Literal["sync", "async"]
"""Who predicts: the Service, to which each job is pushed, or executions of the job, which pull."""

Kind = TypeVar("Kind", bound=Project)


class SettingsError(RuntimeError):
    """Settings are missing or wrong; one line."""


def read(kind: type[Kind]) -> Kind:
    """Read settings from the environment. Raises SettingsError, which names every one that is wrong."""
    try:
        return kind()
    except ValidationError as error:
        whys = (
            ": ".join([*(str(part).upper() for part in each["loc"]), each["msg"]]) for each in error.errors()
        )
        raise SettingsError("; ".join(whys)) from None


class IntakeSettings(Project):
    """``on_upload``: what an upload gets that asks for nothing; whether an MSA service is there."""

    default_options: Options = Options()
    msa_service: bool = False


class DeadSettings(IntakeSettings):
    """``on_dead``: whose requests count; how long after an upload its taking in is tried again."""

    gpu_worker_mode: Mode = "async"
    work_subscription: str = "work"
    launch_subscription: str = "launch"
    take_in_within_seconds: float = Field(3600, ge=0)

    @property
    def serving_subscription(self) -> str:
        """Name the subscription whose messages are what predicts a job."""
        return self.launch_subscription if self.gpu_worker_mode == "sync" else self.work_subscription


class CompareSettings(IntakeSettings):
    """``on_compare``: the age of uploads, from and to, that are compared; how many objects are listed.

    Older than the ledger keeps its jobs, an upload without a job would be taken in once more.
    """

    compare_after_seconds: float = Field(300, ge=0)
    compare_within_seconds: float = Field(48 * 3600, ge=3600, le=KEEP.total_seconds())
    compare_most: int = Field(200_000, ge=1)


class LaunchSettings(Project):
    """``on_request``: which Cloud Run job works, and how many of it at most; or which Service.

    ``gpu_worker_audience`` is the Service's address unless it is given; empty, no token is sent.
    ``gpu_worker_seconds`` lie between the Service's ``REQUEST_SECONDS`` and the subscription's ack deadline.
    """

    gpu_worker_mode: Mode = "async"
    gpu_worker_url: str = Field("", pattern=r"^(https?://[^\s?#]+)?$")
    gpu_worker_audience: str | None = None
    gpu_worker_seconds: float = Field(330, gt=0, lt=600)
    cloud_run_job_name: str = ""
    cloud_run_region: str = ""
    cloud_run_endpoint: str = "https://run.googleapis.com"
    max_workers: int = Field(3, ge=1, le=100)
    jobs_per_worker: int = Field(10, ge=1)
    decision_seconds: float = Field(1.0, ge=0, le=60)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        needed = {
            "sync": ("gpu_worker_url",),
            "async": ("cloud_run_job_name", "cloud_run_region"),
        }
        missing = [name.upper() for name in needed[self.gpu_worker_mode] if not getattr(self, name)]
        if missing:
            raise ValueError(f"GPU_WORKER_MODE={self.gpu_worker_mode} needs {' and '.join(missing)}")
        return self

    @property
    def audience(self) -> str | None:
        """Whom the Service's tokens are for; None where it asks for none."""
        return self.gpu_worker_url if self.gpu_worker_audience is None else self.gpu_worker_audience or None


class SweepSettings(Project):
    """``on_sweep``: how long an effect may be pending, and a job unserved, until they count as forgotten."""

    settle_after_seconds: float = Field(60, ge=0)
    request_again_after_seconds: float = Field(900, ge=1)
