"""Workers that leave, are killed or are brought down: what they had in hand is done by others."""

import signal
from pathlib import Path

from integration.worker_process import AT_ONCE, OTHER, ROOT, THIRD, TINY, Pipeline, StartWorker, until

from schemas.failure import Code
from schemas.job import Change, State

FILES_PER_SAMPLE = 5
POISON = Path(__file__).parent / "poison"


def reasons(history: tuple[Change, ...]) -> list[Code]:
    """Say why attempts came to nothing."""
    return [change.code for change in history if change.code]


def test_workers_that_are_asked_to_leave_lose_nothing(pipeline: Pipeline, start_worker: StartWorker) -> None:
    long = pipeline.drop("long.yaml", TINY, sampling_steps=500, samples=2)
    first = start_worker()
    until(lambda: pipeline.job(long).state is State.RUNNING)
    others = [pipeline.drop("a.yaml", OTHER), pipeline.drop("b.yaml", THIRD)]
    first.send(signal.SIGTERM)
    assert first.ends(10) == 0
    assert pipeline.all_are(State.QUEUED, (long, *others))
    assert [pipeline.job(job).attempt for job in (long, *others)] == [1, 0, 0]
    until(lambda: pipeline.requested() == {long, *others}, AT_ONCE)

    second = start_worker()
    until(lambda: pipeline.job(long).state is State.RUNNING)
    second.send(signal.SIGTERM)
    assert second.ends(10) == 0
    assert pipeline.job(long).state is State.QUEUED
    until(lambda: long in pipeline.requested(), AT_ONCE)

    start_worker()
    until(lambda: pipeline.all_are(State.SUCCEEDED, (long, *others)))
    assert [pipeline.job(job).attempt for job in (long, *others)] == [3, 1, 1]
    assert reasons(pipeline.job(long).history) == [Code.PREEMPTED, Code.PREEMPTED]
    assert len(pipeline.outputs(long)) == 2 * FILES_PER_SAMPLE + 2  # and page and picture
    until(lambda: pipeline.completions() == {f"{job}-succeeded": 1 for job in (long, *others)}, AT_ONCE)


def test_what_a_killed_worker_had_is_finished_by_the_next(
    pipeline: Pipeline, start_worker: StartWorker
) -> None:
    job = pipeline.drop("a.yaml", TINY, sampling_steps=500)
    killed = start_worker()
    until(lambda: pipeline.job(job).state is State.RUNNING)
    killed.send(signal.SIGKILL)
    assert killed.ends() == -signal.SIGKILL
    pipeline.expire_lease(job)
    pipeline.sweep()
    assert (pipeline.job(job).state, pipeline.job(job).attempt) == (State.QUEUED, 1)

    start_worker()
    until(lambda: pipeline.job(job).state is State.SUCCEEDED)
    assert pipeline.receipt(job).attempt == 2
    assert reasons(pipeline.job(job).history) == [Code.WORKER_LOST]
    assert len(pipeline.outputs(job)) == FILES_PER_SAMPLE + 2
    until(lambda: pipeline.completions() == {f"{job}-succeeded": 1}, AT_ONCE)


def test_an_input_that_kills_its_worker_is_given_up(pipeline: Pipeline, start_worker: StartWorker) -> None:
    a, poison, b = (pipeline.drop(f"{n}.yaml", text) for n, text in enumerate((OTHER, TINY, THIRD)))
    ends = []
    while not pipeline.job(poison).state.terminal:
        ends.append(start_worker(PYTHONPATH=f"{POISON}:{ROOT}", POISONED_JOB=poison).ends())
        for job in (a, poison, b):
            pipeline.expire_lease(job)
        pipeline.sweep()
    assert ends == [-signal.SIGKILL] * 3
    receipt = pipeline.receipt(poison)
    assert receipt.error is not None
    assert (receipt.state, receipt.error.code, receipt.attempt) == (State.FAILED, Code.WORKER_LOST, 3)

    start_worker()
    until(lambda: pipeline.all_are(State.SUCCEEDED, (a, b)))
    assert max(pipeline.job(job).attempt for job in (a, b)) <= 2
    expected = {f"{poison}-failed": 1, f"{a}-succeeded": 1, f"{b}-succeeded": 1}
    until(lambda: pipeline.completions() == expected, AT_ONCE)
