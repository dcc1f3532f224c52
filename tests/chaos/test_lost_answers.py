"""A write or a message arrives, but its sender is told otherwise: it tries again, or someone else does."""

import pytest

from chaos.harness import Record, Scenario
from chaos.situations import SITUATIONS
from chaos.steps import ALIGNING, CLAIM, CREATE, INTAKE, PUBLISH, RECORD, REPLACE, UPLOAD, WORKER, Step

SENT = {CLAIM, RECORD, REPLACE, CREATE, UPLOAD, PUBLISH}
LOST = [
    step for step in (*WORKER, *INTAKE, *ALIGNING) if step.function in SENT and step.situation != "failing"
]


@pytest.mark.whole
@pytest.mark.parametrize("step", LOST, ids=lambda step: f"{step.process} {step.name}".replace("|", " or "))
def test_lost_answer(scenario: Scenario, record: Record, step: Step) -> None:
    """A step was taken, but fails for who took it."""
    record("scenario", f"answer lost: {step.process}, {step.name}")
    SITUATIONS[step.situation](scenario, lambda: scenario.arm(step.fault("after", scenario.folder, "fail")))
    if step.function == CLAIM:  # the worker does not know that it has the lease, which runs out
        scenario.pass_time(lambda: scenario.all_met)
        scenario.chaos.lapse({victim.holder for victim in scenario.victims.values()})
    scenario.conclude(record)
