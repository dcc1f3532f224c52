"""The stand-in for an Eventarc direct Cloud Storage trigger: notifications in, CloudEvents over HTTP out.

fake-gcs-server publishes Cloud Storage notifications to a Pub/Sub topic. The bridge pulls them from a
subscription of its own, applies the trigger's filter, and posts each one as Eventarc does: a CloudEvent in
binary content mode. Retry and dead letter are the subscription's, as they are behind a real trigger; an event
leaves the subscription only when the function answered 2xx, so a bridge that is killed loses nothing.

It pulls message by message, not by a stream, which needs no repaired emulator (local/pubsub_repair.py) and
leaves what it has no room for to the subscription.

Notification: https://cloud.google.com/storage/docs/pubsub-notifications
Event: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

import argparse
import contextlib
import json
import os
import signal
import string
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests
from google.api_core.exceptions import (
    AlreadyExists,
    DeadlineExceeded,
    GoogleAPICallError,
    RetryError,
    ServiceUnavailable,
)
from google.api_core.retry import Retry, if_exception_type
from google.pubsub_v1 import PublisherClient, ReceivedMessage, SubscriberClient

EVENT_TYPES = {
    "OBJECT_FINALIZE": "google.cloud.storage.object.v1.finalized",
    "OBJECT_DELETE": "google.cloud.storage.object.v1.deleted",
    "OBJECT_ARCHIVE": "google.cloud.storage.object.v1.archived",
    "OBJECT_METADATA_UPDATE": "google.cloud.storage.object.v1.metadataUpdated",
}
NEEDED_ATTRIBUTES = {"eventType", "bucketId", "objectId", "eventTime"}
CONCURRENCY = 16
ACK_DEADLINE_SECONDS = 60
MARGIN_SECONDS = 5
"""Time before the ack deadline by which the function must have answered."""
PULL_SECONDS = 1.5
"""Timeout of a pull. The emulator answers an empty one a second earlier: SIGTERM is heeded in 0.5 s."""
PATIENCE = Retry(predicate=if_exception_type(ServiceUnavailable), initial=0.05, maximum=0.5, timeout=60)
# Printable ASCII may stand in a header; the binding has double quotes and percent signs encoded all the same.
HEADER_SAFE = "".join(set(string.digits + string.ascii_letters + string.punctuation) - set('"%'))


@dataclass(frozen=True)
class Trigger:
    """One Eventarc trigger: source, filter and destination of its events, and the policy of retries."""

    project: str
    topic: str
    bucket: str
    event_types: frozenset[str]
    url: str
    dead_letter_topic: str
    min_backoff: int
    max_backoff: int
    max_delivery_attempts: int
    ack_deadline: int

    @property
    def subscription(self) -> str:
        """Name of the trigger's own subscription; the same after a restart, so that nothing left is lost."""
        kinds = "-".join(sorted(kind.rpartition(".")[2] for kind in self.event_types))
        return f"projects/{self.project}/subscriptions/eventarc-{self.topic}-{self.bucket}-{kinds}"


def wanted(trigger: Trigger, attributes: Mapping[str, str]) -> bool:
    """Return whether a notification passes the trigger's filter; one not about an object never does."""
    return (
        attributes.keys() >= NEEDED_ATTRIBUTES
        and attributes["bucketId"] == trigger.bucket
        and EVENT_TYPES.get(attributes["eventType"]) in trigger.event_types
    )


def event_headers(event_id: str, attributes: Mapping[str, str]) -> dict[str, str]:
    """Return the HTTP headers of the binary-mode CloudEvent that Eventarc makes of a notification."""
    bucket = attributes["bucketId"]
    return {
        "ce-id": event_id,
        "ce-source": f"//storage.googleapis.com/projects/_/buckets/{bucket}",
        "ce-specversion": "1.0",
        "ce-subject": quote(f"objects/{attributes['objectId']}", safe=HEADER_SAFE),
        "ce-time": attributes["eventTime"],
        "ce-type": EVENT_TYPES[attributes["eventType"]],
        "ce-bucket": bucket,
        "content-type": "application/json",
    }


def prepare(trigger: Trigger, publisher: PublisherClient, subscriber: SubscriberClient) -> None:
    """Create the topics and the trigger's subscription unless they exist.

    Raises GoogleAPICallError when Pub/Sub refuses, RetryError when it cannot be reached for a minute.
    """
    topic = publisher.topic_path(trigger.project, trigger.topic)
    dead_letter_topic = publisher.topic_path(trigger.project, trigger.dead_letter_topic)
    retry = {
        "minimum_backoff": {"seconds": trigger.min_backoff},
        "maximum_backoff": {"seconds": trigger.max_backoff},
    }
    dead_letter = {
        "dead_letter_topic": dead_letter_topic,
        "max_delivery_attempts": trigger.max_delivery_attempts,
    }
    subscription = {
        "name": trigger.subscription,
        "topic": topic,
        "ack_deadline_seconds": trigger.ack_deadline,
        "retry_policy": retry,
        "dead_letter_policy": dead_letter,
    }
    _create(publisher.create_topic, {"name": topic})
    _create(publisher.create_topic, {"name": dead_letter_topic})
    _create(subscriber.create_subscription, subscription)


