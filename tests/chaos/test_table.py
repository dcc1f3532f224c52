"""The tables of steps and scenarios, and the mechanism of faults, hold what they promise."""

import os
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest

from chaos import document, faults
from chaos.faults import Fault, Faults, InjectedError
from chaos.harness import ROOT, TESTS
from chaos.situations import SITUATIONS
from chaos.steps import FUNCTIONS, STEPS, Situation
from chaos.test_kills import AT_ONCE, REPRESENTATIVE

CALLED = "colorsys:rgb_to_hsv"
SCRIPT = (
    f"from chaos import faults; faults.install(['{CALLED}']); import colorsys; colorsys.rgb_to_hsv(1, 2, 3)"
)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_that_is_broken_by_name_exists(function: str) -> None:
    """When this fails, the product renamed it: change the name in chaos/steps.py."""
    module, _, name = function.partition(":")
    assert callable(faults.found(import_module(module), name)[2])


def test_every_step_is_one_of_its_own_and_can_be_reached() -> None:
    assert len({(step.process, step.name) for step in STEPS}) == len(STEPS)
    assert SITUATIONS.keys() == set(get_args(Situation)) == {step.situation for step in STEPS}
    assert {step.function for step in STEPS} <= set(FUNCTIONS)


def test_what_is_picked_out_of_the_table_is_in_it() -> None:
    assert {(step.process, step.name, at) for step in STEPS for at in ("before", "after")} >= REPRESENTATIVE
    assert {(step.process, step.situation) for step in STEPS} >= AT_ONCE


def test_the_page_says_what_the_tables_say() -> None:
    """When this fails, write it anew as chaos/document.py says."""
    assert (ROOT / "docs" / "chaos.md").read_text() == document.page()


def run(folder: Path) -> int:
    """Run a process that calls the function once; return its exit status."""
    env = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{TESTS}",
        "CHAOS_FAULTS": str(folder),
        "CLOUD_RUN_EXECUTION": "e",
    }
    return subprocess.run([sys.executable, "-c", SCRIPT], env=env, check=False).returncode


def test_a_fault_is_met_once_by_whom_it_is_meant_for(tmp_path: Path) -> None:
    armed = Faults(tmp_path)
    other = armed.arm(Fault(CALLED, "before", "on_upload"))
    elsewhere = armed.arm(Fault(CALLED, "before", "worker", about="9"))
    mine = armed.arm(Fault(CALLED, "before", "worker", about="1 2 3"))
    assert [run(tmp_path), run(tmp_path)] == [-signal.SIGKILL, 0]
    victim = armed.victim(mine)
    assert victim is not None
    assert victim.holder == "e/0/0"
    assert [armed.victim(each) for each in (other, elsewhere)] == [None, None]


def test_a_fault_waits_for_its_call_and_its_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUD_RUN_EXECUTION", "e")
    armed, done = Faults(tmp_path), list[int]()
    watch = faults.Watch(armed)
    wrapped = watch.wrapped("m:f", done.append)
    armed.arm(Fault("m:f", "after", "worker", nth=2, action="fail"))
    wrapped(1)
    with pytest.raises(InjectedError, match="after"):
        wrapped(2)
    wrapped(3)
    assert done == [1, 2, 3]
