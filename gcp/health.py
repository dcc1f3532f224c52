"""Looks at each part of a project, without changing anything and without waiting for long."""

from collections.abc import Callable, Sequence
from functools import partial

import google.auth
from google.api_core.exceptions import (
    Forbidden,
    MethodNotAllowed,
    MethodNotImplemented,
    NotFound,
    Unauthorized,
)
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import cloudquotas_v1

from gcp.clients import Clients
from gcp.cloud_run import WorkerJob
from gcp.errors import ERRORS, said
from gcp.ledger import COLLECTION
from schemas.finding import Finding, Outcome

RUN = "run.googleapis.com"
SECONDS = 10


class Health:
    """A project as whoever runs the command finds it. No method raises Google's errors."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def credentials(self) -> Finding:
        """Look for credentials; whether they open anything, the other looks say."""
        return _finding(_credentials)

    def bucket(self, name: str) -> Finding:
        """Look whether a bucket is there and lists its objects."""

        def look() -> str:
            listing = self._clients.storage.list_blobs(name, max_results=1, timeout=SECONDS, retry=None)
            return f"gs://{name} answers" if list(listing) else f"gs://{name} answers, and is empty"

        return _finding(look)

    def bucket_rights(self, name: str, rights: Sequence[str]) -> Finding:
        """Look which rights on a bucket are missing."""

        def ask() -> Sequence[str]:
            bucket = self._clients.storage.bucket(name)
            return list(bucket.test_iam_permissions(list(rights), timeout=SECONDS, retry=None))

        return _rights(rights, ask)

    def topic(self, name: str) -> Finding:
        """Look whether a topic is there."""

        def look() -> str:
            self._clients.publisher.get_topic(topic=self._topic(name), retry=None, timeout=SECONDS)
            return f"{name} is there"

        return _finding(look)

    def topic_rights(self, name: str, rights: Sequence[str]) -> Finding:
        """Look which rights on a topic are missing."""

        def ask() -> Sequence[str]:
            request = {"resource": self._topic(name), "permissions": list(rights)}
            publisher = self._clients.publisher
            return list(publisher.test_iam_permissions(request, retry=None, timeout=SECONDS).permissions)

        return _rights(rights, ask)

    def ledger(self) -> Finding:
        """Look whether the ledger can be read."""

        def look() -> str:
            jobs = self._clients.firestore.collection(COLLECTION)
            there = list(jobs.limit(1).stream(retry=None, timeout=SECONDS))
            return "the ledger has jobs" if there else "the ledger answers, and has no job yet"

        return _finding(look)

    def worker(self, region: str, job: str, endpoint: str) -> Finding:
        """Look whether the worker's Cloud Run job is there, and how many of it are alive."""

        def look() -> str:
            alive = WorkerJob(self._clients.project, region, job, endpoint).alive(SECONDS)
            return f"{job} in {region}, {alive} executions alive"

        return _finding(look)

    def quota(self, quota: str, region: str, endpoint: str) -> Finding:
        """Look how much a quota of Cloud Run grants in a region."""
        service = f"projects/{self._clients.project}/locations/global/services/{RUN}"
        finding = _finding(partial(_granted, f"{service}/quotaInfos/{quota}", region, endpoint))
        if finding.found is Outcome.MISSING:  # a quota is never missing: this API does not know it
            return Finding(Outcome.UNKNOWN, finding.detail)
        return Finding(Outcome.REFUSED, f"none in {region}") if finding.detail == "0" else finding

    def _topic(self, name: str) -> str:
        return str(self._clients.publisher.topic_path(self._clients.project, name))


def _credentials() -> str:
    credentials, _ = google.auth.default()
    account = getattr(credentials, "service_account_email", None) or getattr(credentials, "account", None)
    return f"found, {account or type(credentials).__module__.rpartition('.')[2]}"


def _granted(name: str, region: str, endpoint: str) -> str:
    """Return how much a quota grants in a region; -1 is no limit."""
    client = cloudquotas_v1.CloudQuotasClient(transport="rest", client_options={"api_endpoint": endpoint})
    info = client.get_quota_info(name=name, retry=None, timeout=SECONDS)
    granted = (each.details.value for each in info.dimensions_infos if region in each.applicable_locations)
    return str(next(granted, 0))


def _finding(look: Callable[[], str]) -> Finding:
    """Look, and say in our words what an error means."""
    try:
        return Finding(Outcome.OK, look())
    except (NotFound, DefaultCredentialsError) as error:
        return Finding(Outcome.MISSING, said(error))
    except (Forbidden, Unauthorized) as error:
        return Finding(Outcome.REFUSED, said(error))
    except (MethodNotImplemented, MethodNotAllowed) as error:
        return Finding(Outcome.UNKNOWN, said(error))
    except ERRORS as error:
        return Finding(Outcome.SILENT, said(error))


def _rights(wanted: Sequence[str], ask: Callable[[], Sequence[str]]) -> Finding:
    """Name the rights that are missing, of something that is there."""
    finding = _finding(lambda: " ".join(ask()))
    if finding.found is Outcome.MISSING:  # the question is, since the thing is there
        return Finding(Outcome.UNKNOWN, finding.detail)
    missing = [right for right in wanted if right not in finding.detail.split()]
    return (
        Finding(Outcome.REFUSED, ", ".join(missing)) if finding.found is Outcome.OK and missing else finding
    )
