"""Trouble of the MSA server: an object of the bucket of alignments, which tells why jobs wait."""

from typing import Self

from pydantic import AwareDatetime, Field, ValidationError

from schemas.record import Record

TROUBLE = "trouble.json"
"""Name of the object in the folder of a server's alignments."""

MAX_BYTES = 16 * 1024


class MsaTrouble(Record):
    """Since when the server cannot be used, its last answer, when it is asked again; empty once it can."""

    since: AwareDatetime | None = None
    reason: str = Field("", max_length=1000)
    again_at: AwareDatetime | None = None

    @classmethod
    def decode(cls, body: bytes) -> Self | None:
        """Return the trouble of an object's content; None if there is no trouble, or it cannot be read."""
        try:
            told = cls.model_validate_json(body, extra="ignore")
        except ValidationError:
            return None
        return told if told.since else None
