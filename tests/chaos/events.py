"""Events of the input bucket, posted straight to the functions: again, late and in any order."""

import os
import signal
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

import requests
from google.cloud import pubsub_v1
from support.patience import HANG

from chaos.aftermath import Upload
from chaos.harness import Chaos
from local import parts
from local.eventarc_bridge import event_headers
from schemas.job import Job
from schemas.messages import PredictionRequested

FUNCTION = {"OBJECT_FINALIZE": "on_upload", "OBJECT_DELETE": "on_delete"}
BRIDGES = ("trigger-upload", "trigger-delete")
AT_ONCE = 4


@dataclass(frozen=True)
class Notice:
    """One event of one generation: the object resource as Cloud Storage writes it."""

    upload: Upload
    kind: str
    resource: bytes


def notice(chaos: Chaos, upload: Upload, kind: str = "OBJECT_FINALIZE") -> Notice:
    """Read the resource of an upload that is there."""
    host = chaos.stack.env["STORAGE_EMULATOR_HOST"]
    answer = requests.get(
        f"{host}/storage/v1/b/{upload.bucket}/o/{quote(upload.name, safe='')}", timeout=HANG
    )
    answer.raise_for_status()
    return Notice(upload, kind, answer.content)


def post(chaos: Chaos, event: Notice) -> int:
    """Post an event as Eventarc does; return the function's status."""
    attributes = {
        "bucketId": event.upload.bucket,
        "objectId": event.upload.name,
        "eventType": event.kind,
        "eventTime": datetime.now(UTC).isoformat(),
    }
    return requests.post(
        parts.url(chaos.stack.ports.functions[FUNCTION[event.kind]]),
        event.resource,
        headers=event_headers(uuid.uuid4().hex, attributes),
        timeout=HANG,
    ).status_code


def post_all(chaos: Chaos, events: Sequence[Notice]) -> list[int]:
    """Post events in this order, a few at a time."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda event: post(chaos, event), events))


def request_again(job: Job, times: int) -> None:
    """Publish the request for a job a few times more."""
    message = PredictionRequested.of(job).encode()
    with pubsub_v1.PublisherClient() as publisher:
        topic = publisher.topic_path(parts.PROJECT, "predictions-requested")
        for future in [publisher.publish(topic, message.data, **message.attributes) for _ in range(times)]:
            future.result(HANG)


@contextmanager
def held_back(chaos: Chaos) -> Iterator[None]:
    """Have no event of the bucket delivered while the block runs; afterwards all of them come, late."""
    bridges = [chaos.stack.pids[name] for name in BRIDGES]
    for pid in bridges:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in bridges:
            os.kill(pid, signal.SIGCONT)


def lose(chaos: Chaos) -> int:
    """Take what the bucket told and nobody heard yet out of the queues; return how many events that was."""
    lost = 0
    with pubsub_v1.SubscriberClient() as subscriber:
        listed = subscriber.list_subscriptions(project=f"projects/{chaos.stack.env['GOOGLE_CLOUD_PROJECT']}")
        for name in [each.name for each in listed if "/eventarc-" in each.name]:
            request = {"subscription": name, "max_messages": 100, "return_immediately": True}
            while received := subscriber.pull(request).received_messages:
                subscriber.acknowledge(subscription=name, ack_ids=[each.ack_id for each in received])
                lost += len(received)
    return lost
