"""Two workers believe that they hold one job: the first sleeps until its lease is over, then wakes up."""

from pathlib import Path

import pytest
from support.loglines import logged
from support.patience import until

from chaos.faults import Fault, Victim
from chaos.harness import Record, Scenario
from chaos.steps import READ, STEPS, TURN, UPLOAD, Step
from schemas.job import State

SLEEPS = {step.name: step for step in STEPS if step.process == "worker"}
WITHDRAWN = {"queued": READ, "running": TURN}


def asleep(scenario: Scenario, fault: Fault) -> Victim:
    """Upload an input and wait until its worker has been stopped."""
    stopped = scenario.arm(fault)
    scenario.upload()
    return scenario.until_met(stopped)


def finish_without(scenario: Scenario, first: Victim) -> None:
    """Let the lease of the first run out and another worker end the job."""
    [upload] = scenario.uploads
    scenario.chaos.keep_workers()

    def ended() -> bool:
        scenario.chaos.lapse({first.holder})
        scenario.chaos.call("on_sweep")
        job = scenario.job(upload)
        return job is not None and job.state.terminal and not job.pending

    until(ended, "end of the job by another worker")


def wake(scenario: Scenario, first: Victim) -> list[str]:
    """Let the first go on; return what it says then about the job, once it has done with it."""
    before = said(scenario, first)
    scenario.resume()
    until(lambda: len(said(scenario, first)) > len(before), "word of the first worker")
    return said(scenario, first)[len(before) :]


def said(scenario: Scenario, worker: Victim) -> list[str]:
    execution = worker.holder.partition("/")[0]
    log: Path = scenario.chaos.stack.run_dir / "logs" / "tasks" / f"{execution}-task0.log"
    return [line["message"] for line in logged(log) if line.get("job_id") == scenario.uploads[-1].job_id]


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("claim", marks=pytest.mark.whole),
        pytest.param("check lease"),
        pytest.param("upload 3", marks=pytest.mark.whole),
        pytest.param("upload 5", marks=pytest.mark.whole),
    ],
)
def test_sleep_past_the_lease(scenario: Scenario, record: Record, moment: str) -> None:
    """A worker is stopped after a step until another has ended its job; its own result is thrown away."""
    record("scenario", f"worker asleep past its lease after: {moment}")
    step = SLEEPS[moment]
    first = asleep(scenario, step.fault("after", scenario.folder, "pause"))
    finish_without(scenario, first)
    assert wake(scenario, first) == ["not ours any more, result thrown away"]
    conclude_without(scenario, record, first)


@pytest.mark.whole
def test_sleep_after_the_end(scenario: Scenario, record: Record) -> None:
    """A worker is stopped after it wrote the job's end; the sweep settles it, then the worker does so too."""
    record("scenario", "worker asleep between the job's end and its receipt")
    step: Step = SLEEPS["write SUCCEEDED"]
    first = asleep(scenario, step.fault("after", scenario.folder, "pause"))
    finish_without(scenario, first)
    assert wake(scenario, first) == ["attempt ended"]
    scenario.conclude(record)


def test_sleep_before_it_replaces_a_file(scenario: Scenario, record: Record) -> None:
    """The second attempt is stopped between its check of the lease and replacing a file of the first."""
    record("scenario", "worker asleep past its lease before: replace a file of an earlier attempt")
    about = f"{scenario.folder}/"
    killed = scenario.arm(Fault(UPLOAD, "after", "worker", about, nth=2))
    scenario.upload()
    scenario.until_met(killed)
    stopped = scenario.arm(Fault(UPLOAD, "before", "worker", about, action="pause"))
    scenario.pass_time(lambda: scenario.all_met)
    first = scenario.until_met(stopped)
    finish_without(scenario, first)
    assert wake(scenario, first) == ["not ours any more, result thrown away"]
    conclude_without(scenario, record, first)


def conclude_without(scenario: Scenario, record: Record, first: Victim) -> None:
    """Conclude, and see that another worker's result stands."""
    scenario.conclude(record)
    job = scenario.job(scenario.uploads[-1])
    assert job is not None
    assert job.worker != first.holder


@pytest.mark.whole
@pytest.mark.parametrize("how", ["deleted", "overwritten"])
@pytest.mark.parametrize("state", WITHDRAWN)
def test_withdrawn(scenario: Scenario, record: Record, state: str, how: str) -> None:
    """An input is deleted or overwritten while a worker reads or predicts it."""
    record("scenario", f"input {how} while {state}")
    about = f"{scenario.folder}/" if state == "queued" else ""
    stopped = scenario.arm(Fault(WITHDRAWN[state], "before", "worker", about, action="pause"))
    end = State.CANCELLED if how == "deleted" else State.SUPERSEDED
    first = scenario.upload(ends={end})
    victim = scenario.until_met(stopped)
    if how == "deleted":
        scenario.delete(first)
    else:
        scenario.upload()
    scenario.until_state(first, end)
    scenario.uploads.reverse()
    wake(scenario, victim)
    scenario.conclude(record)
