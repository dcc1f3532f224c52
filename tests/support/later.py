"""Records as an imagined next release writes them, and as nobody should."""

from collections.abc import Iterator, Mapping
from typing import Any

from jobs.document import encode
from schemas.job import Job
from support.fakes import NOW, Document, as_stored

MORE = {"of": [{"the": "next release"}]}
TABLES = frozenset({"scores", "timings", "metadata", "options", "decided"})
"""Fields whose keys are a table's, or asked for: one more of them is no field more."""

CODE, EFFECT = "OVER_BUDGET", "METER"
PARKED = {"at": NOW, "event": "PARKED", "state": "HELD", "code": CODE, "more": MORE}

DAMAGES: Mapping[str, Document] = {
    "state": {"state": "HELD"},
    "type": {"attempt": "many"},
    "time": {"updated_at": "soon"},
    "nested": {"source": "gs://in/run42/foo.yaml"},
    "nothing": {"source": None, "created_at": None, "trace": None},
}
"""What keeps a record from being read: fields with what they hold then."""


def as_the_next(job: Job) -> Document:
    """Return a job's record with a field more at every level, and words that this release does not know."""
    document: Document = _widened(as_stored(encode(job)))
    document["pending"].append(EFFECT)
    document["history"].insert(0, PARKED)
    return document


def beyond(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Return all that a record holds and this release does not know, by its path."""
    match value:
        case Mapping():
            for name, inner in value.items():
                yield from [(f"{path}.{name}", inner)] if name == "more" else beyond(inner, f"{path}.{name}")
        case list():
            for place, inner in enumerate(value):
                yield from beyond(inner, path if isinstance(inner, str) else f"{path}.{place}")
        case "HELD" | "OVER_BUDGET" | "METER" | "PARKED":
            yield path, value


def _widened(value: Any) -> Any:  # noqa: ANN401  whatever a record holds
    match value:
        case Mapping():
            wide = {name: inner if name in TABLES else _widened(inner) for name, inner in value.items()}
            return {**wide, "more": MORE}
        case list():
            return [_widened(inner) for inner in value]
    return value
