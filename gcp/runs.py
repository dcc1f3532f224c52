"""Cloud Run: start executions of the worker's job, and see which are alive."""

from collections.abc import Mapping

from google.api_core.exceptions import ResourceExhausted, TooManyRequests
from google.cloud import run_v2

PAGE = 100
"""Newest executions looked at: more than may ever be alive at once."""


class WorkerJob:
    """The Cloud Run job of the worker. REST, so that one endpoint setting says where the API is."""

    def __init__(self, project: str, region: str, job: str, endpoint: str) -> None:
        options = {"api_endpoint": endpoint}
        self._jobs = run_v2.JobsClient(transport="rest", client_options=options)
        self._executions = run_v2.ExecutionsClient(transport="rest", client_options=options)
        self._name = self._jobs.job_path(project, region, job)

    def executions(self) -> Mapping[str, bool]:
        """Return the newest executions by name, and whether each has finished."""
        request = run_v2.ListExecutionsRequest(parent=self._name, page_size=PAGE)
        page = next(iter(self._executions.list_executions(request).pages)).executions
        return {execution.name: bool(execution.completion_time) for execution in page}

    def alive(self, seconds: float) -> int:
        """Count the executions that have not finished. Raises google.api_core's errors, within seconds."""
        request = run_v2.ListExecutionsRequest(parent=self._name, page_size=PAGE)
        pager = self._executions.list_executions(request, retry=None, timeout=seconds)
        page = next(iter(pager.pages)).executions
        return sum(not execution.completion_time for execution in page)

    def start(self) -> str | None:
        """Start one execution and return its name without waiting for it.

        None where Cloud Run asks to wait: a rate or a GPU quota is used up.
        """
        try:
            operation = self._jobs.run_job(name=self._name)
        except (ResourceExhausted, TooManyRequests):
            return None
        return str(operation.metadata.name)
