"""A call's time may be over at any line: what it leaves half done, a second delivery of its event ends."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType

import pytest
from functions_framework.exceptions import RequestTimeoutException
from support import fakes
from support.inbox import Inbox
from support.inputs import INPUT, MSA, one_protein

import functions
import inputs
import inputs.examine
import jobs
from functions.errors import ExaminationError
from functions.wake import Wake
from inputs.read import read_input
from schemas.upload import decode_upload

WITH_MSA = one_protein(msa="a.a3m").encode()
OURS = tuple(f"{Path(str(room.__file__)).parent}/" for room in (functions, inputs, jobs))
LOCKED = f"{OURS[0]}lru.py"
"""Python lets no such exception in between the end of a lock's block and its release; a trace would."""


class Cut:
    """Raises what functions-framework raises, at a place of this number.

    Places are our own lines, and what stands for a remote call: before it, and after.
    """

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, frame: FrameType, event: str, _: object) -> "Cut | None":
        file = frame.f_code.co_filename
        remote = file == fakes.__file__
        if not remote and (file == LOCKED or not file.startswith(OURS)):
            return None
        if event in ({"call", "return"} if remote else {"line"}):
            self.left -= 1
            if self.left == 0:
                raise RequestTimeoutException
        return self


@contextmanager
def cut_short(at: int) -> Iterator[Cut]:
    """Run a block up to a place."""
    cut, before = Cut(at), sys.gettrace()
    sys.settrace(cut)
    try:
        yield cut
    except (
        RequestTimeoutException,
        ExaminationError,
    ):  # cut short there, it counts as the file's own trouble
        pass
    finally:
        sys.settrace(before)


def an_input(content: bytes) -> Callable[[Inbox], Callable[[], None]]:
    def prepare(inbox: Inbox) -> Callable[[], None]:
        told = inbox.put("a.yaml", content)
        return lambda: inbox.announce(told)

    return prepare


def an_overwritten_input(inbox: Inbox) -> Callable[[], None]:
    inbox.announce(inbox.put("a.yaml", WITH_MSA))
    return an_input(INPUT)(inbox)


def an_alignment(inbox: Inbox) -> Callable[[], None]:
    for name in ("a.yaml", "b.yaml"):
        inbox.announce(inbox.put(name, WITH_MSA))
    source = decode_upload(inbox.put("a.a3m", MSA))

    def deliver_both() -> None:
        inbox.intake.on_upload(source)
        [told, *_] = inbox.arrivals.messages
        Wake(inbox.intake.waiting, inbox.arrivals, 0).take_up(told.data, told.attributes)

    return deliver_both


def a_deletion(content: bytes, *, known: bool) -> Callable[[Inbox], Callable[[], None]]:
    def prepare(inbox: Inbox) -> Callable[[], None]:
        told = inbox.put("a.yaml", content)
        if known:
            inbox.announce(told)
        del inbox.uploads.objects["a.yaml"]
        return lambda: inbox.announce_deleted(told)

    return prepare


CALLS = {
    "a good input": an_input(INPUT),
    "one that waits": an_input(WITH_MSA),
    "a bad one": an_input(b"sequences: []"),
    "one that overwrites": an_overwritten_input,
    "an alignment": an_alignment,
    "a deletion": a_deletion(INPUT, known=True),
    "a deletion that comes first": a_deletion(INPUT, known=False),
}


@pytest.fixture(autouse=True)
def _read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse an input once: that has no places, and takes most of the time."""
    monkeypatch.setattr(inputs.examine, "read_input", cache(read_input))


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_what_a_call_leaves_half_done_its_second_delivery_finishes(
    call: Callable[[Inbox], Callable[[], None]],
) -> None:
    whole = Inbox()
    call(whole)()
    number, cut = 0, None
    while cut is None or cut.left <= 0:
        number += 1
        inbox = Inbox()
        deliver = call(inbox)
        with cut_short(number) as cut:
            deliver()
        deliver()
        assert outcome(inbox) == outcome(whole), f"cut short at place {number}"
    assert number > 50


def outcome(inbox: Inbox) -> list[object]:
    """Return what became of all, but for times: jobs, receipts, and what was asked for and told, if twice."""
    told = {
        message.attributes["ce-id"] for message in (*inbox.requests.messages, *inbox.completions.messages)
    }
    ends = [(job.job_id, job.state, job.waits_for, job.pending) for job in inbox.ledger.all()]
    return [sorted(ends), sorted(inbox.results.objects), sorted(told)]
