"""The Cloud Run Job: load the model once, drain the queue, leave when it is idle.

Exit status: 0 when the queue was idle or the platform asked to leave, 1 when the device failed (Cloud Run
starts the task again), 2 when a setting is missing or wrong.
"""

import logging
import os
import resource
import signal
import sys
import time
from datetime import UTC, datetime
from types import FrameType
from typing import TYPE_CHECKING

from pydantic import ValidationError

from worker import uncollected  # isort: skip  first: it is about the imports that follow
from gcp import logs, project
from worker.attempt import Bench
from worker.children import PRELOAD, Children
from worker.device import Device, DeviceLostError
from worker.drain import IN_HAND, Worker
from worker.handling import Handling
from worker.lease import LeaveError
from worker.read_ahead import read_ahead
from worker.report.shows import shows_in
from worker.settings import WorkerSettings

if TYPE_CHECKING:
    from worker.predictor import Predictor

LOOK_SECONDS = 0.5
logger = logging.getLogger("worker")


def main() -> int:
    """Run one worker's life; return its exit status."""
    logs.configure()
    try:
        settings = WorkerSettings()
    except ValidationError as error:
        logger.critical("settings: %s", error)
        return 2
    signal.signal(signal.SIGTERM, _leave)
    children = Children(settings.read_seconds, *PRELOAD)
    try:
        _work(settings, children)
    except LeaveError:
        logger.info("left as asked")
    except DeviceLostError as error:
        logger.critical("leaving for a fresh process: %s", error, exc_info=True)
        return 1
    except Exception as error:
        logger.critical("the worker failed, leaving for a fresh process: %s", error, exc_info=True)
        return 1
    finally:
        children.stop()
    return 0


def _leave(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # leaving once is enough
    raise LeaveError


def _work(settings: WorkerSettings, children: Children) -> None:
    started, started_at = time.monotonic(), datetime.now(UTC)
    read_ahead(settings.boltz_cache, "boltz2_conf.ckpt")
    from worker.predictor import Predictor  # noqa: PLC0415  torch: seconds, while the children start

    uncollected.collect_again()

    device = Device(settings.prediction_seconds)
    predictor = Predictor(settings.boltz_cache, children, device, settings.device)
    ledger = project.ledger(settings)
    bench = Bench(
        uploads=project.bucket(settings, settings.input_bucket),
        results=project.bucket(settings, settings.output_bucket),
        predictor=predictor,
        work_dir=settings.work_dir,
        started_at=started_at,
        cache=ledger if settings.result_cache else None,
        shows=shows_in(children),
        usd_per_hour=settings.usd_per_hour,
    )
    worker = Worker(
        handling=Handling(ledger, project.settler(settings), bench, settings.holder, settings.renew_seconds),
        idle_seconds=settings.idle_seconds,
        take_until=started + settings.task_seconds - settings.prediction_seconds - settings.read_seconds,
    )
    work = project.subscription(settings, settings.work_subscription)
    with work.pulling(IN_HAND, LOOK_SECONDS) as deliveries:
        try:
            worker.drain(deliveries)
        finally:
            logger.info(
                "worker life", extra={"execution": settings.holder, **_life(started, device, predictor)}
            )


def _life(started: float, device: Device, predictor: "Predictor") -> dict[str, float]:
    """Sum up a worker's life: seconds, shares, peak bytes of memory."""
    return {
        "seconds": round(time.monotonic() - started, 3),
        "device_busy_seconds": round(device.busy, 3),
        "device_busy_share": round(device.busy_share, 4),
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "device_peak_memory_bytes": predictor.device_peak_memory,
    }


if __name__ == "__main__":
    status = main()
    logging.shutdown()
    sys.stdout.flush()
    # Threads in C++ must not be there when the interpreter ends: one that computes for ever would hold the
    # process, one that loads would abort it.
    os._exit(status)
