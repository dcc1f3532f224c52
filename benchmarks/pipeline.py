"""The whole product on this machine with one worker, for the benchmarks: drop files, wait for receipts."""

import json
import os
import queue
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from google.cloud import pubsub_v1, storage
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from inputs.read import REFERENCE_SUFFIXES
from local.parts import ROOT
from local.stack import Stack, running
from schemas.messages import PredictionCompleted

SILENCE_SECONDS = 300


@dataclass(frozen=True)
class Pipeline:
    """A running stack, and the events of its completion topic."""

    stack: Stack
    events: "queue.SimpleQueue[PredictionCompleted]"

    def drop(self, folder: Path, prefix: str, options: Mapping[str, object]) -> int:
        """Upload a folder's files, alignments first, with options as metadata; return the inputs' number."""
        bucket = storage.Client().bucket(self.stack.env["INPUT_BUCKET"])
        files = sorted(folder.iterdir(), key=lambda path: path.suffix not in REFERENCE_SUFFIXES)
        for path in files:
            blob = bucket.blob(f"{prefix}/{path.name}")
            blob.metadata = {f"dropfold-{name}": str(value) for name, value in options.items()}
            blob.upload_from_filename(str(path))
        return sum(path.suffix not in REFERENCE_SUFFIXES for path in files)

    def ended(self, count: int) -> Iterator[PredictionCompleted]:
        """Yield the first events of ``count`` jobs. Raises TimeoutError after a long silence."""
        seen: set[str] = set()
        while len(seen) < count:
            self.stack.check()
            try:
                event = self.events.get(timeout=SILENCE_SECONDS)
            except queue.Empty:
                raise TimeoutError(f"{len(seen)} of {count} ended, then nothing was heard.") from None
            if event.data.job_id not in seen:
                seen.add(event.data.job_id)
                yield event

    def download(self, event: PredictionCompleted, name: str) -> bytes:
        """Return the content of one output of a job."""
        return bytes(storage.Blob.from_uri(event.data.outputs + name, storage.Client()).download_as_bytes())

    def logged(self, message: str) -> list[dict[str, Any]]:
        """Return the workers' log entries with this message."""
        logs = (self.stack.run_dir / "logs" / "tasks").glob("*.log")
        lines = (line for log in logs for line in log.read_text().splitlines() if f'"{message}"' in line)
        return [found for line in lines if (found := json.loads(line))["message"] == message]

    def wait_for(self, message: str, seconds: float = 60) -> dict[str, Any]:
        """Wait for a worker's log entry with this message, and return it. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while not (found := self.logged(message)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"No worker logged {message!r} within {seconds:.0f} s.")
            time.sleep(0.1)
        return found[-1]


@contextmanager
def pipeline(**settings: str) -> Iterator[Pipeline]:
    """Run the stack with one worker and these settings of the product in its environment."""
    runs = ROOT / ".local" / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    os.environ.update({"MAX_WORKERS": "1", "IDLE_SECONDS": "5", **settings})
    scratch = tempfile.TemporaryDirectory(prefix="benchmark-", dir=runs)
    with scratch as folder, running(Path(folder)) as stack:
        os.environ.update(stack.env)
        with _listening(stack) as events:
            yield Pipeline(stack, events)


@contextmanager
def _listening(stack: Stack) -> Iterator["queue.SimpleQueue[PredictionCompleted]"]:
    events: queue.SimpleQueue[PredictionCompleted] = queue.SimpleQueue()

    def take(message: pubsub_v1.subscriber.message.Message) -> None:
        events.put(PredictionCompleted.decode(message.data, message.attributes))
        message.ack()

    with pubsub_v1.SubscriberClient() as client:
        project = stack.env["GOOGLE_CLOUD_PROJECT"]
        name = client.subscription_path(project, "benchmark")
        client.create_subscription(name=name, topic=client.topic_path(project, stack.env["COMPLETED_TOPIC"]))
        stream = client.subscribe(name, take)
        try:
            yield events
        finally:
            stream.cancel()
            stream.result()


def worker_process() -> psutil.Process:
    """Return the one worker that runs under this process's stack."""
    [worker] = [each for each in psutil.Process().children(recursive=True) if _is_worker(each)]
    return worker


def _is_worker(process: psutil.Process) -> bool:
    try:
        return process.cmdline()[-2:] == ["-m", "worker"]
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False


def progress() -> Progress:
    """Return a progress display: text, bar, count, time."""
    return Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
