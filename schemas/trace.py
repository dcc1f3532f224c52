"""W3C trace context: one trace id per upload, from its event through function and worker to the completion.

Format: https://www.w3.org/TR/trace-context/#traceparent-header; in CloudEvents it is the extension
``traceparent``.
"""

import hashlib
import re

TRACEPARENT = r"^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$"
"""Version, trace id, span id, flags; an all-zero id is invalid."""


def trace_of(job_id: str, given: str | None) -> str:
    """Return the trace id (32 hexadecimal digits) of an event's header, or one that follows from the job."""
    found = re.match(TRACEPARENT, given or "")
    return found[1] if found and found[1].strip("0") else hashlib.sha256(job_id.encode()).hexdigest()[:32]


def traceparent(trace: str, job_id: str) -> str:
    """Return the header of a trace whose span is the job: a job id has the length of a span id."""
    return f"00-{trace}-{job_id}-01"
