"""What is said, and what stops, where buckets and topics are not as the settings have them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Barrier

import pytest
from support.patience import HANG

from functions.rights import RIGHTS
from functions.settings import IntakeSettings
from gcp.startup import NEEDS, StartError, verify
from schemas.finding import Finding, Outcome
from schemas.rights import Right
from worker.settings import RIGHTS as WORKER

CREATE = "storage.objects.create"
OUT_MISSING = (
    "OUTPUT_BUCKET=out: there is no such bucket (looked for out): "
    "create it, or set OUTPUT_BUCKET to one that exists"
)
OUT_REFUSED = (
    "OUTPUT_BUCKET=out: this service account lacks rights (rights on out): grant this service account"
)
TOPIC_REFUSED = (
    "REQUESTED_TOPIC=predictions-requested: this service account lacks rights "
    "(rights on predictions-requested): grant this service account roles/pubsub.publisher "
    "on the topic; if there is no such topic, create it, or set REQUESTED_TOPIC to one that exists"
)


@dataclass
class Parts:
    """Implements gcp.startup.Health: all is well but what is named, as ``out`` or ``rights on out``."""

    wrong: dict[str, Outcome] = field(default_factory=dict)
    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    def look(self, name: str) -> Finding:
        return Finding(self.wrong.get(name, Outcome.OK), name)

    def bucket(self, name: str) -> Finding:
        return self.look(name)._replace(detail=f"looked for {name}")

    def bucket_rights(self, name: str, rights: Sequence[str]) -> Finding:
        self.asked.append((name, tuple(rights)))
        return self.look(f"rights on {name}")

    topic, topic_rights = bucket, bucket_rights


@pytest.fixture
def settings() -> IntakeSettings:
    return IntakeSettings(google_cloud_project="p", input_bucket="in", output_bucket="out")


@pytest.fixture
def aligning() -> IntakeSettings:
    return IntakeSettings(
        google_cloud_project="p",
        input_bucket="in",
        output_bucket="out",
        msa_server_url="https://msa.example.com",
        alignments_bucket="alignments",
    )


def missing(*names: str) -> Parts:
    """Return parts of which some are not there, so that nobody knows of rights on them."""
    return Parts(
        {**dict.fromkeys(names, Outcome.MISSING), **{f"rights on {name}": Outcome.UNKNOWN for name in names}}
    )


def test_where_all_is_well_nothing_is_said(
    settings: IntakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    parts = Parts()
    verify(parts, settings, RIGHTS["on_upload"])
    assert {name for name, _ in parts.asked} == {
        "in",
        "out",
        "predictions-requested",
        "predictions-completed",
        "references-arrived",
    }
    assert all(rights for _, rights in parts.asked)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        (missing("out"), OUT_MISSING),
        (Parts({"rights on out": Outcome.REFUSED}), OUT_REFUSED),
        (Parts({"rights on predictions-requested": Outcome.REFUSED}), TOPIC_REFUSED),
        (missing("predictions-completed"), "COMPLETED_TOPIC=predictions-completed: there is no such topic ("),
    ],
)
def test_what_is_missing_or_refused_stops_the_start_with_one_line_that_says_what_to_do(
    settings: IntakeSettings, caplog: pytest.LogCaptureFixture, parts: Parts, says: str
) -> None:
    with pytest.raises(StartError):
        verify(parts, settings, WORKER)
    [line] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert (line.levelname, getattr(line, "action", None)) == ("CRITICAL", "start.refused")
    assert says in line.getMessage()
    assert "\n" not in line.getMessage()


def test_all_that_is_wrong_is_said_at_once_and_each_thing_once(
    settings: IntakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(StartError) as raised:
        verify(missing("out", "predictions-requested"), settings, RIGHTS["on_sweep"])
    assert str(raised.value).count("OUTPUT_BUCKET=out") == 1  # two rights on it
    assert str(raised.value).count("REQUESTED_TOPIC=predictions-requested") == 1
    assert len([record for record in caplog.records if record.levelname == "CRITICAL"]) == 1


def test_rights_on_objects_of_some_names_are_not_missed_on_the_bucket(settings: IntakeSettings) -> None:
    """IAM answers about the bucket itself, whose name ends as no receipt's does."""
    verify(Parts({"rights on out": Outcome.REFUSED}), settings, RIGHTS["on_upload"])
    with pytest.raises(StartError, match="OUTPUT_BUCKET=out: there is no such bucket"):
        verify(missing("out"), settings, RIGHTS["on_upload"])


@pytest.mark.parametrize(
    ("found", "level", "action"),
    [
        (Outcome.SILENT, "WARNING", "start.unanswered"),
        (Outcome.UNKNOWN, "INFO", "start.unasked"),
    ],
)
def test_what_nobody_can_say_stops_nothing(
    settings: IntakeSettings, caplog: pytest.LogCaptureFixture, found: Outcome, level: str, action: str
) -> None:
    caplog.set_level(logging.INFO)
    verify(Parts({"rights on out": found}), settings, WORKER)
    [line] = caplog.records
    assert (line.levelname, getattr(line, "action", None)) == (level, action)
    assert "OUTPUT_BUCKET=out" in line.getMessage()


def test_a_bucket_that_may_not_be_listed_where_nobody_knows_rights_is_there(settings: IntakeSettings) -> None:
    verify(Parts({"rights on out": Outcome.UNKNOWN, "out": Outcome.REFUSED}), settings, WORKER)


def test_alignments_are_asked_about_where_there_is_an_msa_server_alone(
    settings: IntakeSettings, aligning: IntakeSettings
) -> None:
    without, with_one = Parts(), Parts()
    verify(without, settings, RIGHTS["on_align"])
    verify(with_one, aligning, RIGHTS["on_align"])
    more = [asked for asked in with_one.asked if asked not in without.asked]
    assert {name for name, _ in more} == {"alignments", "alignments-requested"}
    assert any(CREATE in rights for name, rights in more if name == "alignments")


@pytest.mark.parametrize("component", ["on_upload", "on_align"])
def test_a_bucket_of_alignments_that_is_missing_stops_the_start(
    aligning: IntakeSettings, component: str
) -> None:
    with pytest.raises(StartError, match="ALIGNMENTS_BUCKET=alignments: there is no such bucket"):
        verify(missing("alignments"), aligning, RIGHTS[component])


def test_all_are_asked_at_once(aligning: IntakeSettings) -> None:
    together = Barrier(sum(len(NEEDS[right]) for right in WORKER))

    class Meeting(Parts):
        """Answers when all have been asked."""

        def look(self, name: str) -> Finding:
            together.wait(HANG)
            return super().look(name)

    verify(Meeting(), aligning, WORKER)


def test_a_component_that_has_none_of_these_rights_is_asked_for_nothing(settings: IntakeSettings) -> None:
    verify(Parts(dict.fromkeys(["rights on in", "in"], Outcome.MISSING)), settings, [])


def test_a_worker_may_create_what_it_writes(settings: IntakeSettings) -> None:
    parts = Parts()
    verify(parts, settings, [Right.WRITE_RESULTS])
    [(name, rights)] = parts.asked
    assert name == "out"
    assert CREATE in rights
