import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from support.fakes import NOW, CountingBucket, MemoryBucket, MemoryLedger, TroubledBucket
from support.inbox import Inbox
from support.inputs import INPUT, MSA, one_protein
from support.waking import deliver

from functions import reconcile
from functions.errors import ComparisonError
from functions.reconcile import AT_ONCE, BATCH, LETTERS, Comparison, first_letter
from jobs import lifecycle
from schemas.failure import Code
from schemas.job import Job, Source, State, job_id
from schemas.storage import ObjectHead, StorageUnavailableError

HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)


@dataclass
class ComparedInbox(Inbox):
    """A comparison and everything that it reaches, in memory."""

    uploads: MemoryBucket = field(default_factory=lambda: MemoryBucket("in", uploaded_at=HOUR_AGO))
    most: int = 1000

    def compare(self) -> None:
        after, within = timedelta(minutes=5), timedelta(days=2)
        Comparison(self.uploads, self.ledger, self.another_intake(), after, within, self.most).run()
        deliver(self.arrivals, self.another_intake())

    def taken_in(self) -> list[str]:
        return sorted(job.source.name for job in self.ledger.all())


def test_what_no_event_brought_is_taken_in_once_and_what_is_known_stays() -> None:
    inbox = ComparedInbox()
    for name in ("known.yaml", "lost.yaml", "letter.txt", "msa.a3m", ".hidden", "folder/"):
        inbox.uploads.put(name, INPUT)
    [known] = [source for source in inbox.uploads.listed() if source.name == "known.yaml"]
    inbox.intake.on_upload(known)
    writes = inbox.ledger.writes
    inbox.compare()
    assert inbox.taken_in() == ["known.yaml", "letter.txt", "lost.yaml"]
    assert len(inbox.requests.messages) == 2
    assert inbox.ledger.writes > writes
    writes = inbox.ledger.writes
    inbox.compare()
    assert inbox.ledger.writes == writes


@pytest.mark.parametrize("age", [timedelta(minutes=1), timedelta(days=3)])
def test_what_is_too_young_or_too_old_is_left_alone(age: timedelta) -> None:
    inbox = ComparedInbox(uploads=MemoryBucket("in", uploaded_at=datetime.now(UTC) - age))
    inbox.uploads.put("foo.yaml", INPUT)
    inbox.compare()
    assert not inbox.ledger.documents


def test_an_input_whose_alignment_came_without_an_event_goes_on() -> None:
    inbox = ComparedInbox()
    inbox.uploads.put("foo.yaml", one_protein(msa="foo.a3m").encode())
    inbox.compare()
    assert inbox.ledger.only().state is State.WAITING
    inbox.uploads.put("foo.a3m", MSA)
    inbox.compare()
    assert inbox.ledger.only().state is State.QUEUED


DAY_AGO = datetime.now(UTC) - lifecycle.WAIT_LIMIT - timedelta(minutes=1)


def waiting(inbox: ComparedInbox, name: str, since: datetime = HOUR_AGO) -> Job:
    """Have an input wait for a file of its own name, since a time."""
    inbox.uploads.put(f"{name}.yaml", one_protein(msa=f"{name}.a3m").encode())
    source = inbox.uploads.source(f"{name}.yaml")
    assert source is not None
    inbox.intake.on_upload(source)
    job = inbox.ledger.get(job_id(source.bucket, source.name, source.generation))
    assert job is not None
    return inbox.ledger.replace(job.evolve(wait_until=since + lifecycle.WAIT_LIMIT))


def states(inbox: ComparedInbox) -> dict[str, State]:
    return {job.source.name.removesuffix(".yaml"): job.state for job in inbox.ledger.all()}


def test_however_many_wait_for_what_never_comes_the_others_go_on() -> None:
    inbox = ComparedInbox(ledger=MemoryLedger(page=2))
    names = [f"{number}" for number in range(25)]
    for name in names:
        waiting(inbox, name)
    for name in names[::5]:
        inbox.uploads.put(f"{name}.a3m", MSA)
    inbox.compare()
    assert states(inbox) == {name: State.WAITING if int(name) % 5 else State.QUEUED for name in names}


