"""The Service's routes: predict what a request holds, attempt a job that is pushed, tell how all is."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from threading import Event
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Path, Query, Request, Response
from pydantic import BaseModel

from inputs.read import read_input
from schemas.job import Job, State
from schemas.options import Options
from worker.predictor import Predictor
from worker.web import asked, documents, problems
from worker.web.answers import rendered
from worker.web.asked import Asked
from worker.web.jobs import Jobs, is_done_with
from worker.web.ordering import Read, chosen_form, folder_beside, ordered
from worker.web.prediction import Predictions
from worker.web.queue import Queue
from worker.web.waiting import Departure, UnavailableError, answered, leaving

logger = logging.getLogger(__name__)
router = APIRouter()
TITLE, VERSION = "dropfold", "1"


@dataclass(frozen=True)
class Desk:
    """What the routes work with. ``read`` reads an input, ``request_seconds`` is a limit.

    ``ready`` is set once the model is loaded.
    """

    predictor: Predictor
    predictions: Predictions
    jobs: Jobs
    queue: Queue
    departure: Departure
    input_bucket: str
    request_seconds: float
    defaults: Options
    read: Read = read_input
    ready: Event = field(default_factory=Event)

    def open(self) -> None:
        """Make sure that work may begin. Raises UnavailableError."""
        if self.predictor.lost:
            raise UnavailableError("The device of this instance has failed.")
        if self.departure.begun:
            raise leaving()
        if not self.ready.is_set():
            raise UnavailableError("The model is being loaded.")


class JobState(BaseModel):
    """How a job is when its push is answered."""

    job_id: str
    state: State


class Health(BaseModel):
    """A process that is well."""

    status: str = "ok"


def create(desk: Desk | None = None) -> FastAPI:
    """Make the application; without a desk it only describes itself."""
    app = FastAPI(
        title=TITLE, version=VERSION, description=documents.DESCRIPTION, docs_url=None, redoc_url=None
    )
    app.state.desk = desk
    app.include_router(router)
    problems.install(app)
    app.openapi = partial(documents.openapi, app, app.openapi)  # type: ignore[method-assign]
    return app


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


AtDesk = Annotated[Desk, Depends(_desk)]
JobId = Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="Id of a job in the ledger.")]


@router.post("/predict", response_class=Response, **documents.PREDICT)
async def predict(request: Request, ask: Annotated[Asked, Query()], desk: AtDesk) -> Response:
    """Predict the structure of one input."""
    job_id = request.state.job_id = secrets.token_hex(8)
    started = time.monotonic()
    desk.open()
    form, options = chosen_form(request.headers.get("accept", "*/*"), ask, desk.defaults)
    beside = folder_beside(ask, desk.input_bucket)
    with desk.queue.place():
        sent = await answered(asked.read(request), desk.request_seconds, desk.departure)
        with asked.closed(sent):
            order = await asyncio.to_thread(ordered, job_id, sent, options, beside, desk.read)
            work = partial(desk.predictions.predict, order, partial(rendered, form=form))
            left = desk.request_seconds - (time.monotonic() - started)
            content = await answered(desk.queue.run(work), left, desk.departure, request)
    logger.info(
        "predicted",
        extra={
            "action": "request.predicted",
            "job_id": job_id,
            "seconds": round(time.monotonic() - started, 3),
        },
    )
    return Response(content, media_type=form.value, headers=_about(job_id, desk.predictor))


@router.post("/jobs/{job_id}", response_model=JobState, **documents.JOB)
async def push(request: Request, job_id: JobId, desk: AtDesk) -> JobState:
    """Attempt a queued job and answer when it is settled; at once where it is taken or has ended."""
    request.state.job_id = job_id
    job = _known(job_id, await asyncio.to_thread(desk.jobs.find, job_id))
    if not is_done_with(job):
        desk.open()
        with desk.queue.place():
            work = partial(_attempted, desk, job)
            running = desk.queue.run(work, alone=job.attempt > 0)
            job = _known(job_id, await answered(running, desk.request_seconds, desk.departure, request))
    return JobState(job_id=job_id, state=job.state)


@router.get("/healthz/ready", response_model=Health, **documents.HEALTH)
async def ready(desk: AtDesk) -> Health:
    """Tell whether requests are served: the model is loaded."""
    desk.open()
    return Health()


@router.get("/healthz/live", response_model=Health, **documents.HEALTH)
async def live(desk: AtDesk) -> Health:
    """Tell whether this process can be kept: its device has not failed."""
    if desk.predictor.lost:
        raise UnavailableError("The device of this instance has failed.")
    return Health()


def _about(job_id: str, predictor: Predictor) -> dict[str, str]:
    random = "true" if predictor.model.random_weights else "false"
    return {"Dropfold-Job-Id": job_id, "Dropfold-Random-Weights": random}


def _known(job_id: str, job: Job | None) -> Job:
    if job is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"No job has the id {job_id}.")
    return job


def _attempted(desk: Desk, job: Job, wanted: Callable[[], bool]) -> Job | None:
    return desk.jobs.handle(job, lambda: wanted() and not desk.departure.begun)
