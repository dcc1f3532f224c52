"""The Eventarc bridge between the real Pub/Sub emulator and a small HTTP receiver."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import pytest
from cloudevents.http import CloudEvent, from_http
from google.cloud import pubsub_v1, storage
from support.http_server import Quiet, answered_by
from support.loglines import logged
from support.patience import HANG, until

from local.processes import Supervisor, free_ports

FINALIZED = "google.cloud.storage.object.v1.finalized"
DELETED = "google.cloud.storage.object.v1.deleted"
BUCKET = "uploads"

StartModule = Callable[..., Path]


@dataclass
class Delivery:
    """One request as the receiver saw it."""

    at: float
    path: str
    event: CloudEvent


@dataclass
class Receiver:
    """A function's HTTP server: keeps what arrives, answers with ``statuses`` in turn, then with 204."""

    url: str
    statuses: list[int] = field(default_factory=list)
    open: threading.Event = field(default_factory=threading.Event)
    deliveries: list[Delivery] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def arrived(self, count: int) -> list[Delivery]:
        """Return all deliveries as soon as there are ``count``."""
        with self.changed:
            came = self.changed.wait_for(lambda: len(self.deliveries) >= count, HANG)
            assert came, f"{len(self.deliveries)} of {count} deliveries came"
            return list(self.deliveries)

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        """Keep a request; answer once the receiver is open."""
        with self.changed:
            self.deliveries.append(Delivery(time.monotonic(), path, from_http(headers, body)))
            status = self.statuses.pop(0) if self.statuses else 204
            self.changed.notify_all()
        self.open.wait(HANG)
        return status


