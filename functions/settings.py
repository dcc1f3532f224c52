"""Settings of the functions, read from the environment. A missing one stops the start, by name."""

import base64
from typing import Literal, Self, TypeVar

from pydantic import Field, SecretStr, ValidationError, model_validator

from functions.alignments.search import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, RETRY_SECONDS
from gcp.settings import Project
from inputs.examine import Rules
from jobs.lifecycle import RETENTION
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
    """``on_upload``, ``on_delete``: what an upload gets that asks for nothing; where files are told of."""

    default_options: Options = Field(
        Options(), description="options where an upload names none, as JSON; README has those left out"
    )
    arrived_topic: str = Field("references-arrived", description="topic of files that jobs wait for")

    @property
    def rules(self) -> Rules:
        """The rules for uploads."""
        return Rules(self.default_options, self.msa_server is not None, self.max_tokens)


class WakeSettings(IntakeSettings):
    """``on_wake``: how long one call lets jobs go on before it leaves the rest to the next."""

    wake_seconds: float = Field(
        60, ge=0, le=600, description="how long a call goes on; the next has the rest"
    )


class DeadSettings(IntakeSettings):
    """``on_dead``: whose requests count; from which age what cannot be examined is rejected."""

    gpu_worker_mode: Mode = Field("async", description="as on_request has it: whose dead letters count")
    work_subscription: str = Field("work", description="the workers' subscription")
    launch_subscription: str = Field("launch", description="the subscription that calls on_request")
    take_in_within_seconds: float = Field(
        3600, ge=0, description="age from which an upload that cannot be examined is rejected"
    )

    @property
    def serving_subscription(self) -> str:
        """Name the subscription whose messages are what predicts a job."""
        return self.launch_subscription if self.gpu_worker_mode == "sync" else self.work_subscription


class AlignSettings(IntakeSettings):
    """``on_align``: who asks the MSA server, with which credentials, and how long a pass takes.

    Credentials are a name and password, a header and its value, or a Google identity token for an audience.
    """

    msa_server_contact: str = Field(
        "",
        max_length=200,
        description="whom the server's people may write to; a part of the user agent",
    )
    msa_server_username: str = Field("", description="name for basic authentication")
    msa_server_password: SecretStr = Field(SecretStr(""), description="password for it")
    msa_server_header: str = Field("X-API-Key", description="header of a key")
    msa_server_key: SecretStr = Field(SecretStr(""), description="key for it")
    msa_server_audience: str = Field("", description="audience of Google identity tokens for the server")
    align_seconds: float = Field(
        480, ge=0, le=520, description="how long a pass may begin searches, and wait"
    )
    msa_pause_seconds: float = Field(
        FIRST_PAUSE_SECONDS,
        gt=0,
        le=LONGEST_PAUSE_SECONDS,
        description="how long a server in trouble is left alone at first; each time twice as long",
    )
    msa_retry_seconds: float = Field(
        RETRY_SECONDS, gt=0, le=3600, description="the pause after a search that failed"
    )

    @property
    def agent(self) -> str:
        """The user agent: this program, and whom to write to."""
        return f"dropfold ({self.msa_server_contact})" if self.msa_server_contact else "dropfold"

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a key or of a name and password, if there is either."""
        if key := self.msa_server_key.get_secret_value():
            return {self.msa_server_header: key}
        if not self.msa_server_username:
            return {}
        both = f"{self.msa_server_username}:{self.msa_server_password.get_secret_value()}"
        return {"Authorization": f"Basic {base64.b64encode(both.encode()).decode()}"}


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
        48 * 3600, ge=3600, le=RETENTION.total_seconds(), description="age up to which an upload is compared"
    )
    compare_most: int = Field(200_000, ge=1, description="most objects that are listed")


class LaunchSettings(Project):
    """``on_request``: which Cloud Run job works, and how many of it at most; or which Service.

    ``gpu_worker_audience`` is the Service's address unless it is given; empty, no token is sent.
    ``gpu_worker_seconds`` lie between the Service's ``REQUEST_SECONDS`` and the subscription's ack deadline.
    """

    gpu_worker_mode: Mode = Field(
        "async", description="async starts executions of a job, sync pushes each job to the Service"
    )
    gpu_worker_url: str = Field(
        "", pattern=r"^(https?://[^\s?#]+)?$", description="address of the Service, for sync"
    )
    gpu_worker_audience: str | None = Field(
        None, description="whom the Service's tokens are for: its address if absent; empty, none is sent"
    )
    gpu_worker_seconds: float = Field(
        330, gt=0, lt=600, description="how long the Service may take, for sync"
    )
    cloud_run_job_name: str = Field("", description="name of the worker's Cloud Run job, for async")
    cloud_run_region: str = Field("", description="region of that job, for async")
    cloud_run_endpoint: str = Field("https://run.googleapis.com", description="address of Cloud Run's API")
    max_workers: int = Field(3, ge=1, le=100, description="most workers alive at a time")
    jobs_per_worker: int = Field(10, ge=1, description="queued jobs that deserve one more worker")
    decision_seconds: float = Field(1.0, ge=0, le=60, description="least time between two decisions")

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
        """Audience of the Service's tokens; None if it asks for no token."""
        return self.gpu_worker_url if self.gpu_worker_audience is None else self.gpu_worker_audience or None


class SweepSettings(Project):
    """``on_sweep``: when effects and jobs count as forgotten; what says that pages are stale."""

    settle_after_seconds: float = Field(
        60, ge=0, description="age from which a pending receipt or event is made good"
    )
    request_again_after_seconds: float = Field(
        900, ge=1, description="age from which a queued job is asked for again"
    )
    pages_subscription: str = Field("pages", description="subscription that tells which pages are stale")
    pages_look_seconds: float = Field(
        2, gt=0, le=60, description="how long no such word has to come until a pass has all of it"
    )
    pages_seconds: float = Field(
        30, ge=0, le=240, description="how long a pass may go on to begin pages and to read receipts"
    )
