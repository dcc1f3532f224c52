"""What a user of a running stack has in hand, with Google's own clients. Nothing of ours is imported here."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from google.cloud import pubsub_v1, storage
from google.cloud.pubsub_v1.subscriber.message import Message

from support.patience import HANG, until

DROPFOLD = str(Path(sys.executable).with_name("dropfold"))


@dataclass
class Event:
    """One message of the completion topic."""

    attributes: Mapping[str, str]
    data: dict[str, Any]


@dataclass
class Completions:
    """Everything that the completion topic has said since the stack began."""

    events: list[Event] = field(default_factory=list)

    def take(self, message: Message) -> None:
        self.events.append(Event(dict(message.attributes), json.loads(message.data)))

    def about(self, folder: str) -> dict[str, list[Event]]:
        """Return the events about a folder of the input bucket, by object name."""
        found: dict[str, list[Event]] = {}
        for event in list(self.events):
            name = event.data["source"]["name"]
            if name.startswith(f"{folder}/"):
                found.setdefault(name, []).append(event)
        return found

    def wait(self, folder: str, count: int) -> dict[str, list[Event]]:
        """Wait until so many objects of a folder have ended."""
        until(lambda: len(self.about(folder)) >= count, lambda: f"more than {sorted(self.about(folder))}")
        return self.about(folder)


@dataclass
class Stack:
    """What a user of `make up` has in hand: the environment file, the logs, a subscription."""

    environment: Mapping[str, str]
    run_dir: Path
    completions: Completions

    @property
    def sync(self) -> bool:
        """Whether jobs are pushed to the Service, instead of executions pulling them."""
        return "SERVICE_URL" in self.environment

    @property
    def inputs(self) -> storage.Bucket:
        return storage.Client().bucket(self.environment["INPUT_BUCKET"])

    @property
    def outputs(self) -> storage.Bucket:
        return storage.Client().bucket(self.environment["OUTPUT_BUCKET"])

    def receipt(self, event: Event) -> dict[str, Any]:
        """Read the receipt that an event names."""
        blob = storage.Blob.from_uri(event.data["receipt"], storage.Client())
        return dict(json.loads(blob.download_as_bytes()))

    def receipts(self, folder: str) -> list[str]:
        """Name all receipts under a folder of the output bucket."""
        names = [blob.name for blob in self.outputs.list_blobs(prefix=f"{folder}/")]
        return [name for name in names if name.endswith("/receipt.json")]

    def page(self, folder: str, name: str, words: str) -> str:
        """Read a folder's page in the output bucket as soon as it has some words."""

        def read() -> str:
            blob = self.outputs.get_blob(f"{folder}/{name}")
            return str(blob.download_as_text()) if blob else ""

        return until(lambda: text if words in (text := read()) else "", lambda: f"{words} in {read()[:500]}")

    def worker_logs(self) -> dict[str, str]:
        """Read what each task of the worker's job has printed, or the Service in its place."""
        logs = self.run_dir / "logs"
        found = [logs / "service.log"] if self.sync else (logs / "tasks").glob("*.log")
        return {path.stem: path.read_text() for path in found}


def dropfold(
    stack: Stack, *words: object, status: int = 0, **more: str
) -> "subprocess.CompletedProcess[str]":
    """Run the command as a person does, and hold it to its exit status; ``more`` is environment."""
    done = subprocess.run(
        [DROPFOLD, *map(str, words)],
        env=os.environ | stack.environment | more,
        timeout=HANG,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


@contextmanager
def subscribed(project: str, topic: str, take: Callable[[Message], object]) -> Iterator[None]:
    """Give each message of a topic to ``take`` while the block runs, by a subscription of its own."""

    def acknowledge(message: Message) -> None:
        take(message)
        message.ack()

    with pubsub_v1.SubscriberClient() as client:
        name = client.subscription_path(project, f"tests-{uuid.uuid4().hex}")
        client.create_subscription(name=name, topic=client.topic_path(project, topic))
        stream = client.subscribe(name, acknowledge)
        yield
        stream.cancel()
        stream.result()


@contextmanager
def using(environment: Mapping[str, str]) -> Iterator[None]:
    """Have clients that are made in the block find this stack."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield
