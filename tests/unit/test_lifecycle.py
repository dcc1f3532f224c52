from datetime import timedelta
from itertools import product

import pytest
from support.fakes import NOW, a_job
from support.later import EFFECT

from jobs import lifecycle
from jobs.lifecycle import TABLE, IllegalTransitionError, Trigger, advance
from schemas.failure import RETRYABLE, Code, Failure
from schemas.job import Effect, Lease, State

LATER = NOW + timedelta(seconds=5)
LOST = Failure(code=Code.WORKER_LOST, message="gone", remedy="again")


@pytest.mark.parametrize(("state", "event"), product(State, Trigger))
def test_every_event_in_every_state_moves_as_the_table_says_or_is_refused(
    state: State, event: Trigger
) -> None:
    job = a_job(state, lease=Lease(holder="w", expires_at=NOW), waits_for=("x",))
    after = TABLE[state].get(event)
    if after is None:
        with pytest.raises(IllegalTransitionError, match=f"{state}: {event}"):
            advance(job, event, LATER)
        return
    moved = advance(job, event, LATER)
    assert moved.state is after
    assert moved.updated_at == LATER
    assert (moved.history[-1].event, moved.history[-1].state) == (event, after)
    assert (moved.lease is not None) == (after is State.RUNNING)
    assert (moved.expire_at is not None) == after.terminal
    assert not moved.waits_for


def test_terminal_states_have_no_way_out() -> None:
    assert {state for state in State if not TABLE[state]} == {state for state in State if state.terminal}


def test_whatever_has_not_ended_can_be_cancelled_and_superseded() -> None:
    for state in State:
        if not state.terminal:
            assert TABLE[state][Trigger.CANCELLED] is State.CANCELLED
            assert TABLE[state][Trigger.SUPERSEDED] is State.SUPERSEDED


def test_a_claim_of_a_queued_job_is_the_only_way_to_run() -> None:
    moves = [(state, event, after) for state in State for event, after in TABLE[state].items()]
    assert [move for move in moves if move[2] is State.RUNNING] == [
        (State.QUEUED, Trigger.CLAIMED, State.RUNNING)
    ]
    assert {event for _, event, _ in moves} == set(Trigger) - {Trigger.TAKEN_IN}


@pytest.mark.parametrize("state", State)
def test_what_must_follow_a_state_is_pending_on_arrival(state: State) -> None:
    expected: tuple[Effect, ...] = ()
    if state is State.QUEUED:
        expected = (Effect.REQUEST,)
    if state is State.ALIGNING:
        expected = (Effect.ALIGN,)
    if state.terminal:
        expected = (Effect.RECEIPT, Effect.EVENT)
    assert lifecycle.enter(a_job(), "any", state, NOW).pending == expected


def test_a_claim_counts_the_attempt_and_names_the_worker() -> None:
    job = lifecycle.claim(a_job(), "worker-1", NOW)
    assert (job.state, job.attempt, job.worker) == (State.RUNNING, 1, "worker-1")
    assert job.lease == Lease(holder="worker-1", expires_at=NOW + lifecycle.LEASE)


def test_a_renewed_lease_ends_later_and_leaves_no_line_in_the_history() -> None:
    job = lifecycle.claim(a_job(), "worker-1", NOW)
    renewed = lifecycle.renew(job, LATER)
    assert renewed.lease
    assert renewed.lease.expires_at == LATER + lifecycle.LEASE
    assert renewed.history == job.history


def test_a_queued_job_has_no_lease_to_renew() -> None:
    with pytest.raises(IllegalTransitionError):
        lifecycle.renew(a_job(), NOW)


def test_a_released_job_is_queued_again_until_its_attempts_are_spent() -> None:
    job = a_job()
    for attempt in range(1, lifecycle.MAX_ATTEMPTS):
        job = lifecycle.release(lifecycle.claim(job, "w", NOW), Trigger.RELEASED, LOST, NOW)
        assert (job.state, job.attempt, job.errors) == (State.QUEUED, attempt, ())
    job = lifecycle.release(lifecycle.claim(job, "w", NOW), Trigger.LEASE_EXPIRED, LOST, NOW)
    assert job.state is State.FAILED
    assert job.errors[0].code is Code.WORKER_LOST
    assert "3 attempts" in job.errors[0].message


def test_a_job_whose_request_is_given_up_on_is_asked_for_again_until_nobody_took_it_for_long() -> None:
    job = lifecycle.take_in(a_job(), NOW)
    for hours in range(24):  # a Service that has more to do than it can, or workers that cannot start
        job = lifecycle.undelivered(job, NOW + timedelta(hours=hours))
        assert (job.state, job.pending, job.attempt) == (State.QUEUED, (Effect.REQUEST,), 0)
        assert [change.event for change in job.history] == ["TAKEN_IN", Trigger.UNDELIVERED]
    failed = lifecycle.undelivered(job, NOW + lifecycle.UNTAKEN)
    assert (failed.state, failed.errors[0].code) == (State.FAILED, Code.WORKER_LOST)
    assert "24 h" in failed.errors[0].message


def test_the_time_that_nobody_took_it_begins_with_its_last_step() -> None:
    job = lifecycle.claim(lifecycle.take_in(a_job(), NOW), "w", NOW + timedelta(hours=23))
    job = lifecycle.release(job, Trigger.RELEASED, LOST, NOW + timedelta(hours=23))
    assert lifecycle.undelivered(job, NOW + timedelta(hours=25)).state is State.QUEUED


