"""Events and requests come twice, late, in any order, or not at all."""

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from support.patience import until

from chaos.aftermath import Upload
from chaos.events import held_back, lose, notice, post_all, request_again
from chaos.faults import Fault
from chaos.harness import BAD, INPUT, MSA, WITH_MSA, Record, Scenario
from chaos.situations import give_up
from chaos.steps import READ, RECORD
from jobs.lifecycle import Trigger
from schemas.job import Job, State

OBJECTS = 6
PAIRS = 8
SEED = 20260102
LINGER_SECONDS = 10.0


def test_repeated_uploads(scenario: Scenario, record: Record) -> None:
    """The event of each upload is delivered six times, five of them at once."""
    record("scenario", f"{OBJECTS} upload events delivered 6 times each")
    good = [scenario.upload(f"{number}.yaml") for number in range(OBJECTS - 1)]
    bad = scenario.upload("bad.yaml", BAD, ends={State.REJECTED})
    events = [notice(scenario.chaos, upload) for upload in (*good, bad) for _ in range(5)]
    assert set(post_all(scenario.chaos, events)) == {200}
    scenario.conclude(record, sweeping=False)


def test_repeated_requests(scenario: Scenario, record: Record) -> None:
    """The request for each job is published six times, to two workers."""
    record("scenario", f"{OBJECTS} requests published 6 times each")
    for number in range(OBJECTS):
        request_again(taken_in(scenario, scenario.upload(f"{number}.yaml")), 5)
    scenario.conclude(record, sweeping=False)


def taken_in(scenario: Scenario, upload: Upload) -> Job:
    until(lambda: scenario.job(upload), "taken in")
    job = scenario.job(upload)
    assert job is not None
    return job


def test_shuffled_generations(scenario: Scenario, record: Record) -> None:
    """Objects are overwritten, every other one deleted; events come twice in any order, then once late."""
    record("scenario", f"all events of {OBJECTS} overwritten objects shuffled, twice, and once late")
    chaos, events = scenario.chaos, []
    with held_back(chaos):
        for number in range(OBJECTS):
            goes = number % 2
            ends = {State.SUPERSEDED, State.CANCELLED} if goes else {State.SUPERSEDED}
            old = scenario.upload(f"{number}.yaml", ends=ends)
            events += [notice(chaos, old), notice(chaos, old, "OBJECT_DELETE")]
            new = scenario.upload(f"{number}.yaml", ends={State.CANCELLED if goes else State.SUCCEEDED})
            events.append(notice(chaos, new))
            if goes:
                events.append(notice(chaos, new, "OBJECT_DELETE"))
                scenario.delete(new)
        events *= 2
        random.Random(SEED).shuffle(events)  # noqa: S311  the same order in each run
        post_all(chaos, events)
    scenario.conclude(record)


def test_late_events(scenario: Scenario, record: Record) -> None:
    """The events come when the comparison has taken all in, and their jobs have ended."""
    record("scenario", "events delivered only after their jobs have ended")
    with held_back(scenario.chaos):
        uploads = [scenario.upload(f"{number}.yaml") for number in range(3)]
        compare_until_known(scenario)
        for upload in uploads:
            scenario.until_state(upload, State.SUCCEEDED)
    scenario.conclude(record, sweeping=False)


def test_lost_events(scenario: Scenario, record: Record) -> None:
    """No event of three inputs is ever delivered: an alignment's, a rejected one's, a good one's."""
    record("scenario", "every event of 3 inputs and an alignment lost")
    with held_back(scenario.chaos):
        scenario.upload("good.yaml")
        scenario.upload("bad.yaml", BAD, ends={State.REJECTED})
        scenario.upload("waits.yaml", WITH_MSA)
        compare_until_known(scenario)
        scenario.beside("late.a3m", MSA)
        until(lambda: lose(scenario.chaos) == 0, "events lost")
        scenario.chaos.call("on_compare")
    scenario.conclude(record, sweeping=False)


@pytest.mark.whole
def test_request_given_up_twice(scenario: Scenario, record: Record) -> None:
    """Pub/Sub gives up twice on a request, since each worker that got it sleeps; then they wake."""
    record("scenario", "request given up twice, while whoever got it sleeps")
    asleep = Fault(READ, "before", "worker", f"{scenario.folder}/", action="pause")
    first = scenario.arm(asleep)
    upload = scenario.upload()
    scenario.until_met(first)
    second = scenario.arm(asleep)
    before = given_up(scenario, upload, None)
    linger(lambda: scenario.met(second))
    given_up(scenario, upload, before)
    if not scenario.met(second):  # the emulator sent it down the sleeper's stream, perhaps again and again
        scenario.disarm(second)
    scenario.conclude(record, sweeping=False)


def given_up(scenario: Scenario, upload: Upload, before: datetime | None) -> datetime | None:
    """Have the request given up, and wait until it is made again; return when that was."""
    give_up(scenario)
    until(lambda: asked_again_at(scenario, upload) != before, "asked again")
    return asked_again_at(scenario, upload)


def asked_again_at(scenario: Scenario, upload: Upload) -> datetime | None:
    job = scenario.job(upload)
    last = job.history[-1] if job else None
    return last.at if last and last.event == Trigger.UNDELIVERED else None


def linger(until_then: Callable[[], bool]) -> None:
    """Let happen what may, but need not."""
    deadline = time.monotonic() + LINGER_SECONDS
    while not until_then() and time.monotonic() < deadline:
        time.sleep(0.1)


def compare_until_known(scenario: Scenario) -> None:
    def all_known() -> bool:
        scenario.chaos.call("on_compare")
        return all(scenario.job(upload) for upload in scenario.uploads)

    until(all_known, "comparison")


def test_alignment_in_the_same_moment(scenario: Scenario, record: Record) -> None:
    """Inputs and the alignments that they wait for are uploaded at once; no sweep helps."""
    record("scenario", f"{PAIRS} inputs and their alignments uploaded in the same moment")
    both = threading.Barrier(2 * PAIRS)

    def upload(number: int) -> None:
        both.wait()
        scenario.upload(f"{number}.yaml", INPUT.replace("empty", f"{number}.a3m"))

    def upload_alignment(number: int) -> None:
        both.wait()
        scenario.beside(f"{number}.a3m", MSA)

    with ThreadPoolExecutor(2 * PAIRS) as pool:
        futures = [pool.submit(put, number) for number in range(PAIRS) for put in (upload, upload_alignment)]
    assert [future.result() for future in futures] == [None] * 2 * PAIRS
    scenario.conclude(record, sweeping=False)


@pytest.mark.whole
def test_alignment_between_look_and_record(scenario: Scenario, record: Record) -> None:
    """The alignment comes, and its event is over, after intake saw it missing and before it recorded that."""
    record("scenario", "alignment arrives between intake's look for it and the record")
    about = f"{scenario.folder}/.*WAITING"
    scenario.arm(Fault(RECORD, "before", "on_upload", about, action="delay", seconds=3))
    scenario.upload(text=WITH_MSA)
    until(lambda: scenario.met(next(iter(scenario.armed))), "delay")
    scenario.beside("late.a3m", MSA)
    scenario.conclude(record, sweeping=False)
