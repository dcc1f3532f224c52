"""The project's parts by name: what every entry point is told, the same on both sides."""

from pydantic import Field
from pydantic_settings import BaseSettings

from schemas.boltz_size import MAX_TOKENS, USUAL_TOKENS


class Project(BaseSettings):
    """Names that every entry point needs, from the environment. A missing one stops the start."""

    google_cloud_project: str = Field(description="id of the project that all of this is in")
    input_bucket: str = Field(description="bucket that files are dropped into")
    output_bucket: str = Field(description="bucket of results and receipts")
    requested_topic: str = Field("predictions-requested", description="topic of jobs that are queued")
    max_tokens: int = Field(
        USUAL_TOKENS,
        ge=1,
        le=MAX_TOKENS,
        description="most tokens of an input; what a worker's memory holds is in operations.md",
    )
    completed_topic: str = Field("predictions-completed", description="topic of jobs that have ended")
