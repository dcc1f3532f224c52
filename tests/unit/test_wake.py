"""A file lets all jobs go on that wait for it: many at a time, in as many calls as it takes."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from support.fakes import NOW, CountingBucket, MemoryBucket, MemoryLedger, MemoryTopic, TroubledBucket
from support.inbox import Inbox
from support.inputs import MSA, one_protein
from support.patience import HANG
from support.waking import deliver

from functions.errors import WakeError
from functions.wake import AT_ONCE, Wake
from schemas.job import Job, State
from schemas.messages import CapacityWanted, Message, ReferenceArrived

INPUT = one_protein(msa="one.a3m").encode()
NAME = "run/one.a3m"
BATCH = 20
"""Jobs that a call begins with in any case, here."""


def waiting(count: int, inbox: Inbox | None = None) -> Inbox:
    """Have so many inputs wait for one file, which is there, and of which nobody has told yet."""
    inbox = inbox or Inbox()
    for number in range(count):
        inbox.drop(f"run/{number}.yaml", INPUT)
    inbox.put(NAME, MSA)
    return inbox


def states(inbox: Inbox) -> list[State]:
    return [job.state for job in inbox.ledger.all()]


def test_a_file_that_nobody_waits_for_is_not_told_of() -> None:
    inbox = Inbox()
    inbox.intake.tell(NAME)
    assert not inbox.arrivals.messages


def test_what_a_call_has_no_time_for_the_next_ones_have() -> None:
    inbox = waiting(3 * BATCH + 1, Inbox(ledger=MemoryLedger(page=7)))
    inbox.intake.tell(NAME)
    assert deliver(inbox.arrivals, inbox.intake, seconds=0, batch=BATCH) == 4
    assert states(inbox) == [State.QUEUED] * (3 * BATCH + 1)
    assert len(inbox.requests.messages) == 3 * BATCH + 1


def test_a_call_that_has_time_needs_no_other() -> None:
    inbox = waiting(3 * BATCH + 1)
    inbox.intake.tell(NAME)
    assert deliver(inbox.arrivals, inbox.intake, batch=BATCH) == 1
    assert states(inbox) == [State.QUEUED] * (3 * BATCH + 1)


def test_a_message_that_comes_twice_wakes_nobody_twice() -> None:
    inbox = waiting(3)
    inbox.intake.tell(NAME)
    inbox.intake.tell(NAME)
    assert deliver(inbox.arrivals, inbox.intake) == 2
    assert len(inbox.requests.messages) == 3


@dataclass
class MeetingBucket(MemoryBucket):
    """Reads inputs only when as many are being read as may go on at a time."""

    meeting: threading.Barrier = field(default_factory=lambda: threading.Barrier(AT_ONCE))
    opened: bool = False

    def read(self, name: str, generation: int | None, limit: int) -> bytes:
        if self.opened:
            self.meeting.wait(HANG)
        return super().read(name, generation, limit)


def test_many_go_on_at_a_time() -> None:
    bucket = MeetingBucket("in")
    inbox = waiting(2 * AT_ONCE, Inbox(uploads=bucket))
    bucket.opened = True
    inbox.intake.tell(NAME)
    deliver(inbox.arrivals, inbox.intake)
    assert set(states(inbox)) == {State.QUEUED}


def test_the_file_is_looked_at_for_all_who_go_on_at_a_time_and_not_for_each() -> None:
    bucket = CountingBucket("in")
    inbox = waiting(4 * AT_ONCE, Inbox(uploads=bucket))
    bucket.looks = 0
    inbox.intake.tell(NAME)
    deliver(inbox.arrivals, inbox.intake)
    assert bucket.looks <= 2 * AT_ONCE


class ListedLedger(MemoryLedger):
    listed = 0

    def waiting_for(self, name: str, after: str = "") -> Iterator[Job]:
        for job in super().waiting_for(name, after):
            self.listed += 1
            yield job


def test_a_file_that_is_gone_again_wakes_nobody_and_costs_a_look() -> None:
    ledger = ListedLedger()
    inbox = waiting(2 * BATCH, Inbox(ledger=ledger))
    inbox.intake.tell(NAME)
    del inbox.uploads.objects[NAME]
    assert deliver(inbox.arrivals, inbox.intake, seconds=0, batch=BATCH) == 1
    assert set(states(inbox)) == {State.WAITING}
    assert ledger.listed == 0


def test_one_that_cannot_go_on_keeps_no_other_and_no_call_from_what_comes_behind_it() -> None:
    bucket = TroubledBucket("in")
    inbox = waiting(3 * BATCH, Inbox(uploads=bucket))
    bucket.unreadable = {"run/0.yaml": ConnectionError()}
    inbox.intake.tell(NAME)
    with pytest.raises(WakeError, match=r"1 jobs still wait for run/one\.a3m"):
        deliver(inbox.arrivals, inbox.intake, seconds=0, batch=BATCH)
    while inbox.arrivals.messages:
        with suppress(WakeError):
            deliver(inbox.arrivals, inbox.intake, seconds=0, batch=BATCH)
    assert states(inbox).count(State.WAITING) == 1


@pytest.mark.parametrize(
    "message",
    [Message(b"{}", {}), Message(b'{"name": "x", "after": "y"}', {}), CapacityWanted.at(NOW).encode()],
)
def test_what_tells_of_no_file_is_dropped_with_a_line(
    message: Message, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = waiting(1)
    Wake(inbox.intake.waiting, MemoryTopic(), 60).take_up(message.data, message.attributes)
    assert states(inbox) == [State.WAITING]
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == [
        "not a message of ours"
    ]


def test_a_file_s_name_of_any_length_is_told() -> None:
    name = "ü" * 512
    message = ReferenceArrived.of(name, NOW).encode()
    assert ReferenceArrived.decode(message.data, message.attributes).data.name == name
