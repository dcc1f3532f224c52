"""What Cloud Run's quotas grant a project, by Google's Cloud Quotas API."""

from typing import NamedTuple

from google.auth.credentials import Credentials
from google.cloud import cloudquotas_v1

from gcp.health import SECONDS

SERVICE = "run.googleapis.com"


class Grant(NamedTuple):
    """How much is granted in a region, -1 without a limit; whether more may be asked for, or why not."""

    amount: int
    more: str


def granted(
    name: str, project: str, region: str, endpoint: str, credentials: Credentials | None = None
) -> Grant:
    """Return what a quota grants in a region; one that says no value grants 0.

    Raises google.api_core's errors.
    """
    client = cloudquotas_v1.CloudQuotasClient(
        credentials=credentials, transport="rest", client_options={"api_endpoint": endpoint}
    )
    path = f"projects/{project}/locations/global/services/{SERVICE}/quotaInfos/{name}"
    info = client.get_quota_info(name=path, retry=None, timeout=SECONDS)
    amounts = (each.details.value for each in info.dimensions_infos if region in each.applicable_locations)
    return Grant(int(next(amounts, 0)), _more(info.quota_increase_eligibility))


def _more(eligibility: cloudquotas_v1.QuotaIncreaseEligibility) -> str:
    if eligibility.is_eligible:
        return "may be raised"
    reason = eligibility.ineligibility_reason
    return reason.name if reason else ""
