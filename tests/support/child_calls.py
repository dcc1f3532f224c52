"""What tests have child processes do, in a module that takes hardly any time to import: each child does."""

import os
import signal
from pathlib import Path

from schemas.failure import Code, FailedError, Failure
from support.patience import until

FAILURE = Failure(code=Code.INVALID_INPUT, message="m", field="sequences[0]", value="v", remedy="r")


def pid() -> int:
    return os.getpid()


def add(left: int, right: int, *, more: int = 0) -> int:
    return left + right + more


def refuse() -> None:
    raise FailedError(FAILURE)


def stumble() -> None:
    raise KeyError("surprise")


def take(mebibytes: int) -> int:
    return len(bytearray(mebibytes * 2**20))


def die(status: int) -> None:
    os._exit(status)


def be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hang(note: Path) -> None:
    """Be busy for longer than any test: in one long call, as a parser in C is."""
    note.write_text(str(os.getpid()))
    sum(range(10**11))


def told(note: Path) -> int:
    """Wait for the process id in a file."""
    return int(until(lambda: note.exists() and note.read_text()))


def meet(mine: Path, other: Path) -> None:
    """Return once another call has come here too."""
    mine.touch()
    until(other.exists)
