"""Problem details (RFC 9457) of every error, each reason in the words of ``schemas.failure``."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from inputs.read import InvalidInputError
from jobs.ledger import UnreadableJobError
from schemas.failure import Code, FailedError, Failure
from schemas.storage import StorageUnavailableError
from worker.errors import DeviceLostError
from worker.web.errors import (
    AbandonedError,
    DeadlineExceededError,
    QueueFullError,
    RefusedError,
    UnavailableError,
)

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = "10"
"""When to come again, for a client that has no better idea; about the time of one prediction."""

CLIENT_CLOSED = 499  # nginx's number for it; nobody is there to read it
STATUSES: Mapping[Code, HTTPStatus] = {
    Code.INVALID_INPUT: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.UNSUPPORTED_FILE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Code.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Code.MISSING_REFERENCE: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.OUT_OF_MEMORY: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.TIMEOUT: HTTPStatus.GATEWAY_TIMEOUT,
    Code.MSA_REFUSED: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.NO_OUTPUT: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""How each failure of an input is answered; the others are of the surroundings and may pass: 503."""

logger = logging.getLogger(__name__)


class Problem(BaseModel):
    """Problem details. ``errors`` lists every reason; ``job_id`` finds the request in the logs."""

    model_config = ConfigDict(frozen=True)

    type: str = "about:blank"
    title: str = Field(description="The status in words.")
    status: int = Field(ge=400, le=599)
    detail: str
    job_id: str | None = None
    errors: tuple[Failure, ...] = ()


def refusal(status: HTTPStatus, code: Code, message: str, remedy: str, **about: str) -> RefusedError:
    """Refuse a request for one reason."""
    return RefusedError(status, Failure(code=code, message=message, remedy=remedy, **about))


def install(app: FastAPI) -> None:
    """Answer every error of an app with problem details."""
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)


def answer(
    request: Request,
    status: int,
    detail: str,
    errors: Sequence[Failure] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Write a problem, with the id of the request where it has one."""
    job_id = getattr(request.state, "job_id", None)
    problem = Problem(
        title=HTTPStatus(status).phrase, status=status, detail=detail, job_id=job_id, errors=tuple(errors)
    )
    named = {"Dropfold-Job-Id": job_id} if job_id else {}
    retry = {"Retry-After": RETRY_SECONDS} if status in {429, 503} else {}
    if job_id:  # probes have none
        logger.info(
            "refused",
            extra={"action": "request.refused", "status": status, "detail": detail, "job_id": job_id},
        )
    return Response(
        problem.model_dump_json(), status, {**named, **retry, **(headers or {})}, media_type=MEDIA_TYPE
    )


def _of_failures(request: Request, status: HTTPStatus, failures: Sequence[Failure]) -> Response:
    more = f" ({len(failures)} errors are listed.)" if len(failures) > 1 else ""
    return answer(request, status, f"{failures[0].message}{more}", failures)


def _invalid(request: Request, error: Any) -> Response:  # noqa: ANN401  handlers get what they are for
    return _of_failures(request, STATUSES[error.failures[0].code], error.failures)


def _failed(request: Request, error: Any) -> Response:  # noqa: ANN401
    failure: Failure = error.failure
    return _of_failures(request, STATUSES.get(failure.code, HTTPStatus.SERVICE_UNAVAILABLE), [failure])


def _refused(request: Request, error: Any) -> Response:  # noqa: ANN401
    return _of_failures(request, error.status, error.failures)


def _parameters(request: Request, error: Any) -> Response:  # noqa: ANN401
    failures = [_of_parameter(detail) for detail in error.errors()]
    return _of_failures(request, HTTPStatus.UNPROCESSABLE_ENTITY, failures)


def _of_parameter(detail: Mapping[str, Any]) -> Failure:
    where, name = str(detail["loc"][0]), str(detail["loc"][-1])
    known = "/openapi.json lists the known ones with their limits."
    return Failure(
        code=Code.INVALID_INPUT,
        message=f"The {where} parameter {name} is not usable: {detail['msg']}.",
        field=f"{where}.{name}",
        value=str(detail["input"]),
        remedy=f"Set it within its limits, or leave it out for the default. {known}",
    )


def _http(request: Request, error: Any) -> Response:  # noqa: ANN401
    return answer(request, error.status_code, str(error.detail), headers=error.headers)


def _full(request: Request, _error: Any) -> Response:  # noqa: ANN401
    detail = f"Every place in the queue is taken. Try again after {RETRY_SECONDS} s."
    return answer(request, HTTPStatus.TOO_MANY_REQUESTS, detail)


def _too_late(request: Request, _error: Any) -> Response:  # noqa: ANN401
    detail = (
        "The answer took longer than a request may. Shorten the chains, ask for fewer samples or steps, or "
        "drop the file into the input bucket, where nobody waits."
    )
    return answer(request, HTTPStatus.GATEWAY_TIMEOUT, detail)


def _unavailable(request: Request, error: Any) -> Response:  # noqa: ANN401
    whys = {
        AbandonedError: "This instance is leaving.",
        DeviceLostError: "The device of this instance has failed.",
        StorageUnavailableError: "The input bucket does not answer.",
    }
    if not isinstance(error, UnavailableError):
        logger.warning("unavailable", exc_info=error, extra={"action": "request.unavailable"})
    detail = f"{whys.get(type(error), error)} Try again after {RETRY_SECONDS} s."
    return answer(request, HTTPStatus.SERVICE_UNAVAILABLE, detail)


def _gone(_request: Request, _error: Any) -> Response:  # noqa: ANN401
    return Response(status_code=CLIENT_CLOSED)


def _defect(request: Request, error: Any) -> Response:  # noqa: ANN401
    logger.error("a defect", exc_info=error, extra={"action": "request.failed"})
    detail = "The Service failed over this request; its log says why."
    return answer(request, HTTPStatus.INTERNAL_SERVER_ERROR, detail)


_HANDLERS = {
    InvalidInputError: _invalid,
    FailedError: _failed,
    RefusedError: _refused,
    RequestValidationError: _parameters,
    HTTPException: _http,
    QueueFullError: _full,
    DeadlineExceededError: _too_late,
    AbandonedError: _unavailable,
    UnavailableError: _unavailable,
    DeviceLostError: _unavailable,
    StorageUnavailableError: _unavailable,
    UnreadableJobError: _unavailable,
    ClientDisconnect: _gone,
    Exception: _defect,
}
