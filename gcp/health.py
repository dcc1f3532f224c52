"""Looks at the parts of a project, without changing anything and without waiting for long."""

from collections.abc import Callable, Sequence

from google.api_core.exceptions import (
    Forbidden,
    MethodNotAllowed,
    MethodNotImplemented,
    NotFound,
    Unauthorized,
)
from google.auth.exceptions import DefaultCredentialsError

from gcp.clients import Clients
from gcp.errors import ERRORS, said
from gcp.ledger import COLLECTION
from schemas.finding import Finding, Outcome

SECONDS = 10


class Health:
    """A project's parts as whoever asks finds them. No method raises Google's errors."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def bucket(self, name: str) -> Finding:
        """Check that a bucket exists and lists its objects."""

        def look() -> str:
            listing = self._clients.storage.list_blobs(name, max_results=1, timeout=SECONDS, retry=None)
            return f"gs://{name} answers" if list(listing) else f"gs://{name} answers, and is empty"

        return observed(look)

    def bucket_rights(self, name: str, rights: Sequence[str]) -> Finding:
        """Check rights on a bucket; the finding names those that are missing."""

        def ask() -> Sequence[str]:
            bucket = self._clients.storage.bucket(name)
            return list(bucket.test_iam_permissions(list(rights), timeout=SECONDS, retry=None))

        return _rights(rights, ask)

    def topic(self, name: str) -> Finding:
        """Check that a topic exists."""

        def look() -> str:
            self._clients.publisher.get_topic(topic=self._topic(name), retry=None, timeout=SECONDS)
            return f"{name} is there"

        return observed(look)

    def topic_rights(self, name: str, rights: Sequence[str]) -> Finding:
        """Check rights on a topic; the finding names those that are missing."""

        def ask() -> Sequence[str]:
            request = {"resource": self._topic(name), "permissions": list(rights)}
            publisher = self._clients.publisher
            return list(publisher.test_iam_permissions(request, retry=None, timeout=SECONDS).permissions)

        return _rights(rights, ask)

    def ledger(self) -> Finding:
        """Check that the ledger can be read."""

        def look() -> str:
            jobs = self._clients.firestore.collection(COLLECTION)
            there = list(jobs.limit(1).stream(retry=None, timeout=SECONDS))
            return "the ledger has jobs" if there else "the ledger answers, and has no job yet"

        return observed(look)

    def _topic(self, name: str) -> str:
        return str(self._clients.publisher.topic_path(self._clients.project, name))


def observed(look: Callable[[], str]) -> Finding:
    """Look, and return the finding, also for an error."""
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
    """Return a finding that names the rights that are missing."""
    finding = observed(lambda: " ".join(ask()))
    if finding.found is Outcome.MISSING:  # the question is, or the thing itself, as another look tells
        return Finding(Outcome.UNKNOWN, finding.detail)
    missing = [right for right in wanted if right not in finding.detail.split()]
    return (
        Finding(Outcome.REFUSED, ", ".join(missing)) if finding.found is Outcome.OK and missing else finding
    )
