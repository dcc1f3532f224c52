"""With the product's own worker and the small model: one whole way, and deaths that only it can die."""

import pytest

from chaos.faults import Fault
from chaos.harness import INPUT, SEQUENCE, Chaos, Record
from chaos.steps import READ_MODEL, SAMPLE
from schemas.failure import Code
from schemas.job import State

pytestmark = pytest.mark.whole
INTO_IT = 0.3
"""Seconds after the sampling began; 500 steps take longer."""


def test_whole_way(real: Chaos, record: Record) -> None:
    """Nothing is broken."""
    record("scenario", "real worker and small model: nothing broken")
    scenario = real.scenario()
    scenario.upload()
    scenario.conclude(record)


def test_killed_in_the_midst_of_predicting(real: Chaos, record: Record) -> None:
    """The worker is killed while the model samples."""
    record("scenario", "real worker killed in the midst of: predict")
    scenario = real.scenario()
    scenario.arm(Fault(SAMPLE, "during", "worker", seconds=INTO_IT))
    scenario.upload(sampling_steps=500)
    scenario.conclude(record)


def test_child_killed_as_it_reads(real: Chaos, record: Record) -> None:
    """The process that reads an input for the worker is killed, and it alone."""
    record("scenario", "child process of the real worker killed before: read")
    scenario = real.scenario()
    scenario.arm(Fault(READ_MODEL, "before", "worker"))
    scenario.upload()
    scenario.conclude(record)


def test_read_with_more_memory_than_a_child_has(real: Chaos, record: Record) -> None:
    """Two inputs of 4,000 residues need more memory to be read than a child has; small ones come between."""
    record("scenario", "real worker reads 2 inputs of 4,000 residues among 3 small ones")
    scenario, before = real.scenario(), starts(real)
    small, large = INPUT, INPUT.replace(SEQUENCE, "A" * 4_000)
    for number, text in enumerate((small, large, small, large, small)):
        scenario.upload(f"{number}.yaml", text, ends={State.FAILED if text is large else State.SUCCEEDED})
    scenario.conclude(record)
    jobs = [job for upload in scenario.uploads if (job := scenario.job(upload))]
    assert [error.code for job in jobs for error in job.errors] == [Code.OUT_OF_MEMORY] * 2
    assert starts(real) <= before + 2


def starts(chaos: Chaos) -> int:
    """Count the tasks of workers that there have been."""
    return len(list((chaos.stack.run_dir / "logs" / "tasks").glob("*.log")))
