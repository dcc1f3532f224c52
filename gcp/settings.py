"""The project's parts by name: what every entry point is told, the same on both sides."""

from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings

from inputs.alignments import MsaServer
from inputs.size import MAX_TOKENS, USUAL_TOKENS


class Project(BaseSettings):
    """Names that every entry point needs, from the environment. A missing one stops the start."""

    google_cloud_project: str = Field(description="id of the project that all of this is in")
    input_bucket: str = Field(description="bucket that files are dropped into")
    output_bucket: str = Field(description="bucket of results and receipts")
    firestore_database: str = Field("(default)", description="database of the ledger")
    requested_topic: str = Field("predictions-requested", description="topic of jobs that are queued")
    max_tokens: int = Field(
        USUAL_TOKENS,
        ge=1,
        le=MAX_TOKENS,
        description="most tokens of an input; what a worker's memory holds is in operations.md",
    )
    completed_topic: str = Field("predictions-completed", description="topic of jobs that have ended")
    pubsub_endpoint: str = Field(
        "",
        pattern=r"^([a-z0-9.-]+(:\d+)?)?$",
        description="address that messages are pulled from; empty: the global one, in whatever region",
    )

    msa_server_url: str = Field(
        "",
        pattern=r"^(https?://[^\s?#@/]+(/[^\s?#]*)?)?$",
        description="MSA server, of ColabFold's API, for proteins without MSA; empty: nothing is sent",
    )
    msa_server_database: str = Field(
        "", max_length=100, description="name of what that server searches; another one starts anew"
    )
    msa_server_pairing: Literal["greedy", "complete"] = Field(
        "greedy", description="how rows of a complex are paired: some of its sequences, or all"
    )
    alignments_bucket: str = Field("", description="bucket of alignments; needed with MSA_SERVER_URL")
    alignments_topic: str = Field("alignments-requested", description="topic of alignments that are wanted")

    @property
    def msa_server(self) -> MsaServer | None:
        """The MSA server, if there is one."""
        if not self.msa_server_url:
            return None
        return MsaServer(self.msa_server_url, self.msa_server_database, self.msa_server_pairing)

    @model_validator(mode="after")
    def _kept(self) -> Self:
        """Refuse a server whose alignments have no bucket of their own."""
        if not self.msa_server_url:
            return self
        if self.alignments_bucket in {"", self.input_bucket, self.output_bucket}:
            raise ValueError("MSA_SERVER_URL needs ALIGNMENTS_BUCKET, a bucket of its own")
        return self

    @model_validator(mode="after")
    def _apart(self) -> Self:
        """Refuse one bucket for both: each receipt would be an upload, and get a receipt."""
        if self.input_bucket == self.output_bucket:
            raise ValueError(f"INPUT_BUCKET and OUTPUT_BUCKET are both {self.input_bucket}: name two buckets")
        return self
