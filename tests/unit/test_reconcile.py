import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from support.fakes import NOW, MemoryBucket, MemoryLedger, MemoryTopic
from support.waking import deliver

from functions import reconcile
from functions.intake import Intake
from functions.reconcile import AT_ONCE, BATCH, LETTERS, Comparison, ComparisonError, first_letter
from inputs.examine import Rules
from jobs import lifecycle
from jobs.settle import Settler
from schemas.failure import Code
from schemas.job import Job, Source, State, job_id
from schemas.storage import Look, StorageUnavailableError

VALID = b"sequences:\n  - protein: {id: A, sequence: NLYIQWLKDGGPSSGRPPPS, msa: empty}\n"
HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)


@dataclass
class House:
    """A comparison and everything that it reaches, in memory."""

    uploads: MemoryBucket = field(default_factory=lambda: MemoryBucket("in", uploaded_at=HOUR_AGO))
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    receipts: MemoryBucket = field(default_factory=lambda: MemoryBucket("out"))
    requests: MemoryTopic = field(default_factory=MemoryTopic)
    arrivals: MemoryTopic = field(default_factory=MemoryTopic)
    most: int = 1000

    @property
    def intake(self) -> Intake:
        settler = Settler(self.ledger, self.receipts, self.requests, MemoryTopic())
        return Intake(self.uploads, self.ledger, settler, self.arrivals, Rules())

    def compare(self) -> None:
        after, within = timedelta(minutes=5), timedelta(days=2)
        Comparison(self.uploads, self.ledger, self.intake, after, within, self.most).run()
        deliver(self.arrivals, self.intake)

    def taken_in(self) -> list[str]:
        return sorted(job.source.name for job in self.ledger.all())


def test_what_no_event_brought_is_taken_in_once_and_what_is_known_stays() -> None:
    house = House()
    for name in ("known.yaml", "lost.yaml", "letter.txt", "msa.a3m", ".hidden", "folder/"):
        house.uploads.put(name, VALID)
    [known] = [source for source in house.uploads.listed() if source.name == "known.yaml"]
    house.intake.on_upload(known)
    writes = house.ledger.writes
    house.compare()
    assert house.taken_in() == ["known.yaml", "letter.txt", "lost.yaml"]
    assert len(house.requests.messages) == 2
    assert house.ledger.writes > writes
    writes = house.ledger.writes
    house.compare()
    assert house.ledger.writes == writes


@pytest.mark.parametrize("age", [timedelta(minutes=1), timedelta(days=3)])
def test_what_is_too_young_or_too_old_is_left_alone(age: timedelta) -> None:
    house = House(MemoryBucket("in", uploaded_at=datetime.now(UTC) - age))
    house.uploads.put("foo.yaml", VALID)
    house.compare()
    assert not house.ledger.documents


def test_an_input_whose_alignment_came_without_an_event_goes_on() -> None:
    house = House()
    house.uploads.put("foo.yaml", VALID.replace(b"empty", b"foo.a3m"))
    house.compare()
    assert house.ledger.only().state is State.WAITING
    house.uploads.put("foo.a3m", b">q\nNLYIQWLKDGGPSSGRPPPS\n")
    house.compare()
    assert house.ledger.only().state is State.QUEUED


DAY_AGO = datetime.now(UTC) - lifecycle.WAIT - timedelta(minutes=1)
MSA = b">q\nNLYIQWLKDGGPSSGRPPPS\n"


def waiting(house: House, name: str, since: datetime = HOUR_AGO) -> Job:
    """Have an input wait for a file of its own name, since a time."""
    house.uploads.put(f"{name}.yaml", VALID.replace(b"empty", f"{name}.a3m".encode()))
    source = house.uploads.source(f"{name}.yaml")
    assert source is not None
    house.intake.on_upload(source)
    job = house.ledger.get(job_id(source.bucket, source.name, source.generation))
    assert job is not None
    return house.ledger.replace(job.evolve(wait_until=since + lifecycle.WAIT))


def states(house: House) -> dict[str, State]:
    return {job.source.name.removesuffix(".yaml"): job.state for job in house.ledger.all()}


def test_however_many_wait_for_what_never_comes_the_others_go_on() -> None:
    house = House(ledger=MemoryLedger(page=2))
    names = [f"{number}" for number in range(25)]
    for name in names:
        waiting(house, name)
    for name in names[::5]:
        house.uploads.put(f"{name}.a3m", MSA)
    house.compare()
    assert states(house) == {name: State.WAITING if int(name) % 5 else State.QUEUED for name in names}


