"""The page of a folder against the emulators: events of a real topic, objects, the ledger's count."""

from collections.abc import Sequence

import pytest
from google.cloud import firestore, pubsub_v1, storage
from google.cloud.exceptions import NotFound
from support.fakes import a_job, a_source
from support.patience import until
from support.receipts import an_end, written

from functions.folder_page import rows
from functions.folder_page.refresh import Pages
from gcp.ledger import FirestoreLedger
from gcp.pubsub import Subscription, Topic
from gcp.storage import Bucket
from schemas.job import Job, State
from schemas.messages import PredictionCompleted

POLL_SECONDS = 0.5


class Site:
    """Topic, subscription, bucket and ledger of a project of its own."""

    def __init__(self, project: str) -> None:
        self.project = project
        self.publisher, self.subscriber = pubsub_v1.PublisherClient(), pubsub_v1.SubscriberClient()
        topic = self.publisher.topic_path(project, "ends")
        self.publisher.create_topic(name=topic)
        self.subscriber.create_subscription(
            name=self.subscriber.subscription_path(project, "pages"), topic=topic
        )
        self.topic = Topic(self.publisher, project, "ends")
        self.objects = storage.Client(project=project).create_bucket(f"{project}-out")
        self.results = Bucket(storage.Client(project=project), f"{project}-out")
        self.ledger = FirestoreLedger(firestore.Client(project=project))

    def ended(self, *jobs: Job) -> None:
        for job in jobs:
            name, body = written(job)
            self.results.create(name, body, "application/json")
            self.topic.publish(PredictionCompleted.of(job, self.results.name).encode())

    def refresh(self, seconds: float = 60) -> None:
        events = Subscription(self.subscriber, self.project, "pages")
        Pages(events, self.results, self.ledger, POLL_SECONDS, seconds).refresh()

    def refresh_until(self, folder: str, count: int) -> Sequence[rows.Row]:
        """Refresh until a folder has so many rows: an event may come later than one pass looks for it."""

        def whole() -> Sequence[rows.Row]:
            self.refresh()
            found = self.rows(folder)
            return found if len(found) >= count else ()

        return until(whole, lambda: self.rows(folder))

    def rows(self, folder: str) -> list[rows.Row]:
        try:
            return rows.decode(self.objects.blob(f"{folder}summary.csv").download_as_bytes())
        except NotFound:
            return []


@pytest.fixture
def site(storage_host: str, firestore_host: str, pubsub_host: str, project: str) -> Site:
    assert storage_host
    assert firestore_host
    assert pubsub_host
    return Site(project)


def test_what_ends_is_on_its_folder_s_page_once_and_is_not_told_of_again(site: Site) -> None:
    site.ledger.create(a_job(job_id="9" * 16, source=a_source("run42/ä/later.yaml")))
    site.ended(*(an_end(f"run42/ä {number}.yaml") for number in range(20)), an_end("other/x.yaml"))
    assert [row.state for row in site.refresh_until("run42/", 20)] == [State.SUCCEEDED] * 20
    html = site.objects.blob("run42/index.html").download_as_text()
    assert "<b>20</b> ended, <b>1</b> to come" in html
    made = site.results.generation("run42/index.html")
    site.refresh()
    assert site.results.generation("run42/index.html") == made
    site.ended(an_end("run42/new.yaml", State.FAILED))
    found = site.refresh_until("run42/", 21)
    assert (len(found), found[0].name) == (21, "run42/new.yaml")


def test_what_a_pass_has_no_time_for_is_told_of_again(site: Site) -> None:
    site.ended(an_end("run42/a.yaml"))
    site.refresh(seconds=0)
    assert site.results.generation("run42/summary.csv") is None
    assert len(site.refresh_until("run42/", 1)) == 1
