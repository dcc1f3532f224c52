"""Real child processes, since what matters is that they can be killed and are gone afterwards."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from textwrap import dedent
from threading import Thread

import pytest
from pebble import ProcessFuture
from support.child_calls import FAILURE, add, be_killed, die, hang, meet, pid, refuse, stumble, take, told
from support.patience import HANG, NEVER, until
from support.processes import alive

from inputs.read import InvalidInputError, read_input
from schemas.failure import Code, FailedError
from worker.child_pool import CHILDREN, ChildPool
from worker.errors import StoppedError
from worker.prepare import here, in_child

PATH = {"PYTHONPATH": str(Path(__file__).parents[2])}
IMPORTED = "worker.child_pool"
"""Once, before children are forked."""


@pytest.fixture(scope="module")
def children() -> Iterator[ChildPool]:
    """ChildPool for the tests that leave them as they were."""
    children = ChildPool(NEVER, IMPORTED)
    yield children
    children.stop()


def pids(children: ChildPool) -> list[int]:
    return list(children._pool._pool_manager.worker_manager.workers)


def until_gone(process: int) -> None:
    until(lambda: not alive(process))


def test_a_call_runs_in_another_process_and_returns_what_it_returns(children: ChildPool) -> None:
    assert children.run(pid) != os.getpid()
    assert children.run(add, 1, 2, more=3) == 6


def test_two_calls_run_at_the_same_time(children: ChildPool, tmp_path: Path) -> None:
    assert CHILDREN == 2
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(children.run, meet, tmp_path / a, tmp_path / b) for a, b in ("xy", "yx")]
        for call in calls:
            call.result(HANG)


def test_a_failure_arrives_whole(children: ChildPool) -> None:
    with pytest.raises(FailedError) as caught:
        children.run(refuse)
    assert caught.value.failure == FAILURE


def test_any_other_error_arrives_as_what_it_was(children: ChildPool) -> None:
    with pytest.raises(KeyError, match="surprise"):
        children.run(stumble)


def test_a_call_over_the_limit_is_killed_and_the_next_one_works(tmp_path: Path) -> None:
    children, note = ChildPool(NEVER, IMPORTED), tmp_path / "note"
    try:
        children.run(pid)
        before = pids(children)
        children._limit = 0.5  # for this call alone: whatever is to return has as long as it needs
        with pytest.raises(FailedError) as caught:
            children.run(hang, note)
        assert caught.value.failure.code is Code.TIMEOUT
        children._limit = NEVER
        until(lambda: sum(map(alive, before)) == CHILDREN - 1)
        assert children.run(add, 1, 2) == 3
    finally:
        children.stop()


@pytest.mark.parametrize(("call", "args"), [(die, (7,)), (be_killed, ())])
def test_a_child_that_dies_is_a_lost_worker_and_the_next_call_works(
    children: ChildPool, call: Callable[..., None], args: tuple[int, ...]
) -> None:
    with pytest.raises(FailedError) as caught:
        children.run(call, *args)
    assert caught.value.failure.code is Code.WORKER_LOST
    assert ("7" if args else "-9") in caught.value.failure.message
    assert children.run(add, 1, 2) == 3


def test_one_that_dies_does_not_harm_what_runs_beside_it(children: ChildPool, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(children.run, meet, tmp_path / "x", tmp_path / "y")
        with pytest.raises(FailedError):
            children.run(die, 7)
        (tmp_path / "y").touch()
        beside.result(HANG)


def test_a_child_that_dies_while_it_has_nothing_to_do_is_replaced() -> None:
    """As when the machine is short of memory and kills what it likes."""
    children = ChildPool(NEVER, IMPORTED)
    try:
        idle = children.run(pid)
        os.kill(idle, signal.SIGKILL)
        until_gone(idle)

        def is_replaced() -> bool:
            """Call again and again: before, while and after the pool notices."""
            assert children.run(add, 1, 2) == 3
            return idle not in pids(children)

        until(is_replaced)
        assert children.run(add, 1, 2) == 3
    finally:
        children.stop()


def test_a_call_that_a_pool_takes_just_as_it_breaks_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with ChildPool(NEVER, IMPORTED) as children:
        children.run(pid)
        pool = children._pool

        def take_and_break(*_args: object, **_kwargs: object) -> ProcessFuture[int]:
            pool._pool_manager.handle_broken_pool(BrokenProcessPool())
            return ProcessFuture()  # of which nobody knows

        monkeypatch.setattr(pool, "schedule", take_and_break)
        assert children.run(add, 1, 2) == 3


def test_stopping_kills_the_idle_and_the_busy_and_no_other_takes_over(tmp_path: Path) -> None:
    """The busy one is not waited for: it would take longer than any test waits."""
    children, note = ChildPool(NEVER, IMPORTED), tmp_path / "note"
    idle = children.run(pid)

    def be_busy() -> None:
        with contextlib.suppress(StoppedError):
            children.run(hang, note)

    calling = Thread(target=be_busy, daemon=True)
    calling.start()
    busy = told(note)
    stopping = Thread(target=children.stop, daemon=True)
    stopping.start()
    stopping.join(HANG)
    assert not stopping.is_alive()
    until_gone(idle)
    until_gone(busy)
    calling.join(HANG)
    assert not calling.is_alive()
    assert told(note) == busy


# A child is slow to start: it comes to what its parent gave it when the parent closes that already. A parent
# that is slow to close waits for it.
SLOW_CHILD = """
    import time
    from multiprocessing import spawn
    from pathlib import Path

    prepare = spawn.prepare

    def slowly(data):
        prepare(data)
        while not Path("closed").exists():
            time.sleep(0.005)

    spawn.prepare = slowly
