"""Looks at what an operator needs besides a project's parts: credentials, workers, quota, MSA server."""

from functools import partial

import google.auth

from gcp import msa_server, quotas
from gcp.cloud_run import WorkerJob
from gcp.health import SECONDS, Health, observed
from schemas.finding import Finding, Outcome


class ProjectHealth(Health):
    """A project as whoever runs the command finds it. No method raises Google's errors."""

    def credentials(self) -> Finding:
        """Check that there are credentials; the other checks tell whether they are good for anything."""
        return observed(_credentials)

    def worker(self, region: str, job: str, endpoint: str) -> Finding:
        """Check that the worker's Cloud Run job exists; the finding has how many executions are alive."""

        def look() -> str:
            alive = WorkerJob(self._clients.project, region, job, endpoint).alive(SECONDS)
            return f"{job} in {region}, {alive} executions alive"

        return observed(look)

    def quota(self, quota: str, region: str, endpoint: str) -> Finding:
        """Check how much a quota of Cloud Run grants in a region."""
        finding = observed(partial(_granted, quota, self._clients.project, region, endpoint))
        if finding.found is Outcome.MISSING:  # a quota is never missing: this API does not know it
            return Finding(Outcome.UNKNOWN, finding.detail)
        return Finding(Outcome.REFUSED, f"none in {region}") if finding.detail == "0" else finding

    def msa_server(self, url: str) -> Finding:
        """Check that an MSA server answers; the finding has how many searches it has queued."""
        return msa_server.queue(url)


def _credentials() -> str:
    credentials, _ = google.auth.default()
    account = getattr(credentials, "service_account_email", None) or getattr(credentials, "account", None)
    return f"found, {account or type(credentials).__module__.rpartition('.')[2]}"


def _granted(quota: str, project: str, region: str, endpoint: str) -> str:
    """Return how much a quota grants in a region; -1 is no limit."""
    return str(quotas.granted(quota, project, region, endpoint).amount)
