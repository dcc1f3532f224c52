"""With the product's own worker and the small model: one whole way, and deaths that only it can die."""

import pytest

from chaos.faults import Fault
from chaos.harness import Chaos, Record
from chaos.steps import READ_MODEL, SAMPLE

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
