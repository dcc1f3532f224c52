"""Child processes: started, watched, ended, never left behind. The children are small Python programs."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from support.clock import Clock
from support.patience import until
from support.processes import alive, state

from local.processes import PartError, Supervisor, answers, free_ports

ROOT = Path(__file__).resolve().parents[2]
SLEEP = "print('up', flush=True); import time; time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"


@pytest.fixture
def start(parts: Supervisor, tmp_path: Path) -> Callable[[str, str], Path]:
    """Return what starts Python code as a part, and returns its log."""

    def start(name: str, code: str) -> Path:
        log = tmp_path / "logs" / f"{name}.log"
        parts.start(name, [sys.executable, "-c", code], os.environ, log, tmp_path)
        return log

    return start


def says(log: Path, word: str) -> bool:
    return word in log.read_text()


def test_a_part_writes_its_output_to_its_own_log(
    start: Callable[[str, str], Path], parts: Supervisor
) -> None:
    log = start("talker", SLEEP)
    parts.wait("talker", partial(says, log, "up"))
    parts.check()
    assert log.read_text() == "up\n"


def test_a_part_that_exits_is_named_with_status_last_words_and_log(
    start: Callable[[str, str], Path], parts: Supervisor
) -> None:
    log = start("functions", "print('before', flush=True); raise SystemExit('no such module')")
    with pytest.raises(PartError) as caught:
        parts.wait("functions", lambda: False)
    line = str(caught.value)
    assert line == f"functions ended with status 1; it said last: no such module (log: {log})"
    assert "before" in caught.value.__notes__[0]


def test_a_part_that_is_killed_is_named_with_the_signal(
    start: Callable[[str, str], Path], parts: Supervisor
) -> None:
    start("pubsub", SLEEP)
    os.kill(parts.pids["pubsub"], signal.SIGKILL)
    with pytest.raises(PartError, match="pubsub ended with signal SIGKILL"):
        parts.wait("pubsub", lambda: False)


def test_a_part_that_is_ending_is_named_before_one_that_it_took_along(
    start: Callable[[str, str], Path], parts: Supervisor
) -> None:
    """The first thread of a process ends before the others: so it is where the kernel has much to end."""
    ending = (
        "import ctypes, os, threading, time\n"
        "threading.Thread(target=lambda: (time.sleep(0.5), os._exit(7))).start()\n"
        "ctypes.CDLL(None).pthread_exit(None)"
    )
    start("pubsub", ending)
    start("trigger", "raise SystemExit(1)")
    until(lambda: state(parts.pids["pubsub"]) == "Z")
    with pytest.raises(PartError, match="pubsub ended with status 7"):
        parts.wait("trigger", lambda: False)


def test_waiting_for_one_part_notices_the_death_of_another(
    start: Callable[[str, str], Path], parts: Supervisor
) -> None:
    start("slow", SLEEP)
    start("broken", "raise SystemExit(3)")
    with pytest.raises(PartError, match="broken ended with status 3"):
        parts.wait("slow", lambda: False)


def test_waiting_ends_at_the_deadline_with_the_name_of_the_part(
    start: Callable[[str, str], Path], parts: Supervisor
) -> None:
    start("slow", SLEEP)
    with pytest.raises(PartError, match=r"slow was not ready after 0\.1 s"):
        parts.wait("slow", lambda: False, seconds=0.1)


def test_a_command_that_does_not_exist_is_named(parts: Supervisor, tmp_path: Path) -> None:
    with pytest.raises(PartError, match=r"storage .*no-such-binary"):
        run_until_dead(parts, "storage", ["/no-such-binary"], tmp_path)


def test_leaving_the_block_with_an_error_ends_the_parts_that_were_started(tmp_path: Path) -> None:
    pids: list[int] = []

    def run() -> None:
        with Supervisor() as parts:
            parts.start("first", [sys.executable, "-c", SLEEP], os.environ, tmp_path / "first.log", tmp_path)
            pids.append(parts.pids["first"])
            run_until_dead(parts, "second", [sys.executable, "-c", "raise SystemExit(1)"], tmp_path)

    with pytest.raises(PartError, match="second"):
        run()
    assert not alive(pids[0])


def test_a_dead_part_explains_whatever_else_failed_in_the_block(tmp_path: Path) -> None:
    def run() -> None:
        with Supervisor() as parts:
            code = [sys.executable, "-c", "raise SystemExit(4)"]
            parts.start("emulator", code, os.environ, tmp_path / "log", tmp_path)
            os.waitid(os.P_PID, parts.pids["emulator"], os.WEXITED | os.WNOWAIT)
            raise ConnectionError("a client of the emulator")

    with pytest.raises(PartError, match="emulator ended with status 4"):
        run()


def run_until_dead(parts: Supervisor, name: str, argv: list[str], folder: Path) -> None:
    parts.start(name, argv, os.environ, folder / f"{name}.log", folder)
    parts.wait(name, lambda: False)


def test_a_part_that_ignores_sigterm_is_killed_when_the_grace_is_over(
    start: Callable[[str, str], Path], parts: Supervisor
) -> None:
    log = start("stubborn", STUBBORN)
    parts.wait("stubborn", partial(says, log, "up"))
    pid = parts.pids["stubborn"]
    parts.stop(grace=0.2)
    assert not alive(pid)


def test_the_grace_is_for_all_parts_together(
    start: Callable[[str, str], Path], parts: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c", "d"):
        parts.wait(name, partial(says, start(name, STUBBORN), "up"))
    clock = Clock(now=0)
    monkeypatch.setattr("local.processes.time", clock)
    parts.stop(grace=0.5)
    assert clock.now == pytest.approx(0.5, abs=0.05)


def test_children_of_a_part_end_with_it_even_if_they_ignore_sigterm(
    start: Callable[[str, str], Path], parts: Supervisor
) -> None:
    log = start(
        "parent",
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {STUBBORN!r}], stdout=subprocess.PIPE)\n"
        "child.stdout.readline(); print('child', child.pid, flush=True); child.wait()",
    )
    parts.wait("parent", partial(says, log, "child"))
    child = int(log.read_text().split()[1])
    assert alive(child)
    parts.stop()
    until(lambda: not alive(child))


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv of util-linux")
def test_parts_end_when_their_supervisor_is_killed_with_sigkill(tmp_path: Path) -> None:
    code = (
        "import os, sys, time; from pathlib import Path; from local.processes import Supervisor\n"
        "with Supervisor() as parts:\n"
        f"    parts.start('part', [sys.executable, '-c', {SLEEP!r}], os.environ, Path('part.log'), Path())\n"
        "    print(parts.pids['part'], flush=True); time.sleep(600)"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    supervisor = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE)
    with supervisor:
        try:
            assert supervisor.stdout
            part = int(supervisor.stdout.readline())
            until(lambda: says(tmp_path / "part.log", "up"))
        finally:
            supervisor.kill()
    until(lambda: not alive(part))


def test_without_setpriv_one_line_says_what_is_lost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with Supervisor() as parts:
        log = tmp_path / "part.log"
        parts.start("part", [sys.executable, "-c", SLEEP], os.environ, log, tmp_path)
        parts.wait("part", partial(says, log, "up"))
    assert capsys.readouterr().err.count("\n") == 1


def test_ports_are_different_and_a_server_that_names_one_gets_it() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    for port in ports:
        socket.create_server(("127.0.0.1", port)).close()


def test_a_picked_port_is_given_to_nobody_who_asks_for_any_free_port() -> None:
    picked = set(free_ports(5))
    with contextlib.ExitStack() as held:
        for _ in range(500):
            other = held.enter_context(socket.create_server(("127.0.0.1", 0)))
            assert other.getsockname()[1] not in picked
    # Not by luck: who insists on one of them without being a server is refused.
    with socket.socket() as plain, pytest.raises(OSError, match="in use"):
        plain.bind(("127.0.0.1", picked.pop()))


def test_a_server_answers_whatever_its_status_and_nobody_else_does() -> None:
    [port] = free_ports(1)
    assert not answers(port)
    with HTTPServer(("127.0.0.1", port), BaseHTTPRequestHandler) as server:  # knows no method: status 501
        threading.Thread(target=server.handle_request).start()
        assert answers(port, "/robots.txt")
