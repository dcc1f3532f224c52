"""The state machine of jobs: everything that decides a job's next state lives in this file.

``TABLE`` has all transitions; ``advance`` is pure; the verbs below it say what else changes with the state.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from jobs import failures
from schemas.failure import RETRYABLE, Code, Failure
from schemas.job import Change, Effect, Job, Lease, Result, State

MAX_ATTEMPTS = 3
"""Attempts after which a job fails: one that lost its worker this often is the likely reason."""

LEASE = timedelta(seconds=120)
WAIT_LIMIT = timedelta(hours=24)
UNTAKEN = timedelta(hours=24)
"""Time after which a queued job that no worker took fails, so that its sender hears of it: decision 005."""

RETENTION = timedelta(days=90)
"""Time for which the ledger keeps an ended job; its receipt stays as long as the bucket keeps it."""


class Trigger(StrEnum):
    """Trigger of the state machine."""

    TAKEN_IN = "TAKEN_IN"  # an upload became a job
    ARRIVED = "ARRIVED"  # the last file that it waited for is there
    REFUSED = "REFUSED"  # a file that it waited for is there, and cannot be used
    EXPIRED = "EXPIRED"  # a file it refers to did not come in time
    ALIGNED = "ALIGNED"  # the last alignment that it lacked is there
    UNALIGNED = "UNALIGNED"  # an alignment that it needs is not there, or not any more
    CLAIMED = "CLAIMED"  # a worker took the lease
    SUCCEEDED = "SUCCEEDED"  # outputs proven and uploaded
    FAILED = "FAILED"  # a permanent failure
    RELEASED = "RELEASED"  # a retryable failure, or the worker had to leave
    LEASE_EXPIRED = "LEASE_EXPIRED"  # nobody renewed the lease
    UNDELIVERED = "UNDELIVERED"  # Pub/Sub gave up on the request for it
    GAVE_UP = "GAVE_UP"  # attempts are spent
    CANCELLED = "CANCELLED"  # a person does not want it any more
    SUPERSEDED = "SUPERSEDED"  # a newer generation took its place


TABLE: Mapping[State, Mapping[Trigger, State]] = {
    State.WAITING: {
        Trigger.ARRIVED: State.QUEUED,
        Trigger.UNALIGNED: State.ALIGNING,
        Trigger.REFUSED: State.REJECTED,
        Trigger.EXPIRED: State.REJECTED,
        Trigger.CANCELLED: State.CANCELLED,
        Trigger.SUPERSEDED: State.SUPERSEDED,
    },
    State.ALIGNING: {
        Trigger.ALIGNED: State.QUEUED,
        Trigger.FAILED: State.FAILED,
        Trigger.EXPIRED: State.FAILED,
        Trigger.CANCELLED: State.CANCELLED,
        Trigger.SUPERSEDED: State.SUPERSEDED,
    },
    State.QUEUED: {
        Trigger.CLAIMED: State.RUNNING,
        Trigger.UNDELIVERED: State.QUEUED,
        Trigger.GAVE_UP: State.FAILED,
        Trigger.CANCELLED: State.CANCELLED,
        Trigger.SUPERSEDED: State.SUPERSEDED,
    },
    State.RUNNING: {
        Trigger.SUCCEEDED: State.SUCCEEDED,
        Trigger.FAILED: State.FAILED,
        Trigger.RELEASED: State.QUEUED,
        Trigger.LEASE_EXPIRED: State.QUEUED,
        Trigger.UNALIGNED: State.ALIGNING,
        Trigger.GAVE_UP: State.FAILED,
        Trigger.CANCELLED: State.CANCELLED,
        Trigger.SUPERSEDED: State.SUPERSEDED,
    },
    State.SUCCEEDED: {},
    State.FAILED: {},
    State.REJECTED: {},
    State.CANCELLED: {},
    State.SUPERSEDED: {},
}

BEGINNINGS = (State.QUEUED, State.WAITING, State.ALIGNING, State.REJECTED, State.CANCELLED, State.SUPERSEDED)
"""States that a new job may begin in; one that was deleted or overwritten before it was read ends at once."""

ENTERING: Mapping[State, tuple[Effect, ...]] = {
    State.ALIGNING: (Effect.ALIGN,),
    State.QUEUED: (Effect.REQUEST,),
    **{state: (Effect.RECEIPT, Effect.EVENT) for state in State if state.terminal},
}
"""Effects of entering a state; kept in ``pending`` until done, a request until it is served."""


class IllegalTransitionError(Exception):
    """The event cannot happen in this state; nothing was changed."""


def enter(job: Job, event: str, state: State, at: datetime, code: Code | None = None) -> Job:
    """Return the job in a state, with all fields that entering it sets."""
    return job.evolve(
        state=state,
        updated_at=at,
        pending=(*ENTERING.get(state, ()), *job.left_to_others),
        lease=job.lease if state is State.RUNNING else None,
        waits_for=job.waits_for if state is State.WAITING else (),
        aligns=job.aligns if state is State.ALIGNING else (),
        wait_until=at + WAIT_LIMIT if state in {State.WAITING, State.ALIGNING} else None,
        expire_at=at + RETENTION if state.terminal else None,
        history=(*job.history, Change(at=at, event=event, state=state, code=code)),
    )


def begin(job: Job, state: State, at: datetime, code: Code | None = None) -> Job:
    """Return a new job in its first state. Raises IllegalTransitionError."""
    if state not in BEGINNINGS:
        raise IllegalTransitionError(f"job {job.job_id} cannot begin as {state}")
    return enter(job, Trigger.TAKEN_IN, state, at, code)


def advance(job: Job, event: Trigger, at: datetime, code: Code | None = None) -> Job:
    """Return the job after the event. Raises IllegalTransitionError; never changes the given job."""
    state = TABLE[job.state].get(event)
    if state is None:
        raise IllegalTransitionError(f"job {job.job_id} is {job.state}: {event} cannot happen")
    return enter(job, event, state, at, code)


def claim(job: Job, holder: str, at: datetime) -> Job:
    """Give the lease to a worker; the attempt it counts up is the fencing token."""
    lease = Lease(holder=holder, expires_at=at + LEASE)
    leased = job.evolve(attempt=job.attempt + 1, lease=lease, worker=holder)
    return advance(leased, Trigger.CLAIMED, at)


def renew(job: Job, at: datetime) -> Job:
    """Prolong the lease of a running job. Raises IllegalTransitionError."""
    if job.lease is None:
        raise IllegalTransitionError(f"job {job.job_id} is {job.state}: no lease to renew")
    return job.evolve(lease=job.lease.model_copy(update={"expires_at": at + LEASE}))


def succeed(job: Job, result: Result, at: datetime) -> Job:
    """Record a proven result, already uploaded."""
    return advance(job.evolve(**dict(result)), Trigger.SUCCEEDED, at)


def fail(job: Job, failure: Failure, at: datetime) -> Job:
    """Record a permanent failure."""
    return advance(job.evolve(errors=(failure,)), Trigger.FAILED, at, failure.code)


def end_attempt(job: Job, failure: Failure, at: datetime) -> Job:
    """End a failed attempt: release the job after a retryable failure, else fail it."""
    if failure.code in RETRYABLE:
        return release(job, Trigger.RELEASED, failure, at)
    return fail(job, failure, at)


def release(job: Job, event: Trigger, failure: Failure, at: datetime) -> Job:
    """Return a running job to the queue, or fail it when its attempts are spent."""
    attempts = job.attempt - _ended_unaligned(job)
    if attempts < MAX_ATTEMPTS:
        return advance(job, event, at, failure.code)
    message = f"Given up after {attempts} attempts. The last one: {failure.message}"
    final = failure.model_copy(update={"message": message})
    return advance(job.evolve(errors=(final,)), Trigger.GAVE_UP, at, failure.code)


def _ended_unaligned(job: Job) -> int:
    """Count the claims that came to nothing for want of an alignment: no sign that the input is to blame."""
    moves = [change.event for change in job.history]
    return list(pairwise(moves)).count((Trigger.CLAIMED, Trigger.UNALIGNED))


def remembered(uploaded_at: datetime, now: datetime) -> bool:
    """Return whether the ledger still has the job of an upload of that time, if it ever had one."""
    return now - uploaded_at < RETENTION


def request_again(job: Job, at: datetime) -> Job:
    """Note the time of another request for a queued job: the last may be lost; two do no harm.

    Raises IllegalTransitionError for a job that is not queued.
    """
    if job.state is not State.QUEUED:
        raise IllegalTransitionError(f"job {job.job_id} is {job.state}: nothing to ask a worker for")
    return job.evolve(updated_at=at)


def undelivered(job: Job, at: datetime) -> Job:
    """Request a queued job again whose request was dead-lettered; fail it if no worker took it for UNTAKEN.

    Only the last such event stays in the history, which would grow with each.
    """
    steps = list(job.history)
    if steps and steps[-1].event == Trigger.UNDELIVERED:
        steps.pop()
    since = steps[-1].at if steps else job.created_at
    if at - since < UNTAKEN:
        return advance(job.evolve(history=tuple(steps)), Trigger.UNDELIVERED, at)
    return _end(job, Trigger.GAVE_UP, failures.never_taken(UNTAKEN), at)


def supersede(job: Job, at: datetime) -> Job:
    """End a job whose object has a newer generation."""
    return _end(job, Trigger.SUPERSEDED, failures.overwritten(job), at)


def cancel(job: Job, at: datetime, why: str) -> Job:
    """Cancel a job; ``why`` is the sentence that gives the reason."""
    return _end(job, Trigger.CANCELLED, failures.unwanted(why), at)


def expire(job: Job, at: datetime, last_answer: str = "") -> Job:
    """End a job that waited too long: for its references, or for an MSA server with this last answer."""
    if job.state is State.ALIGNING:
        return _end(job, Trigger.EXPIRED, failures.not_aligned(job, WAIT_LIMIT, last_answer), at)
    missing = failures.missing(job, WAIT_LIMIT)
    return advance(job.evolve(errors=(missing,)), Trigger.EXPIRED, at)


def refuse(job: Job, errors: tuple[Failure, ...], at: datetime) -> Job:
    """Reject a waiting job for failures of the files that it waited for."""
    return advance(job.evolve(errors=errors), Trigger.REFUSED, at, errors[0].code)


def take_in(job: Job, at: datetime) -> Job:
    """Return a new job in its first state: by its errors, what it waits for, and what it lacks."""
    if job.errors:
        return begin(job, State.REJECTED, at)
    if job.waits_for:
        return begin(job, State.WAITING, at)
    return begin(job, State.ALIGNING if job.aligns else State.QUEUED, at)


def arrive(job: Job, aligns: tuple[str, ...], at: datetime) -> Job:
    """Return a job whose files are all there: queued, unless it lacks these alignments."""
    if aligns:
        return advance(job.evolve(aligns=aligns), Trigger.UNALIGNED, at)
    return advance(job, Trigger.ARRIVED, at)


def align(job: Job, at: datetime) -> Job:
    """Queue a job whose alignments are all there."""
    return advance(job, Trigger.ALIGNED, at)


def unalign(job: Job, aligns: tuple[str, ...], at: datetime) -> Job:
    """Send a claimed job back for alignments that are gone; fail it where that goes on and on."""
    if sum(change.event == Trigger.UNALIGNED for change in job.history) < MAX_ATTEMPTS:
        return advance(job.evolve(aligns=aligns), Trigger.UNALIGNED, at)
    return _end(job, Trigger.GAVE_UP, failures.never_found(MAX_ATTEMPTS), at)


def supersede_unread(job: Job, at: datetime) -> Job:
    """End a new job whose object was overwritten before it was read."""
    failure = failures.overwritten(job)
    return begin(job.evolve(errors=(failure,)), State.SUPERSEDED, at, failure.code)


def cancel_unread(job: Job, at: datetime, why: str) -> Job:
    """End a new job whose object was deleted before it was read."""
    failure = failures.unwanted(why)
    return begin(job.evolve(errors=(failure,)), State.CANCELLED, at, failure.code)


def _end(job: Job, event: Trigger, failure: Failure, at: datetime) -> Job:
    """End a job for one reason."""
    return advance(job.evolve(errors=(failure,)), event, at, failure.code)
