from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from fakes import MemoryBucket, MemoryLedger, MemoryTopic

from functions.compare import BATCH, Comparison, ComparisonError
from functions.intake import Intake
from jobs.objects import StorageUnavailableError
from jobs.settle import Settler
from schemas.job import Source, State
from schemas.options import Options

VALID = b"sequences:\n  - protein: {id: A, sequence: NLYIQWLKDGGPSSGRPPPS, msa: empty}\n"
HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)


@dataclass
class House:
    """A comparison and everything that it reaches, in memory."""

    uploads: MemoryBucket = field(default_factory=lambda: MemoryBucket("in", uploaded_at=HOUR_AGO))
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    receipts: MemoryBucket = field(default_factory=lambda: MemoryBucket("out"))
    requests: MemoryTopic = field(default_factory=MemoryTopic)
    most: int = 1000

    @property
    def intake(self) -> Intake:
        settler = Settler(self.ledger, self.receipts, self.requests, MemoryTopic())
        return Intake(self.uploads, self.ledger, settler, Options(), msa_service=False)

    def compare(self) -> None:
        after, within = timedelta(minutes=5), timedelta(days=2)
        Comparison(self.uploads, self.ledger, self.intake, after, within, self.most).run()

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


def test_a_bucket_of_more_than_a_batch_is_compared_whole_up_to_the_limit(
    caplog: pytest.LogCaptureFixture,
) -> None:
    house = House(most=BATCH + 5)
    for number in range(BATCH + 7):
        house.uploads.put(f"{number:04}.txt", b"")
    house.compare()
    assert house.taken_in() == [f"{number:04}.txt" for number in range(BATCH + 5)]
    assert "COMPARE_MOST" in caplog.text


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

    def listed(self, prefix: str = "") -> Iterator[Source]:
        yield from list(super().listed(prefix))
        self.put("foo.yaml", VALID, generation=8)


def test_what_is_overwritten_after_it_was_listed_is_superseded() -> None:
    house = House(VanishingBucket("in", uploaded_at=HOUR_AGO))
    house.uploads.put("foo.yaml", VALID)
    house.compare()
    assert house.ledger.only().state is State.SUPERSEDED
