from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.eventarc_bridge import EVENT_TYPES, Trigger, event_headers, wanted

FINALIZED = "google.cloud.storage.object.v1.finalized"
ATTRIBUTES = {
    "eventType": "OBJECT_FINALIZE",
    "bucketId": "uploads",
    "objectId": "run42/foo.yaml",
    "objectGeneration": "7",
    "eventTime": "2026-01-02T03:04:05Z",
}
TRIGGER = Trigger(
    project="p",
    topic="gcs-events",
    bucket="uploads",
    event_types=frozenset({FINALIZED}),
    url="http://127.0.0.1/",
    dead_letter_topic="dead",
    min_backoff=1,
    max_backoff=60,
    max_delivery_attempts=10,
    ack_deadline=60,
)


def test_a_trigger_wants_its_own_bucket_and_type() -> None:
    assert wanted(TRIGGER, ATTRIBUTES)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("bucketId", "elsewhere"), ("eventType", "OBJECT_DELETE"), ("eventType", "OBJECT_UNHEARD_OF")],
)
def test_a_trigger_does_not_want_what_its_filter_excludes(attribute: str, value: str) -> None:
    assert not wanted(TRIGGER, ATTRIBUTES | {attribute: value})


@pytest.mark.parametrize("attribute", ["eventType", "bucketId", "objectId", "eventTime"])
def test_what_is_no_object_notification_is_not_wanted(attribute: str) -> None:
    assert not wanted(TRIGGER, {name: value for name, value in ATTRIBUTES.items() if name != attribute})


@pytest.mark.parametrize(("notification", "event"), EVENT_TYPES.items())
def test_each_notification_type_has_its_event_type(notification: str, event: str) -> None:
    assert event_headers("1", ATTRIBUTES | {"eventType": notification})["ce-type"] == event


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("run42/foo.yaml", "objects/run42/foo.yaml"),
        ("a b#1?&=+~.yaml", "objects/a%20b#1?&=+~.yaml"),
        ('50%"x"', "objects/50%25%22x%22"),
        ("ä\n", "objects/%C3%A4%0A"),
    ],
)
def test_the_subject_is_encoded_where_the_http_binding_asks_for_it(name: str, subject: str) -> None:
    assert event_headers("1", ATTRIBUTES | {"objectId": name})["ce-subject"] == subject


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_any_subject_is_printable_ascii_and_reads_back(name: str) -> None:
    subject = event_headers("1", ATTRIBUTES | {"objectId": name})["ce-subject"]
    assert all("!" <= character <= "~" for character in subject)
    assert unquote(subject) == f"objects/{name}"


def test_a_subscription_is_the_triggers_own() -> None:
    assert TRIGGER.subscription == "projects/p/subscriptions/eventarc-gcs-events-uploads-finalized"
