"""The stand-in for the Jobs part of the Cloud Run Admin API v2: REST in, processes of this machine out.

Paths and JSON are those of google-cloud-run's REST transport, so that its unmodified clients talk to this:
https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.jobs. There are no images here: a job
names its command. Left out: update, IAM, validate_only and etags.
"""

import argparse
import json
import logging
import re
import signal
import sys
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

from flask import Flask, Response, request
from google.api_core.exceptions import (
    AlreadyExists,
    GoogleAPICallError,
    InvalidArgument,
    NotFound,
    from_http_status,
)
from google.cloud import run_v2
from google.longrunning import operations_pb2
from google.protobuf import json_format
from google.rpc import code_pb2
from werkzeug.exceptions import HTTPException
from werkzeug.serving import make_server

from local.run_execution import GRACE_SECONDS, Run, new_execution, now, short

JOB_ID = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
DEFAULT_MAX_RETRIES = 3
DEFAULT_TIMEOUT = timedelta(seconds=600)
LONGEST_WAIT_SECONDS = 60.0
LARGEST_BODY_BYTES = 2**20
LARGEST_PAGE = 100

LOCATION = "/v2/projects/<project>/locations/<location>"
JOBS = f"{LOCATION}/jobs"
EXECUTIONS = f"{JOBS}/<job>/executions"
OPERATIONS = f"{LOCATION}/operations"

Operation: TypeAlias = operations_pb2.Operation
Resource = TypeVar("Resource", run_v2.Job, run_v2.Execution)
Kept = TypeVar("Kept")


class Jobs:
    """Jobs, their runs and the operations on them, by full name, in the order of creation.

    One lock guards all three; what goes out is a copy. Raises google.api_core's NotFound, AlreadyExists and
    InvalidArgument.
    """

    def __init__(self, log_dir: Path, grace: float = GRACE_SECONDS) -> None:
        self._lock = threading.RLock()
        self._log_dir = log_dir
        self._grace = grace
        self._jobs: dict[str, run_v2.Job] = {}
        self._runs: dict[str, Run] = {}
        self._operations: dict[str, Callable[[float], Operation]] = {}

    def create_job(self, parent: str, job_id: str, job: run_v2.Job) -> Operation:
        """Create a job, with the API's defaults filled in."""
        created = new_job(f"{parent}/jobs/{job_id}", job)
        with self._lock:
            if created.name in self._jobs:
                raise AlreadyExists(f"Resource '{created.name}' already exists.")
            self._jobs[created.name] = created
            return self._track(created.name, partial(_job_operation, self.get_job(created.name)))

    def get_job(self, name: str) -> run_v2.Job:
        """Return a job, with a reference to its newest execution."""
        with self._lock:
            job = run_v2.Job(_found(self._jobs, name))
            if executions := self.list_executions(name):
                job.latest_created_execution = _reference(executions[0])
            return job

    def list_jobs(self, parent: str) -> list[run_v2.Job]:
        """Return the jobs of a location, newest first."""
        with self._lock:
            return [self.get_job(name) for name in reversed(self._jobs) if name.startswith(f"{parent}/")]

    def delete_job(self, name: str) -> Operation:
        """Cancel the executions of a job; delete it and them."""
        with self._lock:
            job = self.get_job(name)
            job.delete_time = now()
            for execution in self.list_executions(name):
                self._runs.pop(execution.name).cancel()
            del self._jobs[name]
            return self._track(name, partial(_job_operation, job))

    def run_job(self, name: str, overrides: run_v2.RunJobRequest.Overrides) -> Operation:
        """Start an execution; the operation ends with it."""
        with self._lock:
            job = _found(self._jobs, name)
            execution = new_execution(job, overrides)
            job.execution_count += 1
            run = self._runs[execution.name] = Run(execution, self._log_dir, self._grace)
            run.start()
            return self._track(name, partial(_run_operation, run))

    def get_execution(self, name: str) -> run_v2.Execution:
        """Return an execution as it is now."""
        with self._lock:
            return _found(self._runs, name).snapshot()

    def list_executions(self, parent: str) -> list[run_v2.Execution]:
        """Return the executions of a job, or of all jobs of a location where the job is "-", newest first."""
        prefix = parent.removesuffix("-") if parent.endswith("/jobs/-") else f"{parent}/"
        with self._lock:
            return [run.snapshot() for name, run in reversed(self._runs.items()) if name.startswith(prefix)]

    def cancel_execution(self, name: str) -> Operation:
        """Cancel an execution; the operation ends with it."""
        with self._lock:
            run = _found(self._runs, name)
            run.cancel()
            return self._track(name, partial(_run_operation, run))

    def delete_execution(self, name: str) -> Operation:
        """Cancel and delete an execution."""
        with self._lock:
            operation = self.cancel_execution(name)
            del self._runs[name]
            return operation

    def operation(self, name: str, seconds: float) -> Operation:
        """Return an operation as soon as it is done, or as it is after ``seconds``."""
        with self._lock:
            progress = _found(self._operations, name)
        return progress(seconds)

    def close(self) -> None:
        """End all tasks and wait until they are gone."""
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            run.cancel()
        for run in runs:
            run.wait(self._grace + GRACE_SECONDS)

    def _track(self, name: str, progress: Callable[[str, float], Operation]) -> Operation:
        location = "/".join(name.split("/")[:4])
        operation = f"{location}/operations/{uuid.uuid4()}"
        self._operations[operation] = partial(progress, operation)
        return progress(operation, 0)


