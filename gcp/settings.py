"""The project's parts by name: what every entry point is told, the same on both sides."""

from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings

from inputs.size import MAX_TOKENS, USUAL_TOKENS


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

    @model_validator(mode="after")
    def _apart(self) -> Self:
        """Refuse one bucket for both: each receipt would be an upload, and get a receipt."""
        if self.input_bucket == self.output_bucket:
            raise ValueError(f"INPUT_BUCKET and OUTPUT_BUCKET are both {self.input_bucket}: name two buckets")
        return self
