"""Every process is killed by SIGKILL just before and just after each of its steps, once, and restarted."""

import pytest

from chaos.faults import Moment
from chaos.harness import Record, Scenario
from chaos.situations import SITUATIONS
from chaos.steps import STEPS, Step

REPRESENTATIVE = {
    ("worker", "claim", "after"),
    ("worker", "upload 3", "before"),
    ("worker", "write SUCCEEDED", "after"),
    ("worker", "SUCCEEDED event", "after"),
    ("on_upload", "record", "after"),
    ("on_wake", "go on", "after"),
    ("on_align", "keep the first", "after"),
    ("on_align", "let go on", "after"),
    ("on_sweep", "free", "after"),
}
"""What every run of the tests kills."""

AT_ONCE = {("on_upload", "upload"), ("on_upload", "rejected")}
"""Process and situation where the next delivery of the event must do, without any sweep."""


def kills() -> list[object]:
    cases = [(step, moment) for step in STEPS for moment in ("before", "after")]
    return [
        pytest.param(
            step,
            moment,
            id=f"{step.process}, {moment} {step.name}".replace("|", " or "),
            marks=() if (step.process, step.name, moment) in REPRESENTATIVE else pytest.mark.whole,
        )
        for step, moment in cases
    ]


@pytest.mark.parametrize(("step", "moment"), kills())
def test_kill(scenario: Scenario, record: Record, step: Step, moment: Moment) -> None:
    """SIGKILL just before or after a step."""
    record("scenario", f"killed {step.process} {moment}: {step.name}")
    SITUATIONS[step.situation](scenario, lambda: scenario.break_at(step, moment))
    scenario.conclude(record, sweeping=(step.process, step.situation) not in AT_ONCE)
