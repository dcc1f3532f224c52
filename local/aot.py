"""Emulators that start from what an earlier start left behind: Java's ahead-of-time cache (JEP 514).

It holds an emulator's classes as they were when they had been loaded and linked: half of the processor's
time until it answers. It is made once, by a start of its own.
"""

import fcntl
import hashlib
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from local.processes import answers, bound, free_ports

LONGEST_SECONDS = 60
"""Longest wait for that start, and for its end; without its cache an emulator starts as well, but later."""

Command = Callable[[int], list[str]]
"""Function from a port to an emulator's command line."""


def ahead(command: Command, port: int, cache: Path) -> list[str]:
    """Return the command of an emulator that uses a cache in a folder; it is made now if it is not there."""
    java, *options = command(port)
    kept = cache / f"{_identity(command(0))}.aot"
    cache.mkdir(parents=True, exist_ok=True)
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            _make(kept, command)
    return [java, *([f"-XX:AOTCache={kept}"] if kept.exists() else []), *options]


def _identity(command: Sequence[str]) -> str:
    """Return a digest of a command and the archives on its class path: Java takes no other's cache."""
    paths = [Path(name) for word in command for name in word.split(os.pathsep) if name.endswith(".jar")]
    files = [f"{stat.st_size} {stat.st_mtime_ns}" for stat in map(Path.stat, paths)]
    return hashlib.sha256("\n".join([*command, *files]).encode()).hexdigest()[:16]


def _make(kept: Path, command: Command) -> None:
    """Start an emulator, end it when it answers, and keep what Java then writes."""
    [port] = free_ports(1)
    java, *options = command(port)
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        made = Path(folder) / kept.name
        recording = bound([java, f"-XX:AOTCacheOutput={made}", *options])
        with subprocess.Popen(recording, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as emulator:
            try:
                _wait_for(emulator, port)
            finally:  # also where a signal asks this process to leave: else it would wait for ever
                emulator.terminate()
                _end(emulator)
        if made.exists():
            made.replace(kept)


def _wait_for(emulator: "subprocess.Popen[bytes]", port: int) -> None:
    latest = time.monotonic() + LONGEST_SECONDS
    while emulator.poll() is None and not answers(port) and time.monotonic() < latest:
        time.sleep(0.1)


def _end(emulator: "subprocess.Popen[bytes]") -> None:
    try:
        emulator.wait(LONGEST_SECONDS)
    except subprocess.TimeoutExpired:
        emulator.kill()
