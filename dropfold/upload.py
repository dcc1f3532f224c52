"""Send files as new objects, many at once; an object that is there already is not sent again."""

import signal
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

from dropfold.files import LocalFile
from schemas.checksum import crc32c
from schemas.job import Source
from schemas.options import PREFIX

THREADS = 8
"""Files sent at once: fewer than the connections that the storage client keeps open."""

LOOK_FIRST = 1024 * 1024
"""Bytes from which it is cheaper to ask whether a file is there than to send it and be refused."""


class Inputs(Protocol):
    """The input bucket."""

    name: str

    def source(self, name: str) -> Source | None:
        """Return the object that has this name now, or None if it is missing."""

    def drop(
        self, path: Path, name: str, metadata: Mapping[str, str], if_generation: int = 0
    ) -> Source | None:
        """Upload a file over this generation, 0 for a new object; return None if the object has another."""


class Outcome(StrEnum):
    """Outcome of sending a file."""

    SENT = "sent"
    THERE = "already there"
    DIFFERS = "not sent"  # another content, or other options, have its name


@dataclass(frozen=True)
class Upload:
    """A file, its outcome, and the object that has its name now."""

    file: LocalFile
    outcome: Outcome
    source: Source


class LostError(Exception):
    """An object came and went while it was looked at, again and again."""


@dataclass(frozen=True)
class Uploader:
    """Sends files, inputs with metadata; ``overwrite`` replaces objects of the same name that differ."""

    inputs: Inputs
    metadata: Mapping[str, str]
    overwrite: bool

    def send_all(self, files: Sequence[LocalFile]) -> Iterator[Upload]:
        """Send files at once, in any order, and yield each; if closed early, wait for those under way.

        Raises KeyboardInterrupt between two files after SIGINT or SIGTERM.
        """
        done: SimpleQueue[Future[Upload] | None] = SimpleQueue()
        pool = ThreadPoolExecutor(THREADS)
        try:
            with _told_by(done):
                for file in files:
                    pool.submit(self.send, file).add_done_callback(done.put)
                for _ in files:
                    if (future := done.get()) is None:
                        raise KeyboardInterrupt
                    yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def send(self, file: LocalFile) -> Upload:
        """Send one file, idempotently. Raises OSError, LostError."""
        ours = {} if file.is_reference else self.metadata
        if file.path.stat().st_size > LOOK_FIRST and (there := self.inputs.source(file.name)):
            return self._instead(file, ours, there)
        for _ in range(3):
            if made := self.inputs.drop(file.path, file.name, ours):
                return Upload(file, Outcome.SENT, made)
            if there := self.inputs.source(file.name):
                return self._instead(file, ours, there)
        raise LostError(f"gs://{self.inputs.name}/{file.name} is made and deleted by somebody else.")

    def _instead(self, file: LocalFile, ours: Mapping[str, str], there: Source) -> Upload:
        """Keep the object that is there, or overwrite it."""
        if _options(there.metadata) == ours and there.crc32c == crc32c(file.path):
            return Upload(file, Outcome.THERE, there)
        if self.overwrite and (made := self.inputs.drop(file.path, file.name, ours, there.generation)):
            return Upload(file, Outcome.SENT, made)
        return Upload(file, Outcome.DIFFERS, there)


@contextmanager
def _told_by(done: "SimpleQueue[Future[Upload] | None]") -> Iterator[None]:
    """Let signals put None in a queue: an exception could be raised while a lock is held that others need."""
    leaving = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: done.put(None)) for number in leaving}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _options(metadata: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in metadata.items() if key.startswith(PREFIX)}