def test_one_whose_time_is_up_is_rejected_unless_its_file_is_there() -> None:
    house = House()
    for name in ("late", "there", "in time"):
        waiting(house, name, HOUR_AGO if name == "in time" else DAY_AGO)
    house.uploads.put("there.a3m", MSA)
    for _ in range(2):
        house.compare()
    assert states(house) == {"late": State.REJECTED, "there": State.QUEUED, "in time": State.WAITING}
    [rejected] = [job for job in house.ledger.all() if job.state is State.REJECTED]
    assert (rejected.errors[0].code, rejected.pending) == (Code.MISSING_REFERENCE, ())
    assert "late.a3m" in rejected.errors[0].message
    assert len(house.receipts.objects) == 1


class ComingBucket(MemoryBucket):
    """A file comes between the first look for it and the second."""

    def look(self, name: str, most: int) -> Look | None:
        found = super().look(name, most)
        if name == "a.a3m":
            self.put(name, MSA)
        return found


def test_one_whose_file_came_a_moment_ago_is_not_rejected() -> None:
    before = House()
    job = waiting(before, "a", DAY_AGO)
    house = House(ComingBucket("in", uploaded_at=HOUR_AGO, objects=before.uploads.objects), before.ledger)
    house.compare()
    assert house.ledger.get(job.job_id) == job
    house.compare()
    assert states(house) == {"a": State.QUEUED}


class CountingBucket(MemoryBucket):
    looks = 0

    def look(self, name: str, most: int) -> Look | None:
        self.looks += 1
        return super().look(name, most)


def test_a_file_that_many_wait_for_is_looked_for_a_few_times_and_told_of_once() -> None:
    house = House(CountingBucket("in", uploaded_at=HOUR_AGO))
    for number in range(100):
        house.uploads.put(f"{number}.yaml", VALID.replace(b"empty", b"one.a3m"))
    house.compare()
    assert isinstance(house.uploads, CountingBucket)
    house.uploads.looks = 0
    house.compare()
    assert house.uploads.looks <= AT_ONCE
    house.uploads.put("one.a3m", MSA)
    Comparison(house.uploads, house.ledger, house.intake, timedelta(), timedelta(), 0).run()
    assert len(house.arrivals.messages) == 1


def test_a_bucket_of_more_than_a_batch_is_compared_whole_up_to_the_limit(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(most=BATCH + 5)
    for number in range(BATCH + 7):
        house.uploads.put(f"{number:04}.txt", b"")
    monkeypatch.setattr(reconcile, "first_letter", lambda _: "!")
    house.compare()
    assert house.taken_in() == [f"{number:04}.txt" for number in range(BATCH + 5)]
    assert "COMPARE_MOST" in caplog.text
    monkeypatch.setattr(reconcile, "first_letter", lambda _: f"{BATCH + 6:04}")
    house.compare()
    assert len(house.taken_in()) == BATCH + 6


def test_passes_begin_at_each_letter_and_far_from_each_other() -> None:
    firsts = [first_letter(NOW + timedelta(hours=hour)) for hour in range(len(LETTERS))]
    assert set(firsts) == set(LETTERS)
    assert set("!09AZaz~") <= set(LETTERS)
    day = sorted(LETTERS.index(first) for first in firsts[:24])
    assert max(later - earlier for earlier, later in itertools.pairwise(day)) <= len(LETTERS) // 10


class TroubledBucket(MemoryBucket):
    """Cannot read one of its objects."""

    def read(self, name: str, generation: int | None, limit: int) -> bytes:
        if name == "a.yaml":
            raise StorageUnavailableError(name)
        return super().read(name, generation, limit)


def test_one_that_cannot_be_taken_in_does_not_keep_the_others() -> None:
    house = House(TroubledBucket("in", uploaded_at=HOUR_AGO))
    for name in ("a.yaml", "b.yaml"):
        house.uploads.put(name, VALID)
    with pytest.raises(ComparisonError, match="1 uploads"):
        house.compare()
    assert house.taken_in() == ["b.yaml"]


class VanishingBucket(MemoryBucket):
    """Lists what is overwritten a moment later."""

    def listed_from(self, name: str) -> Iterator[Source]:
        yield from list(super().listed_from(name))
        self.put("foo.yaml", VALID, generation=8)


def test_what_is_overwritten_after_it_was_listed_is_superseded() -> None:
    house = House(VanishingBucket("in", uploaded_at=HOUR_AGO))
    house.uploads.put("foo.yaml", VALID)
    house.compare()
    assert house.ledger.only().state is State.SUPERSEDED
