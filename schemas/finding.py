"""Results of checking a part of the project, in words that every room shares."""

from enum import StrEnum
from typing import NamedTuple


class Outcome(StrEnum):
    """State of a part."""

    OK = "ok"
    MISSING = "missing"  # it is not there
    REFUSED = "refused"  # whoever asks has no right to it
    SILENT = "silent"  # nobody answers, or not in time
    UNKNOWN = "unknown"  # the API that answers does not offer the question


class Finding(NamedTuple):
    """State of a part, and the reason in the API's words."""

    found: Outcome
    detail: str = ""
