"""Child processes of a stack: started together, watched, ended together, never left behind."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Self

READY_SECONDS = 300.0
GRACE_SECONDS = 10.0
POLL_SECONDS = 0.01
TAIL_BYTES = 8192
TAIL_LINES = 15
LINE_CHARACTERS = 200
EXITING = 0x4  # PF_EXITING of Linux, include/linux/sched.h


class PartError(RuntimeError):
    """A part died or never became ready. The message is one line; a note holds the end of the part's log."""


@dataclass(frozen=True)
class Part:
    """One child process: its name in messages, and its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path


class Supervisor:
    """Owns child processes; leaving the ``with`` block ends them all, however it is left.

    Each child leads its own session, so that its group can be ended as one and a Ctrl-C in the terminal
    reaches only the supervisor. Start children from a thread that lives as long as they should: the kernel
    binds a child to the thread that forked it.
    """

    def __init__(self) -> None:
        self._parts: dict[str, Part] = {}

    def __enter__(self) -> Self:
        if shutil.which("setpriv") is None:
            print(
                "setpriv (util-linux) is missing: a stack ended by kill -9 leaves its parts.", file=sys.stderr
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if isinstance(error, Exception) and not isinstance(error, PartError):
                self.check()  # whatever failed in the block, a dead part is the likelier reason
        finally:
            self.stop()

    @property
    def pids(self) -> dict[str, int]:
        """Process id of each part by name."""
        return {name: part.process.pid for name, part in self._parts.items()}

    def start(self, name: str, argv: Sequence[str], env: Mapping[str, str], log: Path, cwd: Path) -> None:
        """Start one part; stdout and stderr go to ``log``. Raises PartError if it cannot be executed."""
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with log.open("wb") as output:
                process = subprocess.Popen(
                    bound(argv),
                    env=env,
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            raise PartError(f"{name} cannot be started: {error}.") from error
        self._parts[name] = Part(name, process, log)

    def wait(self, name: str, ready: Callable[[], bool], seconds: float = READY_SECONDS) -> None:
        """Return as soon as ``ready()``. Raises PartError when any part dies, or at the deadline."""
        deadline = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise _error(self._parts[name], f"was not ready after {seconds:g} s")
            time.sleep(POLL_SECONDS)
        self.check()

    def check(self) -> None:
        """Raise PartError if any part has died, about the one that was started first.

        The others depend on it, and may be gone before the kernel is done with it.
        """
        parts = self._parts.values()
        if any(map(_ended, parts)):
            first = next(part for part in parts if _ended(part) or _is_ending(part))
            first.process.wait()
            raise _error(first, f"ended with {_status(first.process.returncode)}")

    def stop(self, grace: float = GRACE_SECONDS) -> None:
        """End every part: SIGTERM to all groups at once, ``grace`` seconds for all together, then SIGKILL."""
        alive = [part for part in self._parts.values() if not _ended(part)]
        for part in alive:
            _signal_group(part, signal.SIGTERM)
        deadline = time.monotonic() + grace
        while (alive := [part for part in alive if not _ended(part)]) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        for part in alive:
            _signal_group(part, signal.SIGKILL)
            part.process.wait()
        self._parts.clear()


def bound(argv: Sequence[str]) -> list[str]:
    """Return the command, bound to its starting thread: the kernel sends it SIGTERM when that is gone."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--", *argv] if setpriv else list(argv)


def free_ports(count: int) -> list[int]:
    """Return TCP ports on 127.0.0.1 that stay ours for a minute, long enough for the parts to bind them."""
    return [_reserved_port() for _ in range(count)]


def answers(port: int, path: str = "/") -> bool:
    """Return whether an HTTP server on 127.0.0.1 answers, with whatever status."""
    return _status_of(port, path) is not None


def is_well(port: int, path: str) -> bool:
    """Return whether an HTTP server on 127.0.0.1 answers with 200."""
    return _status_of(port, path) == HTTPStatus.OK


def _status_of(port: int, path: str) -> int | None:
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


def _reserved_port() -> int:
    # A listener whose own side closed a connection first leaves the port in TIME_WAIT. The kernel then hands
    # it to nobody who asks for any free port; a server that names it (with SO_REUSEADDR, as all do) gets it.
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()
    return port


def _ended(part: Part) -> bool:
    """Return whether the part has exited; the rest of its group is killed as soon as that is noticed."""
    if part.process.returncode is None and part.process.poll() is not None:
        _signal_group(part, signal.SIGKILL)
    return part.process.returncode is not None


def _is_ending(part: Part) -> bool:
    """Return whether the kernel has begun to end the part: its sockets are closed by then."""
    flags = Path(f"/proc/{part.process.pid}/stat").read_text().rpartition(")")[2].split()[6]
    return bool(int(flags) & EXITING)


def _signal_group(part: Part, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(part.process.pid, number)


def _error(part: Part, what: str) -> PartError:
    lines = tail(part.log)
    last = lines[-1].strip()[:LINE_CHARACTERS] if lines else "(nothing)"
    error = PartError(f"{part.name} {what}; it said last: {last} (log: {part.log})")
    error.add_note("\n".join(lines))
    return error


def tail(log: Path) -> list[str]:
    """Return the last lines of a log, without blank ones."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL_BYTES))
        text = file.read().decode(errors="replace")
    # Without Java's stack frames, under which the line that says what happened would be buried.
    return [line for line in text.splitlines() if line.strip() and not line.startswith("\tat ")][-TAIL_LINES:]


def _status(returncode: int) -> str:
    return f"status {returncode}" if returncode >= 0 else f"signal {signal.Signals(-returncode).name}"
