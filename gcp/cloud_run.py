"""Cloud Run: start executions of the worker's job, and see which are alive."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import takewhile

from google.api_core.exceptions import BadRequest, GoogleAPICallError, ResourceExhausted, TooManyRequests
from google.cloud import run_v2

PAGE = 100
"""Executions that the API lists in one answer at most."""

LONGEST_LIFE = timedelta(hours=4)
"""Executions that were created longer ago have ended: the job's tries and timeout allow no more."""


class WorkerJob:
    """The Cloud Run job of the worker. REST, so that one endpoint setting says where the API is."""

    def __init__(self, project: str, region: str, job: str, endpoint: str) -> None:
        options = {"api_endpoint": endpoint}
        self._jobs = run_v2.JobsClient(transport="rest", client_options=options)
        self._executions = run_v2.ExecutionsClient(transport="rest", client_options=options)
        self._name = self._jobs.job_path(project, region, job)

    def executions(self) -> Mapping[str, bool]:
        """Return all executions that may be alive by name, and whether each has finished."""
        return {execution.name: bool(execution.completion_time) for execution in self._young()}

    def alive(self, seconds: float) -> int:
        """Count the executions that have not finished.

        Raises google.api_core's errors, within seconds for each hundred of them.
        """
        return sum(not execution.completion_time for execution in self._young(retry=None, timeout=seconds))

    def _young(self, **how: object) -> Iterator[run_v2.Execution]:
        """List those that may be alive, the newest first: many ended ones may be younger than one at work."""
        request = run_v2.ListExecutionsRequest(parent=self._name, page_size=PAGE)
        oldest = datetime.now(UTC) - LONGEST_LIFE
        found = self._executions.list_executions(request, **how)
        return takewhile(lambda execution: execution.create_time > oldest, found)

    def start(self) -> str | None:
        """Start one execution and return its name without waiting for it.

        None where Cloud Run asks to wait: a rate, or a quota of GPUs, processors or memory, is used up.
        """
        try:
            operation = self._jobs.run_job(name=self._name)
        except GoogleAPICallError as error:
            if not _asks_to_wait(error):
                raise
            return None
        return str(operation.metadata.name)


def _asks_to_wait(error: GoogleAPICallError) -> bool:
    """Say whether a quota is used up; that of processors or memory comes as a bad request."""
    if isinstance(error, ResourceExhausted | TooManyRequests):
        return True
    return isinstance(error, BadRequest) and "quota" in str(error.message).lower()
