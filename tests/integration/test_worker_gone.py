"""Workers that leave, are killed or are brought down: what they had in hand is done by others.

It is a matter of leases, messages and attempts, so that a worker without a model will do; `make test-all`
takes the product's own.
"""

import signal
from typing import NamedTuple

import pytest
from integration.worker_process import MISCHIEF, OTHER, THIRD, TINY, Pipeline, StartWorker, turn_of
from support.patience import until

from schemas.failure import Code
from schemas.job import Change, State


class Kind(NamedTuple):
    """A worker's module, and how many files it writes for a prediction."""

    module: str
    files: int


PAPER = Kind("chaos.paper_worker", files=7)
REAL = Kind("worker", files=9)  # page and picture besides
pytestmark = pytest.mark.parametrize("kind", [PAPER, pytest.param(REAL, marks=pytest.mark.extra)])


def reasons(history: tuple[Change, ...]) -> list[Code]:
    """Say why attempts came to nothing."""
    return [change.code for change in history if change.code]


def test_workers_that_are_asked_to_leave_lose_nothing(
    pipeline: Pipeline, start_worker: StartWorker, kind: Kind
) -> None:
    long = pipeline.drop("long.yaml", TINY)
    endless = {"module": kind.module, **MISCHIEF, "MISCHIEF_HOLDS": turn_of(long)}
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

    start_worker(kind.module, **MISCHIEF)
    assert pipeline.ends(long, *others) == [State.SUCCEEDED] * 3
    assert [pipeline.job(job).attempt for job in (long, *others)] == [3, 1, 1]
    assert reasons(pipeline.job(long).history) == [Code.PREEMPTED, Code.PREEMPTED]
    assert len(pipeline.outputs(long)) == kind.files
    until(lambda: pipeline.completions() == {f"{job}-succeeded": 1 for job in (long, *others)})


def test_what_a_killed_worker_had_is_finished_by_the_next(
    pipeline: Pipeline, start_worker: StartWorker, kind: Kind
) -> None:
    job = pipeline.drop("a.yaml", TINY)
    killed = start_worker(kind.module, **MISCHIEF, MISCHIEF_HOLDS=turn_of(job))
    until(lambda: pipeline.job(job).state is State.RUNNING)
    killed.send(signal.SIGKILL)
    assert killed.ends() == -signal.SIGKILL
    pipeline.expire_lease(job)
    pipeline.sweep()
    assert (pipeline.job(job).state, pipeline.job(job).attempt) == (State.QUEUED, 1)

    start_worker(kind.module, **MISCHIEF)
    assert pipeline.ends(job) == [State.SUCCEEDED]
    assert pipeline.receipt(job).attempt == 2
    assert reasons(pipeline.job(job).history) == [Code.WORKER_LOST]
    assert len(pipeline.outputs(job)) == kind.files
    until(lambda: pipeline.completions() == {f"{job}-succeeded": 1})


def test_an_input_that_kills_its_worker_is_given_up(
    pipeline: Pipeline, start_worker: StartWorker, kind: Kind
) -> None:
    a, poison, b = (pipeline.drop(f"{n}.yaml", text) for n, text in enumerate((OTHER, TINY, THIRD)))
    ends = []
    while not pipeline.job(poison).state.terminal:
        ends.append(start_worker(kind.module, **MISCHIEF, MISCHIEF_KILLS=turn_of(poison)).ends())
        for job in (a, poison, b):
            pipeline.expire_lease(job)
        pipeline.sweep()
    assert ends == [-signal.SIGKILL] * 3
    receipt = pipeline.receipt(poison)
    assert receipt.error is not None
    assert (receipt.state, receipt.error.code, receipt.attempt) == (State.FAILED, Code.WORKER_LOST, 3)

    start_worker(kind.module, **MISCHIEF)
    assert pipeline.ends(a, b) == [State.SUCCEEDED] * 2
    assert max(pipeline.job(job).attempt for job in (a, b)) <= 2
    expected = {f"{poison}-failed": 1, f"{a}-succeeded": 1, f"{b}-succeeded": 1}
    until(lambda: pipeline.completions() == expected)
