"""Jobs that are pushed to the Service: run as the worker runs them, one request for each."""

import logging
import threading
from dataclasses import dataclass, field

from schemas.job import Job, State
from worker.errors import ShutdownRequestedError, TooLateError
from worker.job_runner import JobRunner
from worker.lease import LeasedJob
from worker.web.errors import AbandonedError
from worker.web.queue import Wanted

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Jobs:
    """The jobs in flight, which are given back at shutdown."""

    runner: JobRunner
    _held: set[LeasedJob] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, job_id: str) -> Job | None:
        """Read a job as it is now. Raises UnreadableJobError."""
        return self.runner.find(job_id)

    def handle(self, job: Job, wanted: Wanted) -> Job | None:
        """Attempt a queued job and settle it; return it as it is afterwards.

        It is not begun where nobody wants it any more when the device is free for it; once begun it is ended.
        Raises AbandonedError, DeviceLostError.
        """
        leased = self.runner.session(job, lambda _turns: wanted())
        with self._lock:
            self._held.add(leased)
        try:
            self.runner.run(leased)
        except (ShutdownRequestedError, TooLateError) as error:
            raise AbandonedError(job.job_id) from error
        except Exception:
            logger.exception("the job did not end", extra=job.about | {"action": "job.unfinished"})
            raise
        finally:
            with self._lock:
                self._held.discard(leased)
        return self.find(job.job_id)

    def give_back(self) -> None:
        """Give back what is in flight, because the process shuts down."""
        with self._lock:
            held = list(self._held)
        for leased in held:
            leased.stop_renewing()
            self.runner.release(leased)


def nothing_to_do(job: Job) -> bool:
    """Return whether a push of this job has nothing to do: it is taken, has ended, or waits for a file."""
    return job.state is not State.QUEUED
