"""The Service: the worker's model over HTTP, for those who wait, and for jobs that are pushed to it.

Exit status as the job's: 0 when the platform asked to leave, 1 when the device failed or something else kept
it from serving, 2 when a setting is missing or wrong, or a bucket or topic that it
names.
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from types import FrameType

import uvicorn
from pydantic import ValidationError

from worker import no_gc  # noqa: F401  # isort: skip  first: it is about the imports that follow
from gcp import logs
from gcp.clients import Clients
from gcp.health import Health
from gcp.shutdown import raise_on
from gcp.startup import StartError, verify
from inputs.read import read_input
from worker import compose
from worker.compose import Warm, warm
from worker.drain import MAX_IN_FLIGHT
from worker.errors import DeviceLostError, ShutdownRequestedError
from worker.settings import RIGHTS, ServiceSettings
from worker.web import app
from worker.web.app import ServiceState
from worker.web.deadline import Shutdown
from worker.web.predict import Predictions
from worker.web.push import Jobs
from worker.web.queue import Queue

LAST_SECONDS = 1
"""Between the answers to those who wait still when the grace is over, and the end of their connections."""

BACKLOG = 128
KEEP_ALIVE_SECONDS = 620
"""Longer than the 600 s of Google's load balancers, which would else meet a connection as it is closed."""

logger = logging.getLogger("worker.service")


class Server(uvicorn.Server):
    """A server that tells when it is asked to leave, before it waits for the requests under way."""

    def __init__(self, config: uvicorn.Config, on_leaving: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_leaving = on_leaving

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal, in the main thread, which is the event loop's."""
        self._on_leaving()
        super().handle_exit(sig, frame)


def main() -> int:
    """Serve until the platform asks to leave; return the exit status."""
    logs.configure()
    try:
        settings = ServiceSettings()
    except ValidationError as error:
        logger.critical("settings: %s", error, extra={"action": "settings.wrong"})
        return 2
    raise_on(ShutdownRequestedError, signal.SIGTERM, signal.SIGINT)
    try:
        with warm(settings) as ready:
            return _serve(settings, ready)
    except ShutdownRequestedError:
        logger.info("left as asked, before it served", extra={"action": "service.left"})
        return 0
    except StartError:  # the log has it
        return 2
    except (Exception, SystemExit) as error:  # the latter is how uvicorn says that it cannot listen
        logger.critical("the Service failed: %s", error, exc_info=True, extra={"action": "service.failed"})
        return 1


def _serve(settings: ServiceSettings, ready: Warm) -> int:
    clients = Clients(settings)
    verify(Health(clients), settings, RIGHTS)  # while the model is loaded
    state = _state(settings, clients, ready)
    threading.Thread(target=_become_ready, args=(state,), name="ready", daemon=True).start()
    config = uvicorn.Config(
        app.create(state),
        host=settings.bind_address,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(settings.grace_seconds) + LAST_SECONDS,
    )
    try:
        Server(config, state.shutdown.begin).run()
    except ShutdownRequestedError:
        state.jobs.give_back()
        logger.info(
            "left as asked",
            extra={
                "action": "service.left",
                "execution": settings.holder,
                "device_lost": state.predictor.lost,
            },
        )
        return 1 if state.predictor.lost else 0
    return 1  # nobody asked it to leave


def _state(settings: ServiceSettings, clients: Clients, ready: Warm) -> ServiceState:
    runner = compose.job_runner(settings, clients, ready.predictor, datetime.now(UTC), ready.children)
    pipeline = runner.pipeline
    return ServiceState(
        predictor=ready.predictor,
        predictions=Predictions(
            ready.predictor,
            pipeline.check,
            pipeline.uploads,
            pipeline.work_dir,
            pipeline.call,
            pipeline.alignments,
        ),
        jobs=Jobs(runner),
        queue=Queue(settings.queue_limit, MAX_IN_FLIGHT),
        shutdown=Shutdown(settings.grace_seconds),
        input_bucket=settings.input_bucket,
        request_seconds=settings.request_seconds,
        defaults=settings.default_options,
        read=lambda name, content: pipeline.call(
            read_input,
            name,
            content,
            msa_service=settings.msa_server is not None,
            max_tokens=settings.max_tokens,
        ),
    )


def _become_ready(state: ServiceState) -> None:
    """Wait until the model is loaded; where it cannot be, the device counts as lost."""
    try:
        about = {"model": state.predictor.model, "ready_at": state.predictor.ready_at}
    except DeviceLostError:
        logger.critical("the model cannot be loaded", exc_info=True, extra={"action": "model.failed"})
        return
    state.ready.set()
    logger.info("ready", extra=about | {"action": "service.ready"})


if __name__ == "__main__":
    status = main()
    logging.shutdown()
    sys.stdout.flush()
    # As in the job: threads in C++ must not be there when the interpreter ends.
    os._exit(status)
