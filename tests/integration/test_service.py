"""The Service as Cloud Run starts it: a process of its own, with the small model, at the emulators."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from integration.worker_process import MISCHIEF, ROOT, TINY, Pipeline, WorkerProcess
from support.patience import HANG, until

from functions.push import Pusher
from gcp.service import ServiceBusyError, WorkerService
from local.processes import free_ports, is_well
from local.small_model import DEFAULT, ensure
from schemas.job import State
from schemas.messages import PredictionRequested

PLACES, MORE = 10, 4
QUICK = '{"recycling_steps":0,"sampling_steps":2}'
ASKED = Path(__file__).parent / "asked"
AS_YAML, AS_FASTA = {"Content-Type": "application/yaml"}, {"Content-Type": "text/x-fasta"}
Start = Callable[..., tuple[str, WorkerProcess]]


@pytest.fixture
def start(pipeline: Pipeline, tmp_path: Path) -> Iterator[Start]:
    """Return what starts a Service, with settings to change, until it is ready; it ends with the test."""
    services = list[WorkerProcess]()
    [port] = free_ports(1)
    usual = {
        "PYTHONPATH": ROOT,
        "INPUT_BUCKET": pipeline.settings.input_bucket,
        "OUTPUT_BUCKET": pipeline.settings.output_bucket,
        "BOLTZ_CACHE": ensure(DEFAULT),
        "WORK_DIR": tmp_path / "work",
        "BIND_ADDRESS": "127.0.0.1",
        "PORT": port,
        "DEFAULT_OPTIONS": QUICK,
        "OMP_NUM_THREADS": 1,
        "PYTHONHASHSEED": 0,
        "PYTHONWARNINGS": "ignore::FutureWarning",
    }

    def start_one(**changed: object) -> tuple[str, WorkerProcess]:
        env = os.environ | {name: str(value) for name, value in (usual | changed).items()}
        services.append(WorkerProcess.start(tmp_path / "service.log", env, "worker.service"))
        until(lambda: is_well(port, "/healthz/ready") or services[-1].process.poll() is not None)
        return f"http://127.0.0.1:{port}", services[-1]

    yield start_one
    for service in services:
        service.destroy()


def ask(
    url: str, body: str = TINY, kind: Mapping[str, str] = AS_YAML, **options: object
) -> requests.Response:
    asked = {name: str(value) for name, value in options.items()}
    return requests.post(f"{url}/predict", body, params=asked, headers=kind, timeout=HANG)


def test_ten_at_once_are_answered_by_one_model_as_the_job_would_and_more_are_asked_to_come_again(
    pipeline: Pipeline, start: Start, tmp_path: Path
) -> None:
    held = tmp_path / "held"
    held.touch()
    mischief = {**MISCHIEF, "MISCHIEF_HOLDS": "/generator.pt$", "MISCHIEF_HOLDS_WHILE": held}
    url, service = start(QUEUE_LIMIT=PLACES, **mischief)
    with ThreadPoolExecutor(PLACES + MORE) as pool:
        asked = [pool.submit(ask, url, seed=seed) for seed in range(PLACES + MORE)]
        until(lambda: sum(each.done() for each in asked) == MORE)
        held.unlink()
    answers = [each.result() for each in asked]
    assert Counter(answer.status_code for answer in answers) == {200: PLACES, 429: MORE}
    assert all(answer.headers["Retry-After"] for answer in answers if answer.status_code == 429)
    assert len({answer.text for answer in answers if answer.ok}) == PLACES
    assert len(service.said("model loaded")) == 1, [line["message"] for line in service.lines]

    job = pipeline.drop("run/a.yaml", TINY, seed=7)
    request = PredictionRequested.of(pipeline.job(job)).encode()
    pusher = Pusher(WorkerService(url, audience=None, seconds=HANG))
    pusher.dispatch(request.data, request.attributes)
    assert pipeline.job(job).state is State.SUCCEEDED
    until(lambda: pipeline.completions() == {f"{job}-succeeded": 1})
    pusher.dispatch(request.data, request.attributes)  # delivered again: it has ended
    assert (pipeline.job(job).attempt, pipeline.receipt(job).worker) == (1, pipeline.job(job).worker)

    same = ask(url, seed=7)
    own = same.text.replace(same.headers["Dropfold-Job-Id"], job)
    assert own == pipeline.outputs(job)["model_0.cif"].decode()
    service.send(signal.SIGTERM)
    assert service.ends() == 0


def test_who_waits_too_long_is_told_and_a_device_that_hangs_is_told_of(
    pipeline: Pipeline, start: Start
) -> None:
    holds = {**MISCHIEF, "MISCHIEF_HOLDS": r"\.fasta$|/generator\.pt$"}
    url, service = start(REQUEST_SECONDS=10, PREDICTION_SECONDS=1, **holds)
    late = ask(url, ">A|protein|empty\nMKTAY\n", AS_FASTA)  # is never read
    assert late.status_code == 504
    assert late.json()["job_id"] == late.headers["Dropfold-Job-Id"]
    assert is_well(int(url.rpartition(":")[2]), "/healthz/live")
    # One that is not ready for the device before its client is gone is not begun: a busy machine takes some.
    until(lambda: ask(url).status_code == 503)
    assert requests.get(f"{url}/healthz/live", timeout=HANG).status_code == 503
    job = pipeline.drop("run/a.yaml", TINY)
    with pytest.raises(ServiceBusyError, match="503"):
        WorkerService(url, audience=None, seconds=HANG).push(job)
    assert (pipeline.job(job).state, pipeline.job(job).attempt) == (State.QUEUED, 0)
    service.send(signal.SIGTERM)
    assert service.ends() == 1


@pytest.mark.extra
def test_a_job_under_way_is_given_back_when_the_service_has_to_leave(
    pipeline: Pipeline, start: Start
) -> None:
    url, service = start(GRACE_SECONDS=1)
    job = pipeline.drop("run/long.yaml", TINY, sampling_steps=1000, samples=25)
    with ThreadPoolExecutor() as pool:
        push = pool.submit(WorkerService(url, audience=None, seconds=HANG).push, job)
        until(lambda: pipeline.job(job).state is State.RUNNING)
        service.send(signal.SIGTERM)
        assert isinstance(push.exception(), ServiceBusyError)
        assert service.ends() == 0
    assert (pipeline.job(job).state, pipeline.job(job).attempt) == (State.QUEUED, 1)


def test_a_service_that_is_asked_to_leave_while_it_imports_is_gone_before_it_serves(start: Start) -> None:
    _, service = start(PYTHONPATH=f"{ASKED}:{ROOT}", ASKED_AT="worker.boltz2.predictor", ASKED_IN="weakref")
    assert service.ends() == 0
    [line] = service.lines
    assert line["message"] == "left as asked, before it served"


def test_a_wrong_setting_is_said_and_ends_the_service(start: Start) -> None:
    _, service = start(QUEUE_LIMIT=0)
    assert service.ends() == 2
    assert "queue_limit" in service.lines[-1]["message"]
