"""Keep enough workers alive for the work that is queued."""

import logging
import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from jobs.ledger import Ledger
from schemas.job import State

logger = logging.getLogger(__name__)

LISTED_WITHIN_SECONDS = 60
"""A started execution is counted from memory until the API lists it, which may take a moment."""


class Workers(Protocol):
    """The Cloud Run job of the worker."""

    def executions(self) -> Mapping[str, bool]:
        """Return the newest executions by name, and whether each has finished."""

    def start(self) -> str | None:
        """Start one execution and return its name, or None where the platform asks to wait."""


def wanted(queued: int, max_workers: int, jobs_per_worker: int) -> int:
    """Return the number of workers for a queue of this length."""
    return min(max_workers, math.ceil(queued / jobs_per_worker))


@dataclass
class Launcher:
    """Decides once for all messages that came before the decision; one instance of it exists."""

    ledger: Ledger
    workers: Workers
    max_workers: int
    jobs_per_worker: int
    decision_seconds: float
    _waiting: threading.Lock = field(default_factory=threading.Lock)
    _deciding: threading.Lock = field(default_factory=threading.Lock)
    _decided_at: float = -math.inf
    _started: dict[str, float] = field(default_factory=dict)

    def dispatch(self, _data: bytes, _attributes: Mapping[str, str]) -> None:
        """Reconsider how many workers there are: a message says no more than that work may be queued."""
        self.reconsider()

    def reconsider(self) -> None:
        """Make sure that a decision is taken after this call, however many call at once: one waits for it.

        The others need not, or they would take all of the instance's threads. Where the decision fails, the
        message of the one that waited comes again.
        """
        if not self._waiting.acquire(blocking=False):
            return
        with self._deciding:
            try:
                time.sleep(max(0.0, self._decided_at + self.decision_seconds - time.monotonic()))
            finally:
                self._waiting.release()
            self._decided_at = time.monotonic()
            self._decide()

    def _decide(self) -> None:
        enough = self.max_workers * self.jobs_per_worker  # more would start no more workers
        queued = self.ledger.count(State.QUEUED, enough)
        alive = self._alive() if queued else 0
        for _ in range(wanted(queued, self.max_workers, self.jobs_per_worker) - alive):
            name = self.workers.start()
            if name is None:
                logger.warning(
                    "no worker started: the platform asks to wait",
                    extra={"action": "worker.deferred", "queued": queued},
                )
                return
            self._started[name] = time.monotonic()
            logger.info(
                "worker started",
                extra={"action": "worker.started", "execution": name, "queued": queued, "alive": alive},
            )

    def _alive(self) -> int:
        listed = self.workers.executions()
        horizon = time.monotonic() - LISTED_WITHIN_SECONDS
        self._started = {
            name: at for name, at in self._started.items() if name not in listed and at > horizon
        }
        return len(self._started) + sum(not finished for finished in listed.values())
