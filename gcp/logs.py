"""Structured logs: one JSON object per line, as Cloud Logging reads from standard output."""

import json
import logging
import os
import sys
from datetime import UTC, datetime

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """Format a record and its ``extra`` fields for Cloud Logging; ``trace`` is the id of a trace."""

    def __init__(self, project: str) -> None:
        super().__init__()
        self._project = project

    def format(self, record: logging.LogRecord) -> str:
        """Return one line; ``severity``, ``time`` and ``message`` are the names that Cloud Logging knows."""
        line = {
            "severity": record.levelname,
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "message": record.getMessage(),
        }
        about = {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
        if trace := about.pop("trace", None):
            line["logging.googleapis.com/trace"] = f"projects/{self._project}/traces/{trace}"
        line |= about
        if record.exc_info:
            line["stack_trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def configure() -> None:
    """Send every log record of this process to standard output as JSON lines."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines(os.environ.get("GOOGLE_CLOUD_PROJECT", "unknown")))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