def new_job(name: str, job: run_v2.Job) -> run_v2.Job:
    """Return a job with the API's defaults. Raises InvalidArgument for one that could not run here."""
    if not JOB_ID.fullmatch(short(name)):
        raise InvalidArgument(
            f"job_id '{short(name)}' must be lowercase letters, digits and hyphens, at most 63."
        )
    created = run_v2.Job(job)
    created.name, created.uid, created.etag = name, str(uuid.uuid4()), uuid.uuid4().hex
    created.create_time = created.update_time = now()
    created.generation = created.observed_generation = 1
    created.terminal_condition = run_v2.Condition(
        type_="Ready", state=run_v2.Condition.State.CONDITION_SUCCEEDED, last_transition_time=now()
    )
    created.template.task_count = created.template.task_count or 1
    task = created.template.template
    if "max_retries" not in task:
        task.max_retries = DEFAULT_MAX_RETRIES
    if "timeout" not in task:
        task.timeout = DEFAULT_TIMEOUT
    new_execution(created, run_v2.RunJobRequest.Overrides())  # what it refuses, it refuses now
    return created


def page(items: Sequence[Resource], size: int, token: str) -> tuple[Sequence[Resource], str]:
    """Return a page of a list and the next token, the last resource's name; empty on the last page."""
    names = [item.name for item in items]
    if token and token not in names:
        raise InvalidArgument(f"page_token '{token}' is unknown; start again without one.")
    start = names.index(token) + 1 if token else 0
    end = start + (min(size, LARGEST_PAGE) if size > 0 else LARGEST_PAGE)
    return items[start:end], names[end - 1] if end < len(items) else ""


