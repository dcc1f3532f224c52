"""The worker as a Cloud Run service: takes jobs one request at a time, called with an identity of its own."""

import threading
from http import HTTPStatus

import requests
from google.auth.credentials import Credentials
from google.auth.transport.requests import AuthorizedSession, Request
from google.oauth2 import id_token
from requests.exceptions import RequestException


class ServiceBusyError(Exception):
    """The Service did not serve the request now; another time it may."""


class WorkerService:
    """The Service at an address. ``audience`` is that of its tokens; without one it is sent no token.

    Tokens are those of the identity that the environment has, as Application Default Credentials are found.
    """

    def __init__(self, url: str, audience: str | None, seconds: float) -> None:
        self._url, self._audience, self._seconds = url.rstrip("/"), audience, seconds
        self._lock = threading.Lock()
        self._credentials: Credentials | None = None

    def push(self, job_id: str) -> None:
        """Push a job and wait until it is settled; return at once if it is taken, ended or unknown.

        Raises ServiceBusyError, google.auth's errors.
        """
        try:
            with self._session() as session:
                answer = session.post(f"{self._url}/jobs/{job_id}", timeout=self._seconds)
        except RequestException as error:
            raise ServiceBusyError(f"{self._url} does not answer: {error}") from error
        if not answer.ok and answer.status_code != HTTPStatus.NOT_FOUND:
            raise ServiceBusyError(f"{self._url} answered {answer.status_code}: {answer.text[:500]}")

    def _session(self) -> requests.Session:
        """Open a session of this thread's own; all share the token, which is fetched again when it is old."""
        if self._audience is None:
            return requests.Session()
        with self._lock:
            if self._credentials is None:
                self._credentials = id_token.fetch_id_token_credentials(self._audience, Request())
        return AuthorizedSession(self._credentials)  # type: ignore[no-any-return]
