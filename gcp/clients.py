"""Google's clients of a project, and what functions, worker and command reach with them."""

from contextlib import AbstractContextManager
from threading import RLock

from google.cloud import firestore, pubsub_v1, storage

from gcp import pubsub
from gcp.ledger import FirestoreLedger
from gcp.made_once import made_once
from gcp.pubsub import Subscription, Topic
from gcp.settings import Project
from gcp.storage import Bucket
from jobs.settle import Settler


class Clients:
    """One client for each of Google's services, opened when it is first asked for; threads share them.

    They have threads and connections, which a fork of the process would not have: fork before you ask.
    """

    def __init__(self, settings: Project) -> None:
        self.project = settings.google_cloud_project
        self.lock = RLock()
        self._settings = settings

    @made_once
    def storage(self) -> storage.Client:
        """The client of Cloud Storage."""
        return storage.Client(project=self.project)

    @made_once
    def firestore(self) -> firestore.Client:
        """The client of Firestore."""
        return firestore.Client(project=self.project, database=self._settings.firestore_database)

    @made_once
    def publisher(self) -> pubsub_v1.PublisherClient:
        """The client that publishes to Pub/Sub."""
        return pubsub_v1.PublisherClient()

    @made_once
    def subscriber(self) -> pubsub_v1.SubscriberClient:
        """The client that pulls from Pub/Sub; exactly once is promised to those that pull in one region."""
        endpoint = self._settings.pubsub_endpoint
        return pubsub_v1.SubscriberClient(client_options={"api_endpoint": endpoint} if endpoint else None)

    def ledger(self) -> FirestoreLedger:
        """Return the ledger."""
        return FirestoreLedger(self.firestore)

    def bucket(self, name: str) -> Bucket:
        """Return a bucket."""
        return Bucket(self.storage, name)

    def topic(self, name: str) -> Topic:
        """Return a topic to publish to."""
        return Topic(self.publisher, self.project, name)

    def subscription(self, name: str) -> Subscription:
        """Return a subscription to pull from."""
        return Subscription(self.subscriber, self.project, name)

    def following(self, topic: str, pattern: str) -> AbstractContextManager[Subscription]:
        """Subscribe to a topic for a block; ``pattern`` is a filter of Pub/Sub, or empty."""
        return pubsub.following(self.subscriber, self.project, topic, pattern)

    def settler(self) -> Settler:
        """Return what settling needs: ledger, output bucket, the topics."""
        return Settler(
            ledger=self.ledger(),
            receipts=self.bucket(self._settings.output_bucket),
            requests=self.topic(self._settings.requested_topic),
            completions=self.topic(self._settings.completed_topic),
            alignments=self.topic(self._settings.alignments_topic) if self._settings.msa_server else None,
        )
