"""Count a process's calls to Google's services, where they leave the process.

gRPC channels get an interceptor, HTTP sessions a look at each request: nothing of the product is replaced,
and no call is missed, whoever makes it. One line per call goes to a file of the process, so that one which is
killed has counted too.

Firestore bills documents, not calls: a query that finds nothing is one read, a count one per thousand.
https://cloud.google.com/firestore/pricing
"""

import json
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc  # type: ignore[import-untyped]  # carries no annotations
import requests
from google.cloud.firestore_v1.types import CommitRequest, Write

from jobs.lifecycle import LEASE
from schemas.job import State

FOLDER_VARIABLE = "LOAD_METER"
COUNTED_PER_READ = 1000
READ, WRITE, RENEWAL, PUBLISH = "Firestore read", "Firestore write", "lease renewal", "publish"
BUCKET_READ, BUCKET_WRITE = "bucket read", "bucket write"


class Operation(NamedTuple):
    """One call: time (seconds since the epoch), role of the process, kind, name, and number of operations."""

    at: float
    role: str
    kind: str
    call: str
    amount: int


class Meter:
    """Writes each operation of this process as one line of JSON."""

    def __init__(self, folder: Path, role: str) -> None:
        self._folder, self._role = folder, role

    def note(self, kind: str, call: str, count: int) -> None:
        """Write one operation; a process that was forked writes to a file of its own."""
        line = json.dumps(Operation(time.time(), self._role, kind, call, count)) + "\n"
        with (self._folder / f"{self._role}-{os.getpid()}.jsonl").open("a") as file:
            file.write(line)


def install(role: str) -> None:
    """Count this process's calls from now on, in the folder that ``LOAD_METER`` names."""
    meter = Meter(Path(os.environ[FOLDER_VARIABLE]), role)
    make: Callable[..., grpc.Channel] = grpc.insecure_channel
    send: Callable[..., requests.Response] = requests.Session.send

    def metered_channel(*arguments: object, **options: object) -> grpc.Channel:
        return grpc.intercept_channel(make(*arguments, **options), _Interceptor(meter))

    def metered_send(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> Any:  # noqa: ANN401
        _note_request(meter, request)
        return send(session, request, **options)

    grpc.insecure_channel = metered_channel
    requests.Session.send = metered_send  # type: ignore[method-assign, assignment]


def operations(folder: Path) -> Iterator[Operation]:
    """Yield the operations of all processes; a line that one of them is just writing is left out."""
    for path in folder.glob("*.jsonl"):
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                yield Operation(*json.loads(line))


class _Interceptor(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):  # type: ignore[misc]
    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def intercept_unary_unary(self, proceed: Callable[..., Any], call: Any, request: Any) -> Any:  # noqa: ANN401
        name = _name(call)
        if name == "Commit":
            for write in CommitRequest.pb(request).writes:
                self._meter.note(_kind(write), name, 1)
        elif name == "Publish":
            self._meter.note(PUBLISH, name, len(request.messages))
        return proceed(call, request)

    def intercept_unary_stream(self, proceed: Callable[..., Any], call: Any, request: Any) -> Any:  # noqa: ANN401
        answers = proceed(call, request)
        return _counted(answers, self._meter, _name(call)) if _name(call) in READS else answers


def _counted(answers: Iterable[Any], meter: Meter, name: str) -> Iterator[Any]:
    """Yield the answers, and note the reads at the end, also when the reader stops early."""
    found = 0
    try:
        for answer in answers:
            found += READS[name](answer)
            yield answer
    finally:
        meter.note(READ, name, max(1, found))


def _of_aggregation(answer: Any) -> int:  # noqa: ANN401
    [counted] = answer.result.aggregate_fields.values()
    return math.ceil(int(counted.integer_value) / COUNTED_PER_READ)


READS: dict[str, Callable[[Any], int]] = {
    "BatchGetDocuments": lambda answer: int("found" in answer or "missing" in answer),
    "RunQuery": lambda answer: int("document" in answer),
    "RunAggregationQuery": _of_aggregation,
}
"""Number of documents read, per answer of each call."""


def _kind(write: Write) -> str:
    """Return RENEWAL or WRITE: a claim alone sets the lease from the time of the last move."""
    fields = write.update.fields
    if fields["state"].string_value != State.RUNNING:
        return WRITE
    expires_at = fields["lease"].map_value.fields["expires_at"].timestamp_value.ToDatetime()
    moved_at = fields["updated_at"].timestamp_value.ToDatetime()
    return RENEWAL if expires_at - moved_at > LEASE else WRITE


def _name(call: Any) -> str:  # noqa: ANN401
    method = call.method if isinstance(call.method, str) else call.method.decode()
    return method.rpartition("/")[2]


def _note_request(meter: Meter, request: requests.PreparedRequest) -> None:
    path = request.path_url
    if "/storage/v1/b/" in path and request.method:
        kind = BUCKET_READ if request.method == "GET" else BUCKET_WRITE
        meter.note(kind, request.method, 1)
