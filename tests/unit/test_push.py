from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from support.fakes import a_job

from functions.push import Pusher
from functions.settings import DeadSettings, LaunchSettings, SettingsError, read
from gcp.service import ServiceBusyError, WorkerService
from gcp.settings import Project
from local.processes import free_ports
from schemas.messages import CapacityWanted, PredictionRequested

URL = "https://worker.example"
PROJECT = {"GOOGLE_CLOUD_PROJECT": "p", "INPUT_BUCKET": "in", "OUTPUT_BUCKET": "out"}


@dataclass
class MemoryService:
    """Implements functions.push.Service; the next push raises ``trouble``."""

    pushed: list[str] = field(default_factory=list)
    trouble: Exception | None = None

    def push(self, job_id: str) -> None:
        if self.trouble:
            raise self.trouble
        self.pushed.append(job_id)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in LaunchSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in PROJECT.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_job_that_a_message_asks_for_is_pushed() -> None:
    service, job = MemoryService(), a_job()
    request = PredictionRequested.of(job).encode()
    Pusher(service).dispatch(request.data, request.attributes)
    assert service.pushed == [job.job_id]


def test_what_asks_for_no_job_is_done_with() -> None:
    service = MemoryService()
    capacity = CapacityWanted.at(datetime.now(UTC)).encode()
    Pusher(service).dispatch(capacity.data, capacity.attributes)
    Pusher(service).dispatch(b"hello", {})
    assert service.pushed == []


def test_a_service_that_is_busy_fails_the_function_so_that_the_message_comes_again() -> None:
    request = PredictionRequested.of(a_job()).encode()
    with pytest.raises(ServiceBusyError):
        Pusher(MemoryService(trouble=ServiceBusyError("429"))).dispatch(request.data, request.attributes)


def test_a_service_that_is_not_there_is_busy() -> None:
    [port] = free_ports(1)
    with pytest.raises(ServiceBusyError, match="does not answer"):
        WorkerService(f"http://127.0.0.1:{port}", audience=None, seconds=1).push("a" * 16)


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"GPU_WORKER_MODE": "sync"}, "GPU_WORKER_MODE=sync needs GPU_WORKER_URL"),
        (
            {"GPU_WORKER_MODE": "async", "CLOUD_RUN_REGION": "r"},
            "GPU_WORKER_MODE=async needs CLOUD_RUN_JOB_NAME",
        ),
        ({}, "GPU_WORKER_MODE=async needs CLOUD_RUN_JOB_NAME and CLOUD_RUN_REGION"),
        ({"GPU_WORKER_MODE": "both"}, "GPU_WORKER_MODE: .*'sync' or 'async'"),
        ({"GPU_WORKER_MODE": "sync", "GPU_WORKER_URL": "worker.example"}, "GPU_WORKER_URL: "),
    ],
)
def test_a_mode_without_what_it_needs_is_one_line(
    environment: pytest.MonkeyPatch, variables: dict[str, str], says: str
) -> None:
    for name, value in variables.items():
        environment.setenv(name, value)
    with pytest.raises(SettingsError, match=says) as raised:
        read(LaunchSettings)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("given", "audience"), [(None, URL), ("", None), ("https://other.example", "https://other.example")]
)
def test_tokens_are_for_the_service_unless_another_audience_is_given(
    environment: pytest.MonkeyPatch, given: str | None, audience: str | None
) -> None:
    environment.setenv("GPU_WORKER_MODE", "sync")
    environment.setenv("GPU_WORKER_URL", URL)
    if given is not None:
        environment.setenv("GPU_WORKER_AUDIENCE", given)
    assert read(LaunchSettings).audience == audience


def test_the_dead_letters_that_count_are_those_of_who_serves(environment: pytest.MonkeyPatch) -> None:
    assert read(DeadSettings).serving_subscription == "work"
    environment.setenv("GPU_WORKER_MODE", "sync")
    assert read(DeadSettings).serving_subscription == "launch"


def test_one_bucket_for_inputs_and_results_is_refused(environment: pytest.MonkeyPatch) -> None:
    """Each receipt would be an upload that is rejected, with a receipt."""
    for name in ("INPUT_BUCKET", "OUTPUT_BUCKET"):
        environment.setenv(name, "same")
    with pytest.raises(SettingsError, match="INPUT_BUCKET and OUTPUT_BUCKET are both same: name two buckets"):
        read(Project)
