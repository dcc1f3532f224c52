"""What a look at a part of the project found, in words that every room shares."""

from enum import StrEnum
from typing import NamedTuple


class Found(StrEnum):
    """How a part was found."""

    OK = "ok"
    MISSING = "missing"  # it is not there
    REFUSED = "refused"  # whoever asks has no right to it
    SILENT = "silent"  # nobody answers, or not in time
    UNKNOWN = "unknown"  # the API that answers does not offer the question


class Finding(NamedTuple):
    """What was found, and in the API's words why."""

    found: Found
    detail: str = ""