"""
STOPS_AT_ONCE = """
    import pebble.pool.process as pool
    from pathlib import Path
    from worker.child_pool import ChildPool

    stop_process = pool.stop_process

    def slowly(child):
        Path("closed").touch()
        child.join()
        stop_process(child)

    pool.stop_process = slowly
    if __name__ == "__main__":
        ChildPool(600, "slow_child").stop()
"""


def test_stopping_children_that_are_just_starting_is_silent_and_leaves_none(tmp_path: Path) -> None:
    (tmp_path / "slow_child.py").write_text(dedent(SLOW_CHILD))
    (tmp_path / "stops_at_once.py").write_text(dedent(STOPS_AT_ONCE))
    run = subprocess.run(
        [sys.executable, "stops_at_once.py"],
        cwd=tmp_path,
        env=PATH,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout + run.stderr == ""


PARENT = """
    import sys, threading
    from pathlib import Path
    sys.path[:0] = {path}
    from support.child_calls import hang, pid, told
    from support.patience import NEVER
    from worker.child_pool import ChildPool

    if __name__ == "__main__":
        children = ChildPool(NEVER)
        threading.Thread(target=children.run, args=(hang, Path({note!r})), daemon=True).start()
        told(Path({note!r}))  # one is busy: the next call goes to the other
        print(children.run(pid), flush=True)
        input()
"""


@pytest.fixture
def parent(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Start a process with one idle and one busy child."""
    script = tmp_path / "parent.py"
    path = [entry for entry in sys.path if entry]
    script.write_text(dedent(PARENT).format(path=path, note=str(tmp_path / "note")))
    process = subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("which", ["idle", "busy"])
def test_children_end_when_their_parent_is_killed(
    parent: "subprocess.Popen[str]", tmp_path: Path, which: str
) -> None:
    assert parent.stdout
    found = {"busy": told(tmp_path / "note"), "idle": int(parent.stdout.readline())}
    parent.kill()
    parent.wait(HANG)
    try:
        until_gone(found[which])
    finally:
        for process in found.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def test_an_input_that_is_wrong_is_so_in_a_child_too(children: ChildPool) -> None:
    text = b"sequences: [{protein: {id: A, sequence: nlyiq, msa: empty}}, {ligand: {id: B, ccd: QQQQQ}}]"
    whys = []
    for call in (here, in_child(children)):
        with pytest.raises(InvalidInputError) as caught:
            call(read_input, "a.yaml", text, max_tokens=9)
        whys.append((caught.value.failures, str(caught.value)))
    assert whys[0] == whys[1]
    assert len(whys[0][0]) == 2


def test_what_takes_more_memory_than_a_child_has_is_too_large_an_input() -> None:
    with ChildPool(NEVER, IMPORTED, memory=128 * 2**20) as children:
        with pytest.raises(FailedError) as caught:
            in_child(children)(bytes, 2**30)
        assert caught.value.failure.code is Code.OUT_OF_MEMORY


def test_a_child_that_asks_for_too_much_memory_is_told_so_and_goes_on() -> None:
    with ChildPool(NEVER, IMPORTED, memory=128 * 2**20) as children:
        with pytest.raises(MemoryError):
            children.run(take, 256)
        assert children.run(take, 32) == 32 * 2**20