def test_one_whose_time_is_up_is_rejected_unless_its_file_is_there() -> None:
    inbox = ComparedInbox()
    for name in ("late", "there", "in time"):
        waiting(inbox, name, HOUR_AGO if name == "in time" else DAY_AGO)
    inbox.uploads.put("there.a3m", MSA)
    for _ in range(2):
        inbox.compare()
    assert states(inbox) == {"late": State.REJECTED, "there": State.QUEUED, "in time": State.WAITING}
    [rejected] = [job for job in inbox.ledger.all() if job.state is State.REJECTED]
    assert (rejected.errors[0].code, rejected.pending) == (Code.MISSING_REFERENCE, ())
    assert "late.a3m" in rejected.errors[0].message
    assert len(inbox.results.objects) == 1


class ComingBucket(MemoryBucket):
    """A file comes between the first look for it and the second."""

    def head(self, name: str, most: int) -> ObjectHead | None:
        found = super().head(name, most)
        if name == "a.a3m":
            self.put(name, MSA)
        return found


def test_one_whose_file_came_a_moment_ago_is_not_rejected() -> None:
    before = ComparedInbox()
    job = waiting(before, "a", DAY_AGO)
    coming = ComingBucket("in", uploaded_at=HOUR_AGO, objects=before.uploads.objects)
    inbox = ComparedInbox(before.ledger, uploads=coming)
    inbox.compare()
    assert inbox.ledger.get(job.job_id) == job
    inbox.compare()
    assert states(inbox) == {"a": State.QUEUED}


def test_a_file_that_many_wait_for_is_looked_for_a_few_times_and_told_of_once() -> None:
    bucket = CountingBucket("in", uploaded_at=HOUR_AGO)
    inbox = ComparedInbox(uploads=bucket)
    for number in range(100):
        inbox.uploads.put(f"{number}.yaml", one_protein(msa="one.a3m").encode())
    inbox.compare()
    bucket.looks = 0
    inbox.compare()
    assert bucket.looks <= AT_ONCE
    inbox.uploads.put("one.a3m", MSA)
    Comparison(inbox.uploads, inbox.ledger, inbox.another_intake(), timedelta(), timedelta(), 0).run()
    assert len(inbox.arrivals.messages) == 1


def test_a_bucket_of_more_than_a_batch_is_compared_whole_up_to_the_limit(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = ComparedInbox(most=BATCH + 5)
    for number in range(BATCH + 7):
        inbox.uploads.put(f"{number:04}.txt", b"")
    monkeypatch.setattr(reconcile, "first_letter", lambda _: "!")
    inbox.compare()
    assert inbox.taken_in() == [f"{number:04}.txt" for number in range(BATCH + 5)]
    assert "COMPARE_MOST" in caplog.text
    monkeypatch.setattr(reconcile, "first_letter", lambda _: f"{BATCH + 6:04}")
    inbox.compare()
    assert len(inbox.taken_in()) == BATCH + 6


def test_passes_begin_at_each_letter_and_far_from_each_other() -> None:
    firsts = [first_letter(NOW + timedelta(hours=hour)) for hour in range(len(LETTERS))]
    assert set(firsts) == set(LETTERS)
    assert set("!09AZaz~") <= set(LETTERS)
    day = sorted(LETTERS.index(first) for first in firsts[:24])
    assert max(later - earlier for earlier, later in itertools.pairwise(day)) <= len(LETTERS) // 10


def test_one_that_cannot_be_taken_in_does_not_keep_the_others() -> None:
    troubles = {"a.yaml": StorageUnavailableError("a.yaml")}
    inbox = ComparedInbox(uploads=TroubledBucket("in", uploaded_at=HOUR_AGO, unreadable=troubles))
    for name in ("a.yaml", "b.yaml"):
        inbox.uploads.put(name, INPUT)
    with pytest.raises(ComparisonError, match="1 uploads"):
        inbox.compare()
    assert inbox.taken_in() == ["b.yaml"]


class VanishingBucket(MemoryBucket):
    """Lists what is overwritten a moment later."""

    def listed_from(self, name: str) -> Iterator[Source]:
        yield from list(super().listed_from(name))
        self.put("foo.yaml", INPUT, generation=8)


def test_what_is_overwritten_after_it_was_listed_is_superseded() -> None:
    inbox = ComparedInbox(uploads=VanishingBucket("in", uploaded_at=HOUR_AGO))
    inbox.uploads.put("foo.yaml", INPUT)
    inbox.compare()
    assert inbox.ledger.only().state is State.SUPERSEDED
