import json
import logging
import re

import pytest

from gcp.logs import JsonLines
from schemas.trace import TRACEPARENT, trace_of, traceparent

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
JOB = "0123456789abcdef"


def test_a_trace_that_an_event_brings_is_carried_on() -> None:
    assert trace_of(JOB, f"00-{TRACE}-00f067aa0ba902b7-01") == TRACE
    assert trace_of(JOB, traceparent(TRACE, JOB)) == TRACE


@pytest.mark.parametrize(
    "given", [None, "", "garbage", f"01-{TRACE}-00f067aa0ba902b7-01", f"00-{'0' * 32}-00f067aa0ba902b7-01"]
)
def test_without_one_the_job_has_its_own_the_same_each_time(given: str | None) -> None:
    trace = trace_of(JOB, given)
    assert trace == trace_of(JOB, None) != trace_of("f" * 16, None)
    assert re.match(TRACEPARENT, traceparent(trace, JOB))


def test_a_log_line_names_its_trace_as_cloud_logging_reads_it() -> None:
    record = logging.makeLogRecord({"msg": "taken in", "levelname": "INFO", "trace": TRACE, "attempt": 2})
    line = json.loads(JsonLines("my-project").format(record))
    assert line["logging.googleapis.com/trace"] == f"projects/my-project/traces/{TRACE}"
    assert (line["message"], line["attempt"], "trace" in line) == ("taken in", 2, False)
