"""An emulator's second start uses what its first one left behind."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from support.patience import until

from local import aot, emulators
from local.aot import ahead
from local.processes import Supervisor, answers, free_ports

CACHE = Path(__file__).resolve().parents[2] / ".local" / "cache" / "emulators"


@pytest.mark.extra
def test_a_cache_is_made_once_and_used(
    parts: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jar = emulators.find_jar(emulators.FIRESTORE, CACHE)
    emulator = partial(emulators.firestore, emulators.find_java(), jar)
    [port] = free_ports(1)
    command = ahead(emulator, port, tmp_path)
    [kept] = tmp_path.glob("*.aot")
    monkeypatch.delattr(aot, "_make")
    assert ahead(emulator, port, tmp_path) == command
    parts.start("firestore", command, os.environ, tmp_path / "log", tmp_path)
    parts.wait("firestore", partial(answers, port))
    maps = Path(f"/proc/{parts.pids['firestore']}/maps")
    until(lambda: str(kept) in maps.read_text())


def test_an_emulator_that_leaves_none_is_started_without(tmp_path: Path) -> None:
    def command(port: int) -> list[str]:
        return [sys.executable, "-c", "", str(port)]

    assert ahead(command, 1, tmp_path) == command(1)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_whoever_has_to_leave_meanwhile_leaves_no_emulator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a signal does, an exception comes while the first start is waited for."""
    started: list[int] = []

    def leave(emulator: "subprocess.Popen[bytes]", _port: int) -> None:
        started.append(emulator.pid)
        raise KeyboardInterrupt

    monkeypatch.setattr(aot, "_wait_for", leave)
    endless = [sys.executable, "-c", "import time\nwhile True: time.sleep(1)"]
    with pytest.raises(KeyboardInterrupt):
        ahead(lambda port: [*endless, str(port)], 1, tmp_path)
    assert not Path(f"/proc/{started[0]}").exists()
