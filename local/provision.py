"""Creates in the emulators the resources of the Terraform plan: buckets, topics, subscriptions, the job.

Every client gets its address here, not from the environment: one process may run several stacks.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta

import grpc  # type: ignore[import-untyped]  # carries no annotations
from google.api_core.exceptions import AlreadyExists, Conflict
from google.auth.credentials import AnonymousCredentials
from google.cloud import run_v2, storage
from google.pubsub_v1 import (
    DeadLetterPolicy,
    PublisherClient,
    PushConfig,
    RetryPolicy,
    SubscriberClient,
    Subscription,
)
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from local import topology

TIMEOUT_SECONDS = 30
TASK_SECONDS = 3600
TASK_RETRIES = 2


def create_buckets(endpoint: str, project: str, names: Iterable[str]) -> None:
    """Create buckets in the storage emulator at ``endpoint`` (a URL). Raises google.api_core's errors."""
    options = {"api_endpoint": endpoint}
    client = storage.Client(project, credentials=AnonymousCredentials(), client_options=options)
    for name in names:
        with suppress(Conflict):
            client.create_bucket(name, timeout=TIMEOUT_SECONDS, retry=None)


def create_topics(host: str, project: str, plan: topology.Topology, urls: Mapping[str, str]) -> None:
    """Create the plan's topics and subscriptions in the Pub/Sub emulator at ``host`` (host:port).

    ``urls`` maps each function to its address; a push subscription calls it under a path that names the
    topic, as functions-framework expects. Raises google.api_core's errors.
    """
    with _pubsub(host) as (publisher, subscriber):
        for name in plan.topics:
            with suppress(AlreadyExists):  # a trigger, which starts at the same time, makes sure of its own
                publisher.create_topic(name=_topic(project, name), timeout=TIMEOUT_SECONDS)
        for name, subscription in plan.subscriptions.items():
            request = _subscription(project, name, subscription, urls)
            subscriber.create_subscription(request, timeout=TIMEOUT_SECONDS)


def create_job(endpoint: str, name: str, arguments: Sequence[str], env: Mapping[str, str]) -> None:
    """Deploy the worker, this Python with ``arguments``, as the Cloud Run job of this full name.

    Raises google.api_core's errors.
    """
    container = run_v2.Container(
        image="local",
        command=[sys.executable],
        args=list(arguments),
        env=[run_v2.EnvVar(name=variable, value=value) for variable, value in env.items()],
    )
    task = run_v2.TaskTemplate(
        containers=[container], max_retries=TASK_RETRIES, timeout=timedelta(seconds=TASK_SECONDS)
    )
    client = run_v2.JobsClient(
        transport="rest", credentials=AnonymousCredentials(), client_options={"api_endpoint": endpoint}
    )
    parent, _, job_id = name.partition("/jobs/")
    job = run_v2.Job(template=run_v2.ExecutionTemplate(template=task))
    client.create_job(parent=parent, job=job, job_id=job_id, timeout=TIMEOUT_SECONDS).result(TIMEOUT_SECONDS)


@contextmanager
def _pubsub(host: str) -> Iterator[tuple[PublisherClient, SubscriberClient]]:
    with grpc.insecure_channel(host) as channel:
        yield (
            PublisherClient(transport=PublisherGrpcTransport(channel=channel)),
            SubscriberClient(transport=SubscriberGrpcTransport(channel=channel)),
        )


def _topic(project: str, name: str) -> str:
    return f"projects/{project}/topics/{name}"


def _subscription(
    project: str, name: str, plan: topology.Subscription, urls: Mapping[str, str]
) -> Subscription:
    topic = _topic(project, plan.topic)
    return Subscription(
        name=f"projects/{project}/subscriptions/{name}",
        topic=topic,
        ack_deadline_seconds=plan.ack_deadline,
        message_retention_duration=timedelta(seconds=plan.retention),
        filter=plan.filter,
        enable_exactly_once_delivery=plan.exactly_once,
        push_config=PushConfig(push_endpoint=f"{urls[plan.push]}/{topic}") if plan.push else None,
        retry_policy=_retry(plan),
        dead_letter_policy=_dead_letter(project, plan),
    )


def _retry(plan: topology.Delivery) -> RetryPolicy | None:
    if plan.minimum_backoff is None or plan.maximum_backoff is None:
        return None
    return RetryPolicy(
        minimum_backoff=timedelta(seconds=plan.minimum_backoff),
        maximum_backoff=timedelta(seconds=plan.maximum_backoff),
    )


def _dead_letter(project: str, plan: topology.Delivery) -> DeadLetterPolicy | None:
    if plan.dead_letter_topic is None:
        return None
    return DeadLetterPolicy(
        dead_letter_topic=_topic(project, plan.dead_letter_topic),
        max_delivery_attempts=plan.max_delivery_attempts,
    )
