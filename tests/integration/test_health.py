"""Looks at parts of a project: emulators that lack some questions, nobody, and an API of quotas."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from google.cloud import pubsub_v1, storage
from support.http_server import Quiet, answered_by

from gcp.clients import Clients
from gcp.project_health import ProjectHealth
from gcp.settings import Project
from local import credentials
from local.processes import free_ports
from schemas.finding import Outcome

QUOTA, REGION = "NvidiaL4GpuAllocNoZonalRedundancyPerProjectRegion", "us-central1"


@pytest.fixture
def health(project: str) -> ProjectHealth:
    return ProjectHealth(
        Clients(Project(google_cloud_project=project, input_bucket="in", output_bucket="out"))
    )


@pytest.fixture
def key(project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have credentials that open nothing, and return whose they are."""
    credentials.write_key(tmp_path / "key.json", project)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    return f"local@{project}.iam.gserviceaccount.com"


def test_what_is_there_is_found_and_rights_are_not_asked_for_where_nobody_knows_them(
    health: ProjectHealth, project: str, storage_host: str, pubsub_host: str, firestore_host: str
) -> None:
    assert storage_host
    assert pubsub_host
    assert firestore_host
    storage.Client(project=project).create_bucket(project)
    publisher = pubsub_v1.PublisherClient()
    publisher.create_topic(name=publisher.topic_path(project, "mine"))
    assert health.bucket(project).found is Outcome.OK
    assert health.bucket("no-such-bucket").found is Outcome.MISSING
    assert health.bucket_rights(project, ["storage.objects.get"]).found is Outcome.UNKNOWN
    assert health.topic("mine").found is Outcome.OK
    assert health.topic("no-such-topic").found is Outcome.MISSING
    assert health.topic_rights("mine", ["pubsub.topics.publish"]).found is Outcome.UNKNOWN
    assert health.ledger().found is Outcome.OK


def test_nobody_is_told_within_seconds(
    health: ProjectHealth, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    [port] = free_ports(1)
    for variable in ("PUBSUB_EMULATOR_HOST", "FIRESTORE_EMULATOR_HOST"):
        monkeypatch.setenv(variable, f"127.0.0.1:{port}")
    nobody = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", nobody)
    looks = [
        health.bucket("in"),
        health.bucket_rights("in", ["storage.objects.get"]),
        health.topic("mine"),
        health.ledger(),
        health.worker(REGION, "job", nobody),
        health.quota(QUOTA, REGION, nobody),
    ]
    assert {look.found for look in looks} == {Outcome.SILENT}
    assert looks[0].detail == f"no connection to 127.0.0.1:{port}"
    assert health.credentials() == (Outcome.OK, f"found, {key}")


@contextmanager
def answering(status: int, answer: object) -> Iterator[str]:
    """Answer every request alike, as one of Google's APIs does; yield the address."""

    class Handler(Quiet):
        def respond(self) -> None:
            self.answer(status, json.dumps(answer).encode())

    with answered_by(Handler) as address:
        yield address


def granted(value: int, region: str = REGION) -> object:
    """Write a quota as the API does: cloud.google.com/docs/quotas/reference/rest, QuotaInfo."""
    dimension = {
        "dimensions": {"region": region},
        "details": {"value": str(value)},
        "applicableLocations": [region],
    }
    return {"quotaId": QUOTA, "service": "run.googleapis.com", "dimensionsInfos": [dimension]}


@pytest.mark.parametrize(
    ("status", "answer", "found", "detail"),
    [
        (200, granted(3), Outcome.OK, "3"),
        (200, granted(0), Outcome.REFUSED, "none in us-central1"),
        (200, granted(3, "europe-west4"), Outcome.REFUSED, "none in us-central1"),
        (404, {"error": {"code": 404, "message": "no such method"}}, Outcome.UNKNOWN, "no such method"),
        (403, {"error": {"code": 403, "message": "API is off"}}, Outcome.REFUSED, "API is off"),
    ],
)
def test_the_quota_of_a_region_is_read(
    health: ProjectHealth, key: str, status: int, answer: object, found: Outcome, detail: str
) -> None:
    assert key
    with answering(status, answer) as endpoint:
        assert health.quota(QUOTA, REGION, endpoint) == (found, detail)


@pytest.mark.parametrize(
    ("status", "answer", "found", "detail"),
    [
        (200, {"queued": 3}, Outcome.OK, "HOST answers, 3 searches queued"),
        (200, {"id": "x"}, Outcome.MISSING, "HOST answers with status 200 and no length of its queue"),
        (307, {}, Outcome.MISSING, "HOST answers with status 307 and a redirect, which is not followed"),
        (403, {}, Outcome.UNKNOWN, "HOST answers with status 403: only on_align has the credentials"),
        (404, {}, Outcome.MISSING, "HOST answers with status 404 and no length of its queue"),
        (429, {"status": "RATELIMIT"}, Outcome.UNKNOWN, "HOST answers that it is asked too often"),
        (502, {}, Outcome.SILENT, "HOST answers with status 502"),
    ],
)
def test_an_msa_server_is_asked_for_its_queue(
    health: ProjectHealth, status: int, answer: object, found: Outcome, detail: str
) -> None:
    with answering(status, answer) as url:
        look = health.msa_server(f"{url}/")
        assert look == (found, detail.replace("HOST", url.removeprefix("http://")))


def test_an_msa_server_that_is_away_is_silent_and_no_proxy_is_asked_for_it(
    health: ProjectHealth, monkeypatch: pytest.MonkeyPatch
) -> None:
    [port] = free_ports(1)
    with answering(200, {"queued": 0}) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.setenv("http_proxy", proxy)
        look = health.msa_server(f"http://127.0.0.1:{port}")
    assert look == (Outcome.SILENT, f"no connection to 127.0.0.1:{port} (ConnectionError)")


@pytest.mark.parametrize(
    ("held", "found", "detail"),
    [
        (
            ["storage.objects.get", "storage.objects.list"],
            Outcome.OK,
            "storage.objects.get storage.objects.list",
        ),
        (["storage.objects.get"], Outcome.REFUSED, "storage.objects.list"),
        ([], Outcome.REFUSED, "storage.objects.get, storage.objects.list"),
    ],
)
def test_missing_rights_are_named(
    health: ProjectHealth, monkeypatch: pytest.MonkeyPatch, held: list[str], found: Outcome, detail: str
) -> None:
    with answering(200, {"permissions": held} if held else {}) as endpoint:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", endpoint)
        assert health.bucket_rights("in", ["storage.objects.get", "storage.objects.list"]) == (found, detail)