def test_a_job_begins_where_the_table_lets_it_and_nowhere_else() -> None:
    for state in State:
        if state in lifecycle.BEGINNINGS:
            assert lifecycle.begin(a_job(), state, NOW).history[-1].event == Trigger.TAKEN_IN
        else:
            with pytest.raises(IllegalTransitionError, match=f"cannot begin as {state}"):
                lifecycle.begin(a_job(), state, NOW)


@pytest.mark.parametrize("code", [Code.WORKER_LOST, Code.TIMEOUT])
def test_an_attempt_ends_by_its_failure_for_good_or_not(code: Code) -> None:
    job = lifecycle.claim(a_job(), "w", NOW)
    ended = lifecycle.end_attempt(job, LOST.model_copy(update={"code": code}), LATER)
    assert ended.state is (State.QUEUED if code in RETRYABLE else State.FAILED)


def test_an_upload_is_remembered_for_as_long_as_its_job_is_kept() -> None:
    assert lifecycle.remembered(NOW, NOW + lifecycle.RETENTION - timedelta(seconds=1))
    assert not lifecycle.remembered(NOW, NOW + lifecycle.RETENTION)


@pytest.mark.parametrize("state", State)
def test_only_a_queued_job_is_requested_again_and_it_stays_as_it_is(state: State) -> None:
    job = a_job(state, attempt=1, pending=(Effect.REQUEST,))
    if state is not State.QUEUED:
        with pytest.raises(IllegalTransitionError, match=state):
            lifecycle.request_again(job, LATER)
        return
    again = lifecycle.request_again(job, LATER)
    assert again == job.evolve(updated_at=LATER)


def test_a_job_that_waited_in_vain_is_rejected_with_the_missing_names() -> None:
    job = lifecycle.expire(a_job(State.WAITING, waits_for=("run42/foo.a3m",)), NOW)
    assert job.state is State.REJECTED
    assert job.errors[0].code is Code.MISSING_REFERENCE
    assert "run42/foo.a3m" in job.errors[0].message


def test_advance_leaves_the_given_job_as_it_was() -> None:
    job = a_job()
    before = job.model_dump_json()
    lifecycle.claim(job, "w", NOW)
    assert job.model_dump_json() == before


def test_what_only_a_later_release_can_do_stays_pending_wherever_a_job_goes() -> None:
    later = Effect(EFFECT)
    for state, ways in lifecycle.TABLE.items():
        for event in ways:
            before = a_job(state, pending=(*lifecycle.ENTERING.get(state, ()), later))
            after = lifecycle.advance(before, event, NOW)
            assert after.pending == (*lifecycle.ENTERING.get(after.state, ()), later)


def test_a_job_that_lacks_alignments_is_given_a_day_and_then_fails_in_the_server_s_words() -> None:
    job = lifecycle.take_in(a_job(aligns=("p/a.a3m",), msa_server="msa.example"), NOW)
    assert (job.state, job.aligns, job.wait_until) == (
        State.ALIGNING,
        ("p/a.a3m",),
        NOW + lifecycle.WAIT_LIMIT,
    )
    ended = lifecycle.expire(job, LATER, "connection refused")
    assert (ended.state, ended.aligns, ended.errors[0].code) == (State.FAILED, (), Code.MSA_UNAVAILABLE)
    assert ended.errors[0].message == (
        "msa.example made no alignment in 24 h. Its last answer: connection refused."
    )


def test_files_are_waited_for_first_and_alignments_then() -> None:
    job = lifecycle.take_in(a_job(waits_for=("t.cif",), aligns=("p/a.a3m",)), NOW)
    assert (job.state, job.aligns) == (State.WAITING, ())
    there = lifecycle.arrive(job, ("p/a.a3m",), LATER)
    assert (there.state, there.waits_for, there.aligns) == (State.ALIGNING, (), ("p/a.a3m",))
    assert lifecycle.align(there, LATER).state is State.QUEUED
    assert lifecycle.arrive(job, (), LATER).state is State.QUEUED


def test_an_attempt_that_ended_for_want_of_an_alignment_is_not_held_against_its_input() -> None:
    job = lifecycle.unalign(lifecycle.claim(a_job(), "w", NOW), ("p/a.a3m",), NOW)
    job = lifecycle.align(job, NOW)
    for _ in range(1, lifecycle.MAX_ATTEMPTS):
        job = lifecycle.release(lifecycle.claim(job, "w", NOW), Trigger.LEASE_EXPIRED, LOST, NOW)
        assert (job.state, job.errors) == (State.QUEUED, ())
    job = lifecycle.release(lifecycle.claim(job, "w", NOW), Trigger.LEASE_EXPIRED, LOST, NOW)
    assert (job.state, job.attempt) == (State.FAILED, 4)
    assert "after 3 attempts" in job.errors[0].message


def test_an_alignment_that_is_gone_is_made_again_but_not_for_ever() -> None:
    job = a_job()
    for _ in range(lifecycle.MAX_ATTEMPTS):
        job = lifecycle.unalign(lifecycle.claim(job, "w", NOW), ("p/a.a3m",), NOW)
        assert (job.state, job.lease, job.pending) == (State.ALIGNING, None, (Effect.ALIGN,))
        job = lifecycle.align(job, NOW)
    failed = lifecycle.unalign(lifecycle.claim(job, "w", NOW), ("p/a.a3m",), NOW)
    assert (failed.state, failed.errors[0].code) == (State.FAILED, Code.MSA_UNAVAILABLE)
    assert "ALIGNMENTS_BUCKET" in failed.errors[0].remedy
