"""Where Google's clients go, as settings say."""

import pytest
from google.auth.credentials import AnonymousCredentials

from gcp.clients import Clients
from gcp.settings import Project


@pytest.mark.parametrize(
    ("endpoint", "asked"),
    [
        ("us-central1-pubsub.googleapis.com:443", "us-central1-pubsub.googleapis.com:443"),
        ("", "pubsub.googleapis.com:443"),
    ],
)
def test_messages_are_pulled_where_the_settings_say(
    endpoint: str, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)
    monkeypatch.setattr("google.auth.default", lambda *_, **__: (AnonymousCredentials(), "p"))
    settings = Project(
        google_cloud_project="p", input_bucket="in", output_bucket="out", pubsub_endpoint=endpoint
    )
    subscriber = Clients(settings).subscriber
    assert subscriber.target == asked
    subscriber.close()
