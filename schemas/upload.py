"""The event that an upload raises, and which uploads are nobody's input.

Format: data of ``google.cloud.storage.object.v1.finalized``, a Cloud Storage object resource in JSON.
"""

import re
from collections.abc import Mapping

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from schemas.job import MAX_NAME_BYTES, Source
from schemas.options import PREFIX

MAX_KEY = 100
"""Characters of a metadata key that are kept; no option has so long a name."""


class UndecodableEventError(ValueError):
    """The event is not what its type promises; retrying cannot help, the dead-letter topic keeps it."""


class ObjectFinalized(BaseModel):
    """The fields we read. int64 fields come as strings, sometimes as numbers: both parse."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    bucket: str = Field(min_length=1, max_length=222)
    name: str = Field(min_length=1, max_length=MAX_NAME_BYTES)
    generation: int = Field(ge=0, lt=2**63)
    size: int = Field(0, ge=0, lt=2**63)
    crc32c: str | None = Field(None, max_length=16)
    time: AwareDatetime = Field(validation_alias="timeCreated")
    metadata: dict[str, str] = Field(default_factory=dict)

    @field_validator("metadata", mode="after")
    @classmethod
    def _keep_ours(cls, given: dict[str, str]) -> dict[str, str]:
        """Keep what is meant for us: anybody's other keys may be such as the ledger cannot hold."""
        return {key[:MAX_KEY]: value for key, value in given.items() if key.lower().startswith(PREFIX)}


def decode_upload(data: object) -> Source:
    """Read the event's data; raises UndecodableEventError."""
    try:
        return Source(**ObjectFinalized.model_validate(data).model_dump())
    except ValueError as error:  # also of an integer too long to be read
        raise UndecodableEventError(f"not a Cloud Storage object resource: {error}") from error


_IGNORED: Mapping[str, re.Pattern[str]] = {
    "folder placeholder": re.compile(r"/$"),
    "part of a composite upload": re.compile(
        r"(^|/)gcloud/tmp/parallel_composite_uploads/|/gsutil/tmp/parallel_composite_uploads/"
    ),
    "hidden file": re.compile(r"(^|/)\.[^/]*$"),
}


def why_ignored(name: str) -> str | None:
    """Say why an object is no upload of anybody's, or None if it deserves a receipt."""
    return next((why for why, pattern in _IGNORED.items() if pattern.search(name)), None)
