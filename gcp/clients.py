"""How functions, worker and command reach the project's parts: one client of Google's for each."""

from contextlib import AbstractContextManager

from google.cloud import firestore, pubsub_v1, storage

from gcp import pubsub
from gcp.ledger import FirestoreLedger
from gcp.pubsub import Subscription, Topic
from gcp.settings import Project
from gcp.storage import Bucket
from jobs.settle import Settler


def ledger(project: Project) -> FirestoreLedger:
    """Open the ledger."""
    return FirestoreLedger(firestore.Client(project=project.google_cloud_project))


def bucket(project: Project, name: str) -> Bucket:
    """Open a bucket."""
    return Bucket(storage.Client(project=project.google_cloud_project), name)


def subscription(project: Project, name: str) -> Subscription:
    """Open a subscription to pull from."""
    return Subscription(pubsub_v1.SubscriberClient(), project.google_cloud_project, name)


def following(project: Project, topic: str, pattern: str) -> AbstractContextManager[Subscription]:
    """Subscribe to a topic for a block; ``pattern`` is a filter of Pub/Sub, or empty."""
    return pubsub.following(pubsub_v1.SubscriberClient(), project.google_cloud_project, topic, pattern)


def topic(project: Project, name: str) -> Topic:
    """Open a topic to publish to."""
    return Topic(pubsub_v1.PublisherClient(), project.google_cloud_project, name)


def settler(project: Project) -> Settler:
    """Open what settling needs: ledger, output bucket, both pubsub."""
    publisher, name = pubsub_v1.PublisherClient(), project.google_cloud_project
    return Settler(
        ledger=ledger(project),
        receipts=bucket(project, project.output_bucket),
        requests=Topic(publisher, name, project.requested_topic),
        completions=Topic(publisher, name, project.completed_topic),
    )
