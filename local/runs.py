"""Folders of runs, under ``.local/runs``: each belongs to one process; old ones are pruned.

A run that ended well leaves nothing. One that did not leaves its folder, for its logs.
"""

import fcntl
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.parts import ROOT

RUNS = ROOT / ".local" / "runs"
KEPT = 5
"""Number of folders that are kept of runs that did not end well; the newest."""

OWNER = "owner.lock"
"""Lock file of the process that owns a folder; the kernel unlocks it, whichever way the process ends."""


@dataclass
class Run:
    """A folder of one run; whoever uses it sets ``ended_well``, which removes a ``temporary`` one."""

    folder: Path
    temporary: bool = False
    ended_well: bool = False


@contextmanager
def given(folder: Path) -> Iterator[Run]:
    """Own a folder that the caller named, while the block runs; it stays.

    Raises BlockingIOError, which names the folder, if it has an owner.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / OWNER).touch()
    with _locked(folder / OWNER, fcntl.LOCK_EX | fcntl.LOCK_NB):
        yield Run(folder)


@contextmanager
def fresh(kind: str, runs: Path = RUNS) -> Iterator[Run]:
    """Own a new folder while the block runs; it stays, and stderr names it, unless the run ``ended_well``."""
    runs.mkdir(parents=True, exist_ok=True)
    gate = runs / "runs.lock"
    gate.touch()
    with ExitStack() as owned:
        with _locked(gate, fcntl.LOCK_EX):  # or another process would prune what nobody owns yet
            prune(runs)
            run = owned.enter_context(given(Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=runs))))
            run.temporary = True
        try:
            yield run
        finally:
            _leave(run)


def prune(runs: Path) -> None:
    """Remove the folders that nobody owns, except the newest few."""
    old = [folder for folder in runs.iterdir() if folder.is_dir() and not _is_owned(folder)]
    old.sort(key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in old[KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)


def _leave(run: Run) -> None:
    logs = run.folder / "logs"
    if run.ended_well or not logs.is_dir():
        shutil.rmtree(run.folder, ignore_errors=True)
    else:
        print(f"This run's logs are kept in {logs}", file=sys.stderr)


def _is_owned(folder: Path) -> bool:
    try:
        with _locked(folder / OWNER, fcntl.LOCK_SH | fcntl.LOCK_NB):
            return False
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True


@contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    """Hold a lock on a file while the block runs. Raises BlockingIOError, FileNotFoundError."""
    with path.open() as file:
        try:
            fcntl.flock(file, how)
        except BlockingIOError as error:
            raise BlockingIOError(error.errno, "A running stack owns this folder", str(path.parent)) from None
        yield
