"""Why a request has no result; ``problems`` says how each is answered."""

from http import HTTPStatus

from schemas.failure import Failure


class RequestError(Exception):
    """Root of the errors of requests."""


class QueueFullError(RequestError):
    """Every place is taken."""


class DeadlineExceededError(RequestError):
    """The answer took longer than a request may."""


class AbandonedError(RequestError):
    """Work was not begun: its client has gone, or the process shuts down."""


class UnavailableError(RequestError):
    """Another process may serve the request, this one cannot; the message is the reason in words."""


class RefusedError(RequestError):
    """A request that is answered with this status, for these reasons."""

    def __init__(self, status: HTTPStatus, *failures: Failure) -> None:
        super().__init__("; ".join(failure.message for failure in failures))
        self.status, self.failures = status, failures
