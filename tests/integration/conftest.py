"""Emulators for the integration tests: each starts when a test first asks for it, and ends with the run.

Clients find one by a variable, which is set for the test alone: the next test of this process may be about
another stack.
"""

import os
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from integration.worker_process import WORK, Pipeline, StartWorker, WorkerProcess
from support.patience import NEVER

from local import emulators
from local.aot import ahead
from local.processes import Supervisor, answers, free_ports
from local.pubsub_repair import class_path
from local.small_model import DEFAULT, ensure

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".local" / "cache" / "emulators"
Start = Callable[..., None]


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a project id of this test's own: its topics and documents lie apart from all others'."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", name)
    return name


@pytest.fixture
def pubsub_host(pubsub_emulator: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return HOST:PORT of the Pub/Sub emulator, which PUBSUB_EMULATOR_HOST names too."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub_emulator)
    return pubsub_emulator


@pytest.fixture
def firestore_host(firestore_emulator: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return HOST:PORT of the Firestore emulator, which FIRESTORE_EMULATOR_HOST names too."""
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator)
    return firestore_emulator


@pytest.fixture
def storage_host(storage_emulator: str, pubsub_host: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URL of fake-gcs-server, which STORAGE_EMULATOR_HOST names too."""
    assert pubsub_host  # where it publishes what happens to objects
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", storage_emulator)
    return storage_emulator


@pytest.fixture(scope="session")
def pubsub_emulator(start_emulator: Start) -> str:
    """Start the Pub/Sub emulator; return HOST:PORT."""
    [port] = free_ports(1)
    jar, donor = (emulators.find_jar(jar, CACHE) for jar in (emulators.PUBSUB, emulators.FIRESTORE))
    mended = class_path(jar, donor, CACHE)
    command = partial(emulators.pubsub, emulators.find_java(), mended)
    start_emulator("pubsub", ahead(command, port, CACHE), port)
    return f"127.0.0.1:{port}"


@pytest.fixture(scope="session")
def firestore_emulator(start_emulator: Start) -> str:
    """Start the Firestore emulator; return HOST:PORT."""
    [port] = free_ports(1)
    jar = emulators.find_jar(emulators.FIRESTORE, CACHE)
    command = partial(emulators.firestore, emulators.find_java(), jar)
    start_emulator("firestore", ahead(command, port, CACHE), port)
    return f"127.0.0.1:{port}"


@pytest.fixture(scope="session")
def notifications_topic() -> tuple[str, str]:
    """Return the project and the topic to which the storage emulator publishes what happens to objects."""
    return "test-storage", "gcs-events"


@pytest.fixture(scope="session")
def storage_emulator(
    start_emulator: Start,
    pubsub_emulator: str,
    notifications_topic: tuple[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """Start fake-gcs-server, which publishes to the Pub/Sub emulator; return its URL."""
    http, https = free_ports(2)
    topic = "projects/{}/topics/{}".format(*notifications_topic)
    root = tmp_path_factory.mktemp("buckets")
    command = emulators.storage(emulators.find_storage(), root, http, https, topic)
    start_emulator("storage", command, http, PUBSUB_EMULATOR_HOST=pubsub_emulator)
    return f"http://127.0.0.1:{http}"


@pytest.fixture(scope="session")
def start_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Yield what starts an emulator (name, command, port) and returns when it answers on its port."""
    logs = tmp_path_factory.mktemp("emulators")

    with Supervisor() as emulators_running:

        def start(name: str, command: Sequence[str], port: int, **variables: str) -> None:
            emulators_running.start(name, command, os.environ | variables, logs / f"{name}.log", ROOT)
            emulators_running.wait(name, partial(answers, port))

        yield start


@pytest.fixture
def start_module(parts: Supervisor, tmp_path: Path) -> Callable[..., Path]:
    """Return what starts ``python -m local.MODULE OPTIONS``, waits for its "ready", and returns its log."""

    def start(module: str, *options: object) -> Path:
        log = tmp_path / f"{module}-{uuid.uuid4().hex}.log"
        command = [sys.executable, "-m", f"local.{module}", *map(str, options)]
        parts.start(module, command, os.environ, log, ROOT)
        parts.wait(module, lambda: "ready\n" in log.read_text())
        return log

    return start


@pytest.fixture
def pipeline(pubsub_host: str, firestore_host: str, storage_host: str, project: str) -> Pipeline:
    """Return what surrounds the workers of one test."""
    assert all((pubsub_host, firestore_host, storage_host))
    return Pipeline.make(project)


@pytest.fixture
def start_worker(pipeline: Pipeline, tmp_path: Path) -> Iterator[StartWorker]:
    """Return what starts a worker, with settings to change or (None) to leave out; it ends with the test.

    Its ``module`` may be another than the product's.
    """
    workers = list[WorkerProcess]()
    usual = {
        "PYTHONPATH": ROOT,
        "INPUT_BUCKET": pipeline.settings.input_bucket,
        "OUTPUT_BUCKET": pipeline.settings.output_bucket,
        "WORK_SUBSCRIPTION": WORK,
        "BOLTZ_CACHE": ensure(DEFAULT),
        "WORK_DIR": tmp_path / "work",
        "IDLE_SECONDS": NEVER,
        "OMP_NUM_THREADS": 1,
        "PYTHONHASHSEED": 0,
        "PYTHONWARNINGS": "ignore::FutureWarning",
    }

    def start_one(module: str = "worker", **changed: object) -> WorkerProcess:
        name = f"worker-{len(workers)}"
        wanted = usual | {"CLOUD_RUN_EXECUTION": name} | changed
        ours = {key: str(value) for key, value in wanted.items() if value is not None}
        others = {key: value for key, value in os.environ.items() if key not in wanted}
        workers.append(WorkerProcess.start(tmp_path / f"{name}.log", others | ours, module))
        return workers[-1]

    yield start_one
    for worker in workers:
        worker.destroy()
