"""Settings of the functions, read from the environment. A missing one stops the start, by name."""

from typing import Literal

from pydantic import Field

from gcp.project import Project
from jobs.lifecycle import KEEP
from schemas.options import Options


class IntakeSettings(Project):
    """``on_upload``: what an upload gets that asks for nothing; whether an MSA service is there."""

    default_options: Options = Options()
    msa_service: bool = False


class DeadSettings(IntakeSettings):
    """``on_dead``: whose requests count; how long after an upload its taking in is tried again."""

    work_subscription: str = "work"
    take_in_within_seconds: float = Field(3600, ge=0)


class CompareSettings(IntakeSettings):
    """``on_compare``: the age of uploads, from and to, that are compared; how many objects are listed.

    Older than the ledger keeps its jobs, an upload without a job would be taken in once more.
    """

    compare_after_seconds: float = Field(300, ge=0)
    compare_within_seconds: float = Field(48 * 3600, ge=3600, le=KEEP.total_seconds())
    compare_most: int = Field(200_000, ge=1)


class LaunchSettings(Project):
    """``on_request``: which Cloud Run job works, and how many of it at most."""

    gpu_worker_mode: Literal["async"] = "async"
    cloud_run_job_name: str
    cloud_run_region: str
    cloud_run_endpoint: str = "https://run.googleapis.com"
    max_workers: int = Field(3, ge=1, le=100)
    jobs_per_worker: int = Field(10, ge=1)
    decision_seconds: float = Field(1.0, ge=0, le=60)


class SweepSettings(Project):
    """``on_sweep``: how long an effect may be pending, and a job unserved, until they count as forgotten."""

    settle_after_seconds: float = Field(60, ge=0)
    request_again_after_seconds: float = Field(900, ge=1)
