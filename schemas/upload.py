"""The event of an upload, and the uploads that are ignored.

Format: data of ``google.cloud.storage.object.v1.finalized``, a Cloud Storage object resource in JSON.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from schemas.job import MAX_NAME_BYTES, Source
from schemas.options import PREFIX
from schemas.undecodable import UndecodableError

MAX_KEY = 100
"""Characters of a metadata key that are kept; no option has so long a name."""

MAX_VALUE = 1000
"""Characters of a metadata value that are kept; no option takes so long a one, and a cut one ends in …"""

MAX_KEYS = 32
"""Metadata keys with our prefix that are kept; there are fewer options."""


EPOCH, END = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


class UndecodableEventError(UndecodableError):
    """The event is not what its type promises; retrying cannot help, the dead-letter topic keeps it."""


def _of_this_age(time: datetime) -> datetime:
    """Check that a time is one that an object can have and every date library takes. Raises ValueError."""
    if not EPOCH <= time < END:
        raise ValueError("no object is of that time")
    return time


def ours(given: object) -> dict[str, str]:
    """Return the metadata with our prefix, as text: no metadata may cost an upload its receipt."""
    pairs = given.items() if isinstance(given, Mapping) else ()
    ours = {str(key)[:MAX_KEY]: value for key, value in pairs if str(key).lower().startswith(PREFIX)}
    return {_clean(key): _clean(_text(value)) for key, value in list(ours.items())[:MAX_KEYS]}


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}…"


def _clean(text: str) -> str:
    """Return the text with lone surrogates replaced, which JSON can hold and UTF-8 cannot."""
    return text.encode(errors="replace").decode()


class ObjectFinalized(BaseModel):
    """The fields we read. int64 fields come as strings, sometimes as numbers: both parse."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    bucket: str = Field(min_length=1, max_length=222)
    name: str = Field(min_length=1, max_length=MAX_NAME_BYTES)
    generation: int = Field(ge=0, lt=2**63)
    size: int = Field(0, ge=0, lt=2**63)
    crc32c: str | None = Field(None, max_length=16)
    time: Annotated[AwareDatetime, AfterValidator(_of_this_age)] = Field(validation_alias="timeCreated")
    metadata: Annotated[dict[str, str], BeforeValidator(ours)] = Field(default_factory=dict)


def decode_upload(data: object) -> Source:
    """Return the object of an event's data. Raises UndecodableEventError."""
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
    "file in a hidden folder": re.compile(r"(^|/)\.(?!\.?/)[^/]*/"),
}


def why_ignored(name: str) -> str | None:
    """Return why an object is not a user upload, or None."""
    return next((why for why, pattern in _IGNORED.items() if pattern.search(name)), None)