def create_app(jobs: Jobs) -> Flask:
    """Return the HTTP server's application: one handler per method and path."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY_BYTES
    app.add_url_rule("/", "ready", lambda: "ok\n")
    for (method, rule), handler in HANDLERS.items():
        app.add_url_rule(rule, f"{method} {rule}", partial(_answer, handler, jobs), methods=[method])
    app.register_error_handler(GoogleAPICallError, _refuse)
    app.register_error_handler(HTTPException, _refuse_http)
    return app


def main(argv: Sequence[str] | None = None) -> None:
    """Serve on 127.0.0.1 until SIGTERM; then end all tasks."""
    parser = argparse.ArgumentParser(prog="python -m local.run_jobs", description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log-dir", type=Path, default=Path(".local/executions"), help="the tasks' output")
    parser.add_argument("--grace", type=float, default=GRACE_SECONDS, help="seconds from SIGTERM to SIGKILL")
    arguments = parser.parse_args(argv)
    arguments.log_dir.mkdir(parents=True, exist_ok=True)
    jobs = Jobs(arguments.log_dir, arguments.grace)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = make_server("127.0.0.1", arguments.port, create_app(jobs), threaded=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("ready", flush=True)
    try:
        server.serve_forever()
    finally:
        jobs.close()


def _create_job(jobs: Jobs, name: str) -> Operation:
    return jobs.create_job(
        name.removesuffix("/jobs"), request.args.get("jobId", ""), _body(run_v2.Job.from_json)
    )


def _list_jobs(jobs: Jobs, name: str) -> run_v2.ListJobsResponse:
    items, token = _page(jobs.list_jobs(name.removesuffix("/jobs")))
    return run_v2.ListJobsResponse(jobs=items, next_page_token=token)


def _run_job(jobs: Jobs, name: str) -> Operation:
    return jobs.run_job(name, _body(run_v2.RunJobRequest.from_json).overrides)


def _list_executions(jobs: Jobs, name: str) -> run_v2.ListExecutionsResponse:
    items, token = _page(jobs.list_executions(name.removesuffix("/executions")))
    return run_v2.ListExecutionsResponse(executions=items, next_page_token=token)


def _get_operation(jobs: Jobs, name: str) -> Operation:
    return jobs.operation(name, 0)


def _wait_operation(jobs: Jobs, name: str) -> Operation:
    timeout = _body(_read_wait).timeout.ToTimedelta().total_seconds()
    return jobs.operation(name, min(timeout or LONGEST_WAIT_SECONDS, LONGEST_WAIT_SECONDS))


def _read_wait(text: str) -> operations_pb2.WaitOperationRequest:
    return json_format.Parse(text, operations_pb2.WaitOperationRequest())


Handler: TypeAlias = Callable[[Jobs, str], object]
HANDLERS: dict[tuple[str, str], Handler] = {
    ("POST", JOBS): _create_job,
    ("GET", JOBS): _list_jobs,
    ("GET", f"{JOBS}/<job>"): Jobs.get_job,
    ("DELETE", f"{JOBS}/<job>"): Jobs.delete_job,
    ("POST", f"{JOBS}/<job>:run"): _run_job,
    ("GET", EXECUTIONS): _list_executions,
    ("GET", f"{EXECUTIONS}/<execution>"): Jobs.get_execution,
    ("DELETE", f"{EXECUTIONS}/<execution>"): Jobs.delete_execution,
    ("POST", f"{EXECUTIONS}/<execution>:cancel"): Jobs.cancel_execution,
    ("GET", f"{OPERATIONS}/<operation>"): _get_operation,
    ("POST", f"{OPERATIONS}/<operation>:wait"): _wait_operation,
}


def _answer(handler: Handler, jobs: Jobs, **_path: str) -> Response:
    name = request.path.removeprefix("/v2/").partition(":")[0]
    return Response(json_format.MessageToJson(_pb(handler(jobs, name))), mimetype="application/json")


def _refuse(error: GoogleAPICallError) -> Response:
    status = error.grpc_status_code.name if error.grpc_status_code else "UNKNOWN"
    body = {"error": {"code": error.code, "message": error.message, "status": status}}
    return Response(json.dumps(body), error.code, mimetype="application/json")


def _refuse_http(error: HTTPException) -> Response:
    return _refuse(from_http_status(error.code or 500, error.description or error.name))


def _body(read: Callable[[str], Kept]) -> Kept:
    try:
        return read(request.get_data(as_text=True) or "{}")
    except json_format.ParseError as error:
        raise InvalidArgument(f"The body is not what this method takes: {error}") from error


def _page(items: Sequence[Resource]) -> tuple[Sequence[Resource], str]:
    return page(items, request.args.get("pageSize", 0, type=int), request.args.get("pageToken", ""))


def _found(resources: Mapping[str, Kept], name: str) -> Kept:
    try:
        return resources[name]
    except KeyError:
        raise NotFound(f"Resource '{name}' was not found.") from None


def _job_operation(job: run_v2.Job, name: str, _seconds: float) -> Operation:
    operation = Operation(name=name, done=True)
    operation.metadata.Pack(_pb(job))
    operation.response.Pack(_pb(job))
    return operation


def _run_operation(run: Run, name: str, seconds: float) -> Operation:
    """Return the operation of a run. A failed task fails it; cancellation does not, as in Cloud Run."""
    operation = Operation(name=name, done=run.wait(seconds))
    execution = run.snapshot()
    operation.metadata.Pack(_pb(execution))
    if operation.done and execution.failed_count and not execution.cancelled_count:
        operation.error.code = code_pb2.ABORTED
        operation.error.message = _failure(execution)
    elif operation.done:
        operation.response.Pack(_pb(execution))
    return operation


def _failure(execution: run_v2.Execution) -> str:
    tasks = f"{execution.succeeded_count}/{execution.task_count} tasks were a success"
    return f"Execution {short(execution.name)} has failed to complete, {tasks}."


def _reference(execution: run_v2.Execution) -> run_v2.ExecutionReference:
    return run_v2.ExecutionReference(
        name=short(execution.name),
        create_time=execution.create_time,
        completion_time=execution.completion_time,
        completion_status=_status(execution),
    )


def _status(execution: run_v2.Execution) -> run_v2.ExecutionReference.CompletionStatus:
    status = run_v2.ExecutionReference.CompletionStatus
    if not execution.completion_time:
        return status.EXECUTION_RUNNING
    if execution.cancelled_count:
        return status.EXECUTION_CANCELLED
    return status.EXECUTION_FAILED if execution.failed_count else status.EXECUTION_SUCCEEDED


def _pb(message: object) -> object:
    """Return the protobuf message itself: google.cloud.run_v2 wraps its own, google.longrunning does not."""
    kind = type(message)
    return kind.pb(message) if hasattr(kind, "pb") else message


if __name__ == "__main__":
    main()
