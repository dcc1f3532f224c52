"""Workers that leave, are killed or are brought down: what they had in hand is done by others."""

import signal

from integration.worker_process import MISCHIEF, OTHER, THIRD, TINY, Pipeline, StartWorker, turn_of
from patience import until

from schemas.failure import Code
from schemas.job import Change, State

FILES_PER_SAMPLE = 5


def reasons(history: tuple[Change, ...]) -> list[Code]:
    """Say why attempts came to nothing."""
    return [change.code for change in history if change.code]


def test_workers_that_are_asked_to_leave_lose_nothing(pipeline: Pipeline, start_worker: StartWorker) -> None:
    long = pipeline.drop("long.yaml", TINY, samples=2)
    endless = {**MISCHIEF, "MISCHIEF_HOLDS": turn_of(long)}
    first = start_worker(**endless)
    until(lambda: pipeline.job(long).state is State.RUNNING)
    others = [pipeline.drop("a.yaml", OTHER), pipeline.drop("b.yaml", THIRD)]
    first.send(signal.SIGTERM)
    assert first.ends() == 0
    assert pipeline.states(long, *others) == [State.QUEUED] * 3
    assert [pipeline.job(job).attempt for job in (long, *others)] == [1, 0, 0]
    until(lambda: pipeline.requested() == {long, *others})

    second = start_worker(**endless)
    until(lambda: pipeline.job(long).state is State.RUNNING)
    second.send(signal.SIGTERM)
    assert second.ends() == 0
    assert pipeline.job(long).state is State.QUEUED
    until(lambda: long in pipeline.requested())

    start_worker()
    assert pipeline.ends(long, *others) == [State.SUCCEEDED] * 3
    assert [pipeline.job(job).attempt for job in (long, *others)] == [3, 1, 1]
    assert reasons(pipeline.job(long).history) == [Code.PREEMPTED, Code.PREEMPTED]
    assert len(pipeline.outputs(long)) == 2 * FILES_PER_SAMPLE + 2  # and page and picture
    until(lambda: pipeline.completions() == {f"{job}-succeeded": 1 for job in (long, *others)})


def test_what_a_killed_worker_had_is_finished_by_the_next(
    pipeline: Pipeline, start_worker: StartWorker
) -> None:
    job = pipeline.drop("a.yaml", TINY)
    killed = start_worker(**MISCHIEF, MISCHIEF_HOLDS=turn_of(job))
    until(lambda: pipeline.job(job).state is State.RUNNING)
    killed.send(signal.SIGKILL)
    assert killed.ends() == -signal.SIGKILL
    pipeline.expire_lease(job)
    pipeline.sweep()
    assert (pipeline.job(job).state, pipeline.job(job).attempt) == (State.QUEUED, 1)

    start_worker()
    assert pipeline.ends(job) == [State.SUCCEEDED]
    assert pipeline.receipt(job).attempt == 2
    assert reasons(pipeline.job(job).history) == [Code.WORKER_LOST]
    assert len(pipeline.outputs(job)) == FILES_PER_SAMPLE + 2
    until(lambda: pipeline.completions() == {f"{job}-succeeded": 1})


def test_an_input_that_kills_its_worker_is_given_up(pipeline: Pipeline, start_worker: StartWorker) -> None:
    a, poison, b = (pipeline.drop(f"{n}.yaml", text) for n, text in enumerate((OTHER, TINY, THIRD)))
    ends = []
    while not pipeline.job(poison).state.terminal:
        ends.append(start_worker(**MISCHIEF, MISCHIEF_KILLS=turn_of(poison)).ends())
        for job in (a, poison, b):
            pipeline.expire_lease(job)
        pipeline.sweep()
    assert ends == [-signal.SIGKILL] * 3
    receipt = pipeline.receipt(poison)
    assert receipt.error is not None
    assert (receipt.state, receipt.error.code, receipt.attempt) == (State.FAILED, Code.WORKER_LOST, 3)

    start_worker()
    assert pipeline.ends(a, b) == [State.SUCCEEDED] * 2
    assert max(pipeline.job(job).attempt for job in (a, b)) <= 2
    expected = {f"{poison}-failed": 1, f"{a}-succeeded": 1, f"{b}-succeeded": 1}
    until(lambda: pipeline.completions() == expected)
