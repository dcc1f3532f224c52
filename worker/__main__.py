"""The Cloud Run Job: load the model once, drain the queue, leave when it is idle.

Exit status: 0 when the queue was idle or the platform asked to leave, 1 when the device failed (Cloud Run
starts the task again), 2 when a setting is missing or wrong.
"""

import logging
import signal
import sys
from types import FrameType

from pydantic import ValidationError

from gcp import logs, project
from worker.attempt import Bench
from worker.drain import DeviceLostError, LeaveError, Worker
from worker.predictor import Predictor
from worker.settings import WorkerSettings

logger = logging.getLogger("worker")


def main() -> int:
    """Run one worker's life."""
    logs.configure()
    try:
        settings = WorkerSettings()
    except ValidationError as error:
        logger.critical("settings: %s", error)
        return 2
    signal.signal(signal.SIGTERM, _leave)
    try:
        _work(settings)
    except LeaveError:
        logger.info("left as asked")
    except DeviceLostError:
        logger.critical("the device failed; leaving for a fresh process")
        return 1
    return 0


def _leave(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # leaving once is enough
    raise LeaveError


def _work(settings: WorkerSettings) -> None:
    predictor = Predictor(settings.boltz_cache, settings.device)
    logger.info("model loaded", extra={"execution": settings.holder, "model": predictor.model.model_dump()})
    bench = Bench(
        uploads=project.bucket(settings, settings.input_bucket),
        results=project.bucket(settings, settings.output_bucket),
        predictor=predictor,
        work_dir=settings.work_dir,
    )
    worker = Worker(
        ledger=project.ledger(settings),
        settler=project.settler(settings),
        bench=bench,
        holder=settings.holder,
        renew_seconds=settings.renew_seconds,
    )
    work = project.subscription(settings, settings.work_subscription)
    worker.drain(work.pull(settings.idle_seconds))
    logger.info("idle", extra={"execution": settings.holder})


if __name__ == "__main__":
    sys.exit(main())
