"""The Service's routes: predict what a request holds, attempt a job that is pushed, report health."""

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
from worker.web import openapi, problems
from worker.web.deadline import Shutdown, shutting_down, until_answered
from worker.web.errors import UnavailableError
from worker.web.predict import Predictions
from worker.web.push import Jobs, nothing_to_do
from worker.web.queue import Queue
from worker.web.request import PredictQuery, closed, read_body
from worker.web.response import rendered
from worker.web.validation import Read, chosen_form, folder_beside, validated

logger = logging.getLogger(__name__)
router = APIRouter()
TITLE, VERSION = "dropfold", "1"


@dataclass(frozen=True)
class ServiceState:
    """Collaborators of the routes. ``read`` reads an input, ``request_seconds`` is a limit.

    ``ready`` is set once the model is loaded.
    """

    predictor: Predictor
    predictions: Predictions
    jobs: Jobs
    queue: Queue
    shutdown: Shutdown
    input_bucket: str
    request_seconds: float
    defaults: Options
    read: Read = read_input
    ready: Event = field(default_factory=Event)

    def ensure_ready(self) -> None:
        """Make sure that work may begin. Raises UnavailableError."""
        if self.predictor.lost:
            raise UnavailableError("The device of this instance has failed.")
        if self.shutdown.begun:
            raise shutting_down()
        if not self.ready.is_set():
            raise UnavailableError("The model is being loaded.")


class JobState(BaseModel):
    """How a job is when its push is answered."""

    job_id: str
    state: State


class Health(BaseModel):
    """A process that is well."""

    status: str = "ok"


def create(state: ServiceState | None = None) -> FastAPI:
    """Make the application; without a state it only describes itself."""
    app = FastAPI(
        title=TITLE, version=VERSION, description=openapi.DESCRIPTION, docs_url=None, redoc_url=None
    )
    app.state.state = state
    app.include_router(router)
    problems.install(app)
    app.openapi = partial(openapi.document, app, app.openapi)  # type: ignore[method-assign]
    return app


def _state(request: Request) -> ServiceState:
    state: ServiceState = request.app.state.state
    return state


ServiceDep = Annotated[ServiceState, Depends(_state)]
JobId = Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="Id of a job in the ledger.")]


@router.post("/predict", response_class=Response, **openapi.PREDICT)
async def predict(request: Request, query: Annotated[PredictQuery, Query()], state: ServiceDep) -> Response:
    """Predict the structure of one input."""
    job_id = request.state.job_id = secrets.token_hex(8)
    started = time.monotonic()
    state.ensure_ready()
    form, options = chosen_form(request.headers.get("accept", "*/*"), query, state.defaults)
    beside = folder_beside(query, state.input_bucket)
    with state.queue.place():
        body = await until_answered(read_body(request), state.request_seconds, state.shutdown)
        with closed(body):
            checked = await asyncio.to_thread(validated, job_id, body, options, beside, state.read)
            work = partial(state.predictions.predict, checked, partial(rendered, form=form))
            left = state.request_seconds - (time.monotonic() - started)
            answer = await until_answered(state.queue.run(work), left, state.shutdown, request)
    logger.info(
        "predicted",
        extra={
            "action": "request.predicted",
            "job_id": job_id,
            "seconds": round(time.monotonic() - started, 3),
        },
    )
    headers = _about(job_id, state.predictor) | {"Dropfold-Checks": answer.verdict}
    return Response(answer.content, media_type=form.value, headers=headers)


@router.post("/jobs/{job_id}", response_model=JobState, **openapi.JOB)
async def push(request: Request, job_id: JobId, state: ServiceDep) -> JobState:
    """Attempt a queued job and answer when it is settled; at once where it is taken or has ended."""
    request.state.job_id = job_id
    job = _known(job_id, await asyncio.to_thread(state.jobs.find, job_id))
    if not nothing_to_do(job):
        state.ensure_ready()
        with state.queue.place():
            work = partial(_attempted, state, job)
            running = state.queue.run(work, alone=job.attempt > 0)
            job = _known(
                job_id, await until_answered(running, state.request_seconds, state.shutdown, request)
            )
    return JobState(job_id=job_id, state=job.state)


@router.get("/healthz/ready", response_model=Health, **openapi.HEALTH)
async def ready(state: ServiceDep) -> Health:
    """Tell whether requests are served: the model is loaded."""
    state.ensure_ready()
    return Health()


@router.get("/healthz/live", response_model=Health, **openapi.HEALTH)
async def live(state: ServiceDep) -> Health:
    """Tell whether this process can be kept: its device has not failed."""
    if state.predictor.lost:
        raise UnavailableError("The device of this instance has failed.")
    return Health()


def _about(job_id: str, predictor: Predictor) -> dict[str, str]:
    random = "true" if predictor.model.random_weights else "false"
    return {"Dropfold-Job-Id": job_id, "Dropfold-Random-Weights": random}


def _known(job_id: str, job: Job | None) -> Job:
    if job is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"No job has the id {job_id}.")
    return job


def _attempted(state: ServiceState, job: Job, wanted: Callable[[], bool]) -> Job | None:
    return state.jobs.handle(job, lambda: wanted() and not state.shutdown.begun)
