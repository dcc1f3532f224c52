"""Looks at what a deployment needs in a project, before and after it is applied.

By Google's REST APIs, but for quotas: each is asked one question, and a client would be one more library.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import google.auth
from google.api_core.exceptions import from_http_response
from google.auth.credentials import Credentials
from google.auth.transport.requests import AuthorizedSession

from gcp import quotas
from gcp.health import SECONDS, observed
from schemas.finding import Finding, Outcome

MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
PLATFORM = "linux/amd64"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def public(host: str) -> str:
    """Return the address of a host of Google's."""
    return f"https://{host}"


def opened(project: str, region: str, address: Callable[[str], str] = public) -> "Deployment":
    """Return the checks with a person's credentials. Raises DefaultCredentialsError where there are none.

    A person's count against the quota of some project: this one, whatever the credentials name.
    """
    credentials, _ = google.auth.default(scopes=[SCOPE], quota_project_id=project)
    return Deployment(project, region, credentials, address)


class Deployment:
    """A project and a region. No method raises Google's errors."""

    def __init__(
        self, project: str, region: str, credentials: Credentials, address: Callable[[str], str]
    ) -> None:
        self._project, self._region, self._credentials, self._address = project, region, credentials, address
        self._session = AuthorizedSession(credentials)

    def apis(self, names: Sequence[str]) -> Finding:
        """Check that APIs are enabled; the finding names those that are not."""

        def look() -> str:
            parent = f"projects/{self._project}"
            asked = [f"{parent}/services/{name}" for name in names]
            found = self._ask("serviceusage.googleapis.com", f"v1/{parent}/services:batchGet", names=asked)
            enabled = {each["config"]["name"] for each in found["services"] if each.get("state") == "ENABLED"}
            return ", ".join(name for name in names if name not in enabled)

        return _wanting(observed(look), f"{len(names)} enabled", "not enabled: ")

    def agent(self, domain: str, role: str) -> Finding:
        """Check that an agent of Google's has a role on the project."""

        def look() -> str:
            host, path = "cloudresourcemanager.googleapis.com", f"v1/projects/{self._project}"
            number = self._ask(host, path)["projectNumber"]
            member = f"serviceAccount:service-{number}@{domain}.iam.gserviceaccount.com"
            policy = self._ask(host, f"{path}:getIamPolicy", "POST")
            granted = any(
                each["role"] == role and member in each["members"] for each in policy.get("bindings", ())
            )
            return "" if granted else f"{member} lacks {role}"

        return _wanting(observed(look), f"has {role}")

    def quota(self, quota: str, least: int) -> Finding:
        """Check that a quota of Cloud Run grants as much; where not, say whether more may be asked for."""

        def look() -> str:
            endpoint = self._address("cloudquotas.googleapis.com")
            amount, more = quotas.granted(quota, self._project, self._region, endpoint, self._credentials)
            enough = amount < 0 or amount >= least
            return "" if enough else f"{amount} in {self._region}{more and f', {more}'}"

        return _wanting(observed(look), f"{least} or more in {self._region}", "too few: ", Outcome.REFUSED)

    def image(self, image: str) -> Finding:
        """Check that an image, named by digest, is in its registry and of the platform that runs it."""

        def look() -> str:
            host, _, rest = image.partition("/")
            name, _, digest = rest.partition("@")
            manifest = self._ask(
                host, f"v2/{name}/manifests/{digest}", headers={"Accept": ", ".join(MANIFESTS)}
            )
            about = self._ask(host, f"v2/{name}/blobs/{manifest['config']['digest']}")
            platform = f"{about['os']}/{about['architecture']}"
            return "" if platform == PLATFORM else f"it is of {platform}, not {PLATFORM}"

        return _wanting(observed(look), PLATFORM)

    def indexes(self, database: str, collection: str, count: int) -> Finding:
        """Check that as many composite indexes of a collection are ready."""

        def look() -> str:
            group = f"projects/{self._project}/databases/{database}/collectionGroups/{collection}"
            found = self._ask("firestore.googleapis.com", f"v1/{group}/indexes").get("indexes", ())
            ready = sum(each["state"] == "READY" for each in found)
            return "" if ready >= count else f"{ready} of {count} are ready"

        return _wanting(observed(look), f"{count} ready")

    def _ask(
        self,
        host: str,
        path: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        **parameters: str | Sequence[str],
    ) -> Any:  # noqa: ANN401  JSON
        url = f"{self._address(host)}/{path}"
        answer = self._session.request(method, url, params=parameters, headers=headers, timeout=SECONDS)
        if not answer.ok:
            raise from_http_response(answer)
        return answer.json()


def _wanting(finding: Finding, well: str, before: str = "", wrong: Outcome = Outcome.MISSING) -> Finding:
    """Return a finding whose detail is what is wanting: nothing is well, anything is ``wrong``."""
    if finding.found is not Outcome.OK:
        return finding
    return Finding(wrong, before + finding.detail) if finding.detail else Finding(Outcome.OK, well)
