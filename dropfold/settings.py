"""Settings of the command, read from the environment."""

from pydantic import Field

from gcp.settings import Project


class CommandSettings(Project):
    """Settings of the command. Those of the workers are optional: without them workers are not counted."""

    cloud_run_job_name: str = Field("", description="name of the worker's Cloud Run job, to count workers")
    cloud_run_region: str = Field("", description="region of that job")
    cloud_run_endpoint: str = Field("https://run.googleapis.com", description="address of Cloud Run's API")
    cloud_quotas_endpoint: str = Field(
        "https://cloudquotas.googleapis.com", description="address of the quotas' API, for the doctor"
    )