@contextmanager
def receiving(port: int) -> Iterator[Receiver]:
    receiver = Receiver(f"http://127.0.0.1:{port}/")
    receiver.open.set()

    class Handler(Quiet):
        def respond(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(receiver.take(self.path, dict(self.headers.items()), body))
            self.end_headers()

    with answered_by(Handler, port):
        yield receiver
        receiver.open.set()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    [port] = free_ports(1)
    with receiving(port) as running:
        yield running


@dataclass
class Notifications:
    """A project's Pub/Sub: publishes as Cloud Storage does, reads what was dead-lettered."""

    project: str

    def publish(self, name: str, bucket: str = BUCKET, event: str = "OBJECT_FINALIZE") -> str:
        """Publish one notification; its message id."""
        with pubsub_v1.PublisherClient() as publisher:
            topic = publisher.topic_path(self.project, "gcs-events")
            published = publisher.publish(topic, resource(name, bucket), **attributes(name, bucket, event))
            return str(published.result(HANG))

    def dead(self) -> pubsub_v1.types.PubsubMessage:
        """Return the first dead-lettered message; the subscription must have been there before it."""
        with pubsub_v1.SubscriberClient() as subscriber:
            path = subscriber.subscription_path(self.project, "dead")
            request = {"subscription": path, "max_messages": 1, "return_immediately": True}
            [received] = until(lambda: list(subscriber.pull(request).received_messages))
            return received.message

    def watch_dead(self) -> None:
        """Create the subscription that keeps what is dead-lettered."""
        with pubsub_v1.SubscriberClient() as subscriber, pubsub_v1.PublisherClient() as publisher:
            topic = publisher.topic_path(self.project, "dropfold-dead")
            subscriber.create_subscription(
                name=subscriber.subscription_path(self.project, "dead"), topic=topic
            )


@pytest.fixture
def notifications(pubsub_host: str, project: str) -> Notifications:  # noqa: ARG001  the clients read its variable
    return Notifications(project)


def resource(name: str, bucket: str = BUCKET) -> bytes:
    return json.dumps({"kind": "storage#object", "name": name, "bucket": bucket, "generation": "7"}).encode()


def attributes(name: str, bucket: str = BUCKET, event: str = "OBJECT_FINALIZE") -> dict[str, str]:
    return {
        "eventType": event,
        "bucketId": bucket,
        "objectId": name,
        "objectGeneration": "7",
        "eventTime": "2026-01-02T03:04:05.678Z",
        "payloadFormat": "JSON_API_V1",
    }


def options(project: str, url: str, **changes: object) -> list[object]:
    chosen = {
        "project": project,
        "topic": "gcs-events",
        "bucket": BUCKET,
        "event-type": FINALIZED,
        "url": url,
        "dead-letter-topic": "dropfold-dead",
        "ack-deadline": 600,  # the most that Pub/Sub takes: a delivery has that long
        **changes,
    }
    return [word for name, value in chosen.items() for word in (f"--{name}", value)]


def test_a_notification_arrives_as_the_cloud_event_that_eventarc_sends(
    notifications: Notifications, receiver: Receiver, start_module: StartModule
) -> None:
    log = start_module("eventarc_bridge", *options(notifications.project, receiver.url))
    message_id = notifications.publish("run42/foo.yaml")
    [delivery] = receiver.arrived(1)
    assert delivery.path == "/"
    assert delivery.event.get_attributes() == {
        "specversion": "1.0",
        "id": message_id,
        "source": f"//storage.googleapis.com/projects/_/buckets/{BUCKET}",
        "type": FINALIZED,
        "subject": "objects/run42/foo.yaml",
        "time": "2026-01-02T03:04:05.678Z",
        "bucket": BUCKET,
        "datacontenttype": "application/json",
    }
    assert delivery.event.data == json.loads(resource("run42/foo.yaml"))
    until(lambda: len(logged(log)) == 1)
    assert logged(log) == [
        {
            "severity": "INFO",
            "message": "delivered",
            "object": f"gs://{BUCKET}/run42/foo.yaml",
            "generation": "7",
            "event_id": message_id,
            "attempt": 1,
            "status": "204",
        }
    ]


def test_every_object_name_survives_the_journey_through_a_header(
    notifications: Notifications, receiver: Receiver, start_module: StartModule
) -> None:
    names = {
        "a b.yaml",
        "#1?.yaml",
        "100%25.yaml",
        "ünïcödé/蛋白质.yaml",
        '"it\'s".yaml',
        "a//b/../c+d&e=f.yaml",
        " ",
    }
    start_module("eventarc_bridge", *options(notifications.project, receiver.url))
    for name in names:
        notifications.publish(name)
    events = [delivery.event for delivery in receiver.arrived(len(names))]
    assert {unquote(event["subject"]) for event in events} == {f"objects/{name}" for name in names}
    assert {event.data["name"] for event in events} == names


def test_only_the_triggers_bucket_and_types_are_delivered(
    notifications: Notifications, receiver: Receiver, start_module: StartModule
) -> None:
    both = [*options(notifications.project, receiver.url), "--event-type", DELETED]
    start_module("eventarc_bridge", *both)
    notifications.publish("elsewhere.yaml", bucket="another-bucket")
    notifications.publish("archived.yaml", event="OBJECT_ARCHIVE")
    notifications.publish("deleted.yaml", event="OBJECT_DELETE")
    notifications.publish("finalized.yaml")
    events = [delivery.event for delivery in receiver.arrived(2)]
    assert {event.data["name"]: event["type"] for event in events} == {
        "deleted.yaml": DELETED,
        "finalized.yaml": FINALIZED,
    }


def test_a_failing_function_gets_the_same_event_again_after_growing_waits(
    notifications: Notifications, receiver: Receiver, start_module: StartModule
) -> None:
    receiver.statuses = [500, 500, 200]
    start_module("eventarc_bridge", *options(notifications.project, receiver.url, **{"min-backoff": 1}))
    message_id = notifications.publish("foo.yaml")
    first, second, third = receiver.arrived(3)
    assert {delivery.event["id"] for delivery in (first, second, third)} == {message_id}
    # Both at least: a busy machine adds to them. The emulator's own wait is near twice what it was told.
    assert second.at - first.at > 0.9
    assert third.at - second.at > 1.4


def test_a_function_that_is_down_gets_the_event_once_it_is_up(
    notifications: Notifications, start_module: StartModule
) -> None:
    [port] = free_ports(1)
    log = start_module("eventarc_bridge", *options(notifications.project, f"http://127.0.0.1:{port}/"))
    notifications.publish("foo.yaml")
    until(lambda: [line["status"] for line in logged(log)] == ["ConnectionError"])
    with receiving(port) as receiver:
        [delivery] = receiver.arrived(1)
    assert delivery.event.data["name"] == "foo.yaml"


def test_an_event_that_nobody_takes_is_dead_lettered_with_its_data_and_attributes(
    notifications: Notifications, receiver: Receiver, start_module: StartModule
) -> None:
    receiver.statuses = [500] * 9
    few = options(
        notifications.project,
        receiver.url,
        **{"min-backoff": 1, "max-backoff": 1, "max-delivery-attempts": 5},
    )
    log = start_module("eventarc_bridge", *few)
    notifications.watch_dead()
    notifications.publish("foo.yaml")
    dead = notifications.dead()
    assert dead.data == resource("foo.yaml")
    assert attributes("foo.yaml").items() <= dict(dead.attributes).items()
    assert [(line["attempt"], line["message"]) for line in logged(log)] == [
        *((attempt, "will be retried") for attempt in range(1, 5)),
        (5, "dead-lettered"),
    ]


def test_an_event_in_flight_when_the_bridge_is_killed_is_delivered_again(
    notifications: Notifications, receiver: Receiver, start_module: StartModule, parts: Supervisor
) -> None:
    receiver.open.clear()
    bridge = options(notifications.project, receiver.url, **{"ack-deadline": 10})  # the least that it takes
    start_module("eventarc_bridge", *bridge)
    notifications.publish("foo.yaml")
    receiver.arrived(1)
    os.kill(parts.pids["eventarc_bridge"], signal.SIGKILL)
    receiver.open.set()
    start_module("eventarc_bridge", *bridge)
    first, second = receiver.arrived(2)
    assert first.event["id"] == second.event["id"]


def test_an_event_from_before_the_bridge_was_restarted_is_not_lost(
    notifications: Notifications, receiver: Receiver, start_module: StartModule, parts: Supervisor
) -> None:
    start_module("eventarc_bridge", *options(notifications.project, receiver.url))
    parts.stop()
    notifications.publish("foo.yaml")
    start_module("eventarc_bridge", *options(notifications.project, receiver.url))
    [delivery] = receiver.arrived(1)
    assert delivery.event.data["name"] == "foo.yaml"


def test_sigterm_ends_the_bridge_though_a_delivery_hangs(
    notifications: Notifications,
    receiver: Receiver,
    start_module: StartModule,
    parts: Supervisor,
) -> None:
    receiver.open.clear()
    log = start_module("eventarc_bridge", *options(notifications.project, receiver.url))
    notifications.publish("foo.yaml")
    receiver.arrived(1)
    bridge = parts.pids["eventarc_bridge"]
    os.kill(bridge, signal.SIGTERM)
    ended = until(lambda: os.waitid(os.P_PID, bridge, os.WEXITED | os.WNOHANG | os.WNOWAIT))
    assert ended
    assert (ended.si_code, ended.si_status) == (os.CLD_EXITED, 0)
    assert logged(log) == []  # it did not wait for the delivery, whose outcome it would have told


def test_a_slow_function_gets_at_most_sixteen_events_at_once(
    notifications: Notifications, receiver: Receiver, start_module: StartModule
) -> None:
    receiver.open.clear()
    start_module("eventarc_bridge", *options(notifications.project, receiver.url))
    for number in range(20):
        notifications.publish(f"{number}.yaml")
    receiver.arrived(16)
    with receiver.changed:
        assert not receiver.changed.wait_for(lambda: len(receiver.deliveries) > 16, timeout=0.5)
    receiver.open.set()
    names = {delivery.event.data["name"] for delivery in receiver.arrived(20)}
    assert names == {f"{number}.yaml" for number in range(20)}


def test_an_upload_to_the_storage_emulator_reaches_the_function(
    storage_host: str,  # noqa: ARG001  the client reads its variable
    notifications_topic: tuple[str, str],
    receiver: Receiver,
    start_module: StartModule,
) -> None:
    owner, topic = notifications_topic
    bucket = storage.Client(owner).create_bucket(f"uploads-{uuid.uuid4().hex}")
    start_module("eventarc_bridge", *options(owner, receiver.url, topic=topic, bucket=bucket.name))
    blob = bucket.blob("run 42/ä.yaml")
    blob.upload_from_string(b"version: 1\n")
    [delivery] = receiver.arrived(1)
    assert unquote(delivery.event["subject"]) == "objects/run 42/ä.yaml"
    assert delivery.event.data["name"] == "run 42/ä.yaml"
    assert int(delivery.event.data["generation"]) == blob.generation
    assert int(delivery.event.data["size"]) == 11


def test_a_missing_emulator_is_said_in_one_line() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PUBSUB_EMULATOR_HOST"}
    command = [sys.executable, "-W", "ignore", "-m", "local.eventarc_bridge"]
    words = [str(word) for word in options("test-project", "http://127.0.0.1:9/")]
    ended = subprocess.run([*command, *words], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "PUBSUB_EMULATOR_HOST is not set: start the Pub/Sub emulator and set it to HOST:PORT."
    ]
