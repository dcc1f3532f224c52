"""What starting a worker says where Cloud Run refuses: it waits for a quota, and fails for all else."""

import json
from collections.abc import Iterator

import pytest
from google.api_core.exceptions import BadRequest, Forbidden
from google.auth.credentials import AnonymousCredentials
from support.http_server import Quiet, answered_by

from gcp.cloud_run import WorkerJob

PROCESSORS = "Quota exceeded for total allowable CPU per project per region."
REFUSED: dict[str, tuple[int, str]] = {}


class Refusing(Quiet):
    """Refuses each call as REFUSED says."""

    def respond(self) -> None:
        """Answer with an error as Google writes them."""
        code, message = REFUSED["with"]
        status = {400: "FAILED_PRECONDITION", 403: "PERMISSION_DENIED", 429: "RESOURCE_EXHAUSTED"}[code]
        self.answer(
            code, json.dumps({"error": {"code": code, "message": message, "status": status}}).encode()
        )


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerJob]:
    monkeypatch.setattr("google.auth.default", lambda *_, **__: (AnonymousCredentials(), "p"))
    with answered_by(Refusing) as address:
        yield WorkerJob("p", "l", "worker", address)


@pytest.mark.parametrize(("code", "message"), [(429, "too many runs per minute"), (400, PROCESSORS)])
def test_a_quota_that_is_used_up_means_to_wait(worker: WorkerJob, code: int, message: str) -> None:
    REFUSED["with"] = (code, message)
    assert worker.start() is None


@pytest.mark.parametrize(
    ("code", "message", "error"),
    [(400, "The image cannot be found.", BadRequest), (403, "no run.jobs.run", Forbidden)],
)
def test_what_waiting_does_not_mend_is_an_error(
    worker: WorkerJob, code: int, message: str, error: type[Exception]
) -> None:
    REFUSED["with"] = (code, message)
    with pytest.raises(error):
        worker.start()
