"""Settings of the functions, read from the environment. A missing one stops the start, by name."""

from typing import Literal

from pydantic import Field

from gcp.project import Project
from jobs.lifecycle import KEEP
from schemas.options import Options


class IntakeSettings(Project):
    """``on_upload``, ``on_delete``: what an upload gets that asks for nothing."""

    default_options: Options = Field(
        Options(), description="options where an upload names none, as JSON; README has those left out"
    )
    msa_service: bool = Field(
        False, description="whether an MSA service is there, so that none need be uploaded"
    )


class DeadSettings(IntakeSettings):
    """``on_dead``: whose requests count; how long after an upload its taking in is tried again."""

    work_subscription: str = Field("work", description="the workers' subscription")
    take_in_within_seconds: float = Field(
        3600, ge=0, description="age of an upload from which it is rejected instead of taken in again"
    )


class CompareSettings(IntakeSettings):
    """``on_compare``: the age of uploads, from and to, that are compared; how many objects are listed.

    Older than the ledger keeps its jobs, an upload without a job would be taken in once more.
    """

    compare_after_seconds: float = Field(
        300,
        ge=0,
        description="age from which an upload is compared; the event of a younger one may be under way",
    )
    compare_within_seconds: float = Field(
        48 * 3600, ge=3600, le=KEEP.total_seconds(), description="age up to which an upload is compared"
    )
    compare_most: int = Field(200_000, ge=1, description="most objects that are listed")


class LaunchSettings(Project):
    """``on_request``: which Cloud Run job works, and how many of it at most."""

    gpu_worker_mode: Literal["async"] = Field(
        "async", description="how work reaches a GPU: async starts executions of a job"
    )
    cloud_run_job_name: str = Field(description="name of the worker's Cloud Run job")
    cloud_run_region: str = Field(description="region of that job")
    cloud_run_endpoint: str = Field("https://run.googleapis.com", description="address of Cloud Run's API")
    max_workers: int = Field(3, ge=1, le=100, description="most workers alive at a time")
    jobs_per_worker: int = Field(10, ge=1, description="queued jobs that deserve one more worker")
    decision_seconds: float = Field(1.0, ge=0, le=60, description="least time between two decisions")


class SweepSettings(Project):
    """``on_sweep``: when effects and jobs count as forgotten."""

    settle_after_seconds: float = Field(
        60, ge=0, description="age from which a pending receipt or event is made good"
    )
    request_again_after_seconds: float = Field(
        900, ge=1, description="age from which a queued job is asked for again"
    )
