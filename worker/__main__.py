"""The Cloud Run Job: load the model once, drain the queue, leave when it is idle.

Exit status: 0 when the queue was idle or the platform asked to leave, 1 when the device failed (Cloud Run
starts the task again), 2 when a setting is missing or wrong, or a bucket or topic that it names.
"""

import logging
import os
import resource
import signal
import sys
import time
from datetime import UTC, datetime

from pydantic import ValidationError

from worker import no_gc  # noqa: F401  # isort: skip  first: it is about the imports that follow
from gcp import logs
from gcp.clients import Clients
from gcp.health import Health
from gcp.shutdown import raise_on
from gcp.startup import StartError, verify
from worker import compose
from worker.compose import Warm, warm
from worker.drain import MAX_IN_FLIGHT
from worker.errors import DeviceLostError, ShutdownRequestedError
from worker.settings import RIGHTS, WorkerSettings

POLL_SECONDS = 0.5
logger = logging.getLogger("worker")


def main() -> int:
    """Run one worker's life; return its exit status."""
    logs.configure()
    try:
        settings = WorkerSettings()
    except ValidationError as error:
        logger.critical("settings: %s", error, extra={"action": "settings.wrong"})
        return 2
    started, started_at = time.monotonic(), datetime.now(UTC)
    raise_on(ShutdownRequestedError, signal.SIGTERM)
    try:
        with warm(settings) as ready:
            _work(settings, ready, started, started_at)
    except ShutdownRequestedError:
        logger.info("left as asked", extra={"action": "worker.left"})
    except StartError:  # the log has it
        return 2
    except DeviceLostError as error:
        logger.critical(
            "leaving for a fresh process: %s", error, exc_info=True, extra={"action": "worker.failed"}
        )
        return 1
    except Exception as error:
        logger.critical(
            "the worker failed, leaving for a fresh process: %s",
            error,
            exc_info=True,
            extra={"action": "worker.failed"},
        )
        return 1
    return 0


def _work(settings: WorkerSettings, ready: Warm, started: float, started_at: datetime) -> None:
    clients = Clients(settings)
    verify(Health(clients), settings, RIGHTS)  # while the model is loaded, before any message is taken
    runner = compose.job_runner(settings, clients, ready.predictor, started_at, ready.children)
    worker = compose.worker(settings, runner, started)
    work = clients.subscription(settings.work_subscription)
    with work.pulling(MAX_IN_FLIGHT, POLL_SECONDS) as deliveries:
        try:
            worker.drain(deliveries)
        finally:
            logger.info(
                "worker life",
                extra={"action": "worker.ended", "execution": settings.holder, **_life(started, ready)},
            )


def _life(started: float, ready: Warm) -> dict[str, float]:
    """Sum up a worker's life: seconds, shares, peak bytes of memory."""
    return {
        "seconds": round(time.monotonic() - started, 3),
        "device_busy_seconds": round(ready.device.busy, 3),
        "device_busy_share": round(ready.device.busy_share, 4),
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "device_peak_memory_bytes": ready.predictor.device_peak_memory,
    }


if __name__ == "__main__":
    status = main()
    logging.shutdown()
    sys.stdout.flush()
    # Threads in C++ must not be there when the interpreter ends: one that computes for ever would hold the
    # process, one that loads would abort it.
    os._exit(status)