def serve(trigger: Trigger, subscriber: SubscriberClient, stop: threading.Event) -> None:
    """Pull and deliver, up to CONCURRENCY events at once, until ``stop``.

    Raises GoogleAPICallError when Pub/Sub is gone.
    """
    pool = ThreadPoolExecutor(CONCURRENCY)
    slots = threading.Semaphore(CONCURRENCY)

    def leave(delivery: Future[None]) -> None:
        slots.release()
        delivery.result()  # an unforeseen error is logged by the pool; the message comes again

    while not stop.is_set():
        if not slots.acquire(timeout=PULL_SECONDS / 2):
            continue
        if received := pull(trigger, subscriber):
            pool.submit(handle, trigger, subscriber, received).add_done_callback(leave)
        else:
            slots.release()


def pull(trigger: Trigger, subscriber: SubscriberClient) -> ReceivedMessage | None:
    """Lease the next message; return None if half a second passes without one."""
    request = {"subscription": trigger.subscription, "max_messages": 1}
    try:
        answer = subscriber.pull(request, timeout=PULL_SECONDS, retry=None)
    except DeadlineExceeded:
        return None
    return next(iter(answer.received_messages), None)


def handle(trigger: Trigger, subscriber: SubscriberClient, received: ReceivedMessage) -> None:
    """Deliver one notification, and acknowledge it or give it back for another attempt."""
    delivered = True
    if wanted(trigger, received.message.attributes):
        status = deliver(trigger, received)
        delivered = status.startswith("2")
        _log(trigger, received, status, delivered)
    if delivered:
        subscriber.acknowledge(subscription=trigger.subscription, ack_ids=[received.ack_id])
    else:
        give_back(trigger, subscriber, received)


def deliver(trigger: Trigger, received: ReceivedMessage) -> str:
    """Post an event; return the HTTP status, or the name of the error if there was no answer."""
    message = received.message
    headers = event_headers(message.message_id, message.attributes)
    timeout = trigger.ack_deadline - MARGIN_SECONDS
    with requests.Session() as session:
        session.trust_env = False  # the machine's proxy has no business with 127.0.0.1
        try:
            answer = session.post(
                trigger.url,
                message.data,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
                stream=True,
            )
        except requests.RequestException as error:
            return type(error).__name__
        return str(answer.status_code)


def give_back(trigger: Trigger, subscriber: SubscriberClient, received: ReceivedMessage) -> None:
    """Nack: the message comes again after the backoff, or is dead-lettered once its attempts are spent.

    The emulator does both as the subscription's policies say, except that it answers the first nack without
    any wait. There, the ack deadline is set to the minimum backoff, so that the message waits in Pub/Sub.
    """
    seconds = trigger.min_backoff if received.delivery_attempt == 1 else 0
    subscriber.modify_ack_deadline(
        subscription=trigger.subscription, ack_ids=[received.ack_id], ack_deadline_seconds=seconds
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Run the bridge in the foreground until SIGTERM."""
    trigger = _trigger(argv)
    emulator = os.environ.get("PUBSUB_EMULATOR_HOST")
    if not emulator:
        sys.exit("PUBSUB_EMULATOR_HOST is not set: start the Pub/Sub emulator and set it to HOST:PORT.")
    subscriber, stop = SubscriberClient(), threading.Event()
    try:
        prepare(trigger, PublisherClient(), subscriber)
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        print("ready", flush=True)
        serve(trigger, subscriber, stop)
    except (GoogleAPICallError, RetryError) as error:
        print(f"The Pub/Sub emulator at {emulator} failed: {error}", file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)  # a delivery in flight would hold the exit; unacknowledged, it comes again


def _trigger(argv: Sequence[str] | None) -> Trigger:
    summary = __doc__.splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m local.eventarc_bridge", description=summary)
    for name in ("project", "topic", "bucket", "url", "dead-letter-topic"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--event-type", action="append", choices=EVENT_TYPES.values(), required=True)
    parser.add_argument("--min-backoff", type=int, default=1, metavar="SECONDS")
    parser.add_argument("--max-backoff", type=int, default=60, metavar="SECONDS")
    parser.add_argument("--max-delivery-attempts", type=int, default=10, metavar="N")
    parser.add_argument("--ack-deadline", type=int, default=ACK_DEADLINE_SECONDS, metavar="SECONDS")
    arguments = vars(parser.parse_args(argv))
    return Trigger(event_types=frozenset(arguments.pop("event_type")), **arguments)


def _create(create: Callable[..., object], request: Mapping[str, Any]) -> None:
    with contextlib.suppress(AlreadyExists):
        create(request, retry=PATIENCE)


def _log(trigger: Trigger, received: ReceivedMessage, status: str, delivered: bool) -> None:
    """Write one structured line as Cloud Logging reads it: severity, message and fields."""
    attributes, attempt = received.message.attributes, received.delivery_attempt
    outcome = ("WARNING", "will be retried")
    if delivered:
        outcome = ("INFO", "delivered")
    elif attempt >= trigger.max_delivery_attempts:
        outcome = ("ERROR", "dead-lettered")
    entry = {
        "severity": outcome[0],
        "message": outcome[1],
        "object": f"gs://{attributes['bucketId']}/{attributes['objectId']}",
        "generation": attributes.get("objectGeneration"),
        "event_id": received.message.message_id,
        "attempt": attempt,
        "status": status,
    }
    sys.stdout.write(f"{json.dumps(entry)}\n")  # at once: threads would come between print's two writes
    sys.stdout.flush()


if __name__ == "__main__":
    main()
