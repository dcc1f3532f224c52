"""The Service behind a real HTTP server on 127.0.0.1, in a thread of this process, all else in memory."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
import uvicorn
from fastapi import FastAPI

from inputs.read import read_input
from jobs import lifecycle
from jobs.settle import Settler
from local.processes import free_ports
from schemas.checks import ChecksReport
from schemas.job import Job, State
from schemas.options import Options
from support.fakes import NOW, MemoryBucket, MemoryLedger, MemoryTopic, a_job, a_source
from support.inputs import one_protein
from support.paper import PaperPredictor, passed
from support.patience import HANG, NEVER
from worker.alignments import Alignments
from worker.checks.run import Asking
from worker.examination import Check
from worker.job_runner import JobRunner
from worker.pipeline import Pipeline
from worker.web.app import ServiceState
from worker.web.deadline import Shutdown
from worker.web.predict import Predictions
from worker.web.push import Jobs
from worker.web.queue import Queue
from worker.web.validation import Read

YAML = one_protein("NLYIQ")
TYPES = {"yaml": {"Content-Type": "application/yaml"}, "fasta": {"Content-Type": "text/x-fasta"}}
PLACES, HANDS = 10, 3


class Served:
    """A server that runs; ``call`` does something in the thread of its event loop."""

    def __init__(self, app: FastAPI) -> None:
        [self.port] = free_ports(1)
        self._app = app
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(self, action: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(action)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(HANG)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(HANG)
        assert not self._thread.is_alive()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        config = uvicorn.Config(
            self._app, host="127.0.0.1", port=self.port, log_config=None, timeout_graceful_shutdown=5
        )
        self._server = uvicorn.Server(config)
        serving = asyncio.create_task(self._server.serve())
        while not self._server.started and not serving.done():
            await asyncio.sleep(0.01)
        self._ready.set()
        await serving


@contextmanager
def serving(app: FastAPI) -> Iterator[Served]:
    """Serve an app for a block."""
    served = Served(app)
    served.start()
    try:
        yield served
    finally:
        served.stop()


@dataclass
class Service:
    """A Service and everything that it reaches, in memory."""

    folder: Path
    predictor: PaperPredictor = field(default_factory=PaperPredictor)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    uploads: MemoryBucket = field(default_factory=lambda: MemoryBucket("in"))
    results: MemoryBucket = field(default_factory=lambda: MemoryBucket("out"))
    asked: MemoryTopic = field(default_factory=MemoryTopic)
    completions: MemoryTopic = field(default_factory=MemoryTopic)
    alignments: Alignments | None = None
    read: Read = read_input
    check: Check = passed
    service_state: ServiceState = field(init=False)
    served: Served = field(init=False)

    def __post_init__(self) -> None:
        settler = Settler(self.ledger, self.results, self.asked, self.completions)
        pipeline = Pipeline(self.uploads, self.results, self.predictor, self._checked, self.folder, NOW)
        self.service_state = ServiceState(
            predictor=self.predictor,
            predictions=Predictions(
                self.predictor, self._checked, self.uploads, self.folder, alignments=self.alignments
            ),
            jobs=Jobs(JobRunner(self.ledger, settler, pipeline, "service-1", renew_seconds=30)),
            queue=Queue(PLACES, HANDS),
            shutdown=Shutdown(grace=NEVER),
            input_bucket="in",
            request_seconds=NEVER,
            defaults=Options(sampling_steps=20),
            read=self.read,
        )
        self.service_state.ready.set()

    def _checked(self, asking: Asking) -> ChecksReport:
        return self.check(asking)  # a test may set another one

    def post(self, path: str = "/predict", body: str | bytes = YAML, **how: Any) -> requests.Response:  # noqa: ANN401
        how.setdefault("headers", {})
        if "files" not in how:
            how["headers"] = TYPES["yaml"] | how["headers"]
            how["data"] = body
        return requests.post(self.served.url + path, timeout=HANG, **how)

    def get(self, path: str) -> requests.Response:
        return requests.get(self.served.url + path, timeout=HANG)

    def queue(self, name: str = "a", attempt: int = 0) -> Job:
        job = a_job(
            job_id=name * 16,
            source=a_source(f"run42/{name}.yaml"),
            output_prefix=f"run42/{name}/",
            options=Options(seed=5),
            attempt=attempt,
        )
        self.uploads.put(job.source.name, YAML.encode())
        return self.ledger.create(lifecycle.take_in(job, datetime.now(UTC)))

    def state(self, name: str = "a") -> State:
        job = self.ledger.get(name * 16)
        assert job
        return job.state
