"""Verifies as a process starts that the buckets and topics of its settings are there and may be used."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

from gcp.settings import Project
from schemas.finding import Finding, Outcome
from schemas.rights import OF_ALIGNMENTS, Right

READ = ("storage.objects.get", "storage.objects.list")
WRITE = ("storage.objects.create", "storage.objects.delete")
PUBLISH = ("pubsub.topics.publish",)
VIEWER, PUBLISHER = "roles/storage.objectViewer", "roles/pubsub.publisher"
WRITER = "the custom role of eventarc/identities.tf that writes results"
ALIGNER = "the custom role of eventarc/identities.tf that writes alignments"

logger = logging.getLogger(__name__)


class StartError(RuntimeError):
    """A bucket or a topic cannot be used. The log says which, and what to do."""


class Health(Protocol):
    """The checks of a project's parts; they raise nothing."""

    def bucket(self, name: str) -> Finding:
        """Check that a bucket exists."""

    def bucket_rights(self, name: str, rights: Sequence[str]) -> Finding:
        """Check rights on a bucket; UNKNOWN may mean the question, or the bucket."""

    def topic(self, name: str) -> Finding:
        """Check that a topic exists."""

    def topic_rights(self, name: str, rights: Sequence[str]) -> Finding:
        """Check rights on a topic; UNKNOWN may mean the question, or the topic."""


class Need(NamedTuple):
    """Rights that are needed on a bucket or topic: the field of its name, the rights, the role that has them.

    ``conditional`` rights are granted for objects of some names: asked about the bucket, IAM says no.
    """

    field: str
    rights: tuple[str, ...]
    role: str
    conditional: bool = False

    @property
    def kind(self) -> str:
        """Its kind, by its setting's name: bucket or topic."""
        return self.field.rpartition("_")[2]


class Answer(NamedTuple):
    """The finding about a need, with the name that the settings give."""

    need: Need
    name: str
    finding: Finding

    @property
    def setting(self) -> str:
        """The setting as the environment has it."""
        return f"{self.need.field.upper()}={self.name}"

    def __str__(self) -> str:
        return f"{self.setting}: {self.finding.detail or self.finding.found}"

    @property
    def remedy(self) -> str:
        """What is wrong, and what to do about it."""
        need, kind = self.need, self.need.kind
        there = f"create it, or set {need.field.upper()} to one that exists"
        if self.finding.found is Outcome.MISSING:
            return f"{self.setting}: there is no such {kind} ({self.finding.detail}): {there}"
        grant = f"grant this service account {need.role} on the {kind}"
        if kind == "topic":  # Pub/Sub grants nothing on a topic that is not there, and says no more
            grant += f"; if there is no such topic, {there}"
        return f"{self.setting}: this service account lacks rights ({self.finding.detail}): {grant}"


NEEDS: Mapping[Right, tuple[Need, ...]] = {
    Right.READ_INPUTS: (Need("input_bucket", READ, VIEWER),),
    Right.READ_RESULTS: (Need("output_bucket", READ, VIEWER),),
    Right.WRITE_RECEIPTS: (Need("output_bucket", WRITE, WRITER, conditional=True),),
    Right.WRITE_RESULTS: (Need("output_bucket", READ + WRITE, WRITER),),
    Right.PUBLISH: tuple(Need(f"{of}_topic", PUBLISH, PUBLISHER) for of in ("requested", "completed")),
    Right.TELL_OF_FILES: (Need("arrived_topic", PUBLISH, PUBLISHER),),
    Right.READ_ALIGNMENTS: (Need("alignments_bucket", READ, VIEWER),),
    Right.WRITE_ALIGNMENTS: (Need("alignments_bucket", WRITE, ALIGNER),),
    Right.ASK_FOR_ALIGNMENTS: (Need("alignments_topic", PUBLISH, PUBLISHER),),
}
"""What eventarc/identities.tf grants, as far as IAM can be asked about it."""


def verify(health: Health, settings: Project, rights: Iterable[Right]) -> None:
    """Check all that these rights are needed for, at once; a service that does not answer passes.

    Without an MSA server there is nothing of alignments to check. Raises StartError, after a line in the log
    that says what to do, where something is missing or refused.
    """
    asked = set(rights) if settings.msa_server else set(rights) - OF_ALIGNMENTS
    needs = [need for right in sorted(asked) for need in NEEDS[right]]
    pool = ThreadPoolExecutor(max(1, len(needs)))
    try:
        answers = list(pool.map(lambda need: _answer(health, need, getattr(settings, need.field)), needs))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # who is asked to leave waits for nobody's answer
    _log(answers)
    wrong = dict.fromkeys(
        each.remedy for each in answers if each.finding.found in {Outcome.MISSING, Outcome.REFUSED}
    )
    if wrong:
        logger.critical("%s", "; ".join(wrong), extra={"action": "start.refused"})
        raise StartError("; ".join(wrong))


def _answer(health: Health, need: Need, name: str) -> Answer:
    """Check rights; where they cannot be asked, check that the thing exists."""
    bucket = need.kind == "bucket"
    finding = (health.bucket_rights if bucket else health.topic_rights)(name, need.rights)
    if finding.found is Outcome.UNKNOWN:
        look = (health.bucket if bucket else health.topic)(name)
        finding = look if look.found in {Outcome.MISSING, Outcome.SILENT} else finding
    if finding.found is Outcome.REFUSED and need.conditional:
        finding = Finding(Outcome.OK)
    return Answer(need, name, finding)


def _log(answers: Sequence[Answer]) -> None:
    """Log the checks without an answer; they stop nothing."""
    silent, unknown = (
        "; ".join(dict.fromkeys(str(each) for each in answers if each.finding.found is found))
        for found in (Outcome.SILENT, Outcome.UNKNOWN)
    )
    if silent:
        logger.warning("no answer, going on: %s", silent, extra={"action": "start.unanswered"})
    if unknown:
        logger.info("rights not asked, going on: %s", unknown, extra={"action": "start.unasked"})
