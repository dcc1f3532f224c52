"""The Cloud Run Jobs stand-in, through Google's unmodified REST clients."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property, partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from google.api_core.exceptions import Aborted, BadRequest, Conflict, NotFound
from google.api_core.operation import Operation
from google.auth.credentials import AnonymousCredentials
from google.cloud import run_v2
from google.longrunning import operations_pb2
from support.patience import HANG, until
from support.processes import alive

from gcp import cloud_run as runs
from local import credentials
from local.processes import Supervisor, answers, free_ports

SHORT_GRACE = timedelta(seconds=1)
ROOT = Path(__file__).resolve().parents[2]

State = run_v2.Condition.State
Reason = run_v2.Condition.ExecutionReason
Overrides: TypeAlias = run_v2.RunJobRequest.Overrides
ContainerOverride: TypeAlias = run_v2.RunJobRequest.Overrides.ContainerOverride


@dataclass(frozen=True)
class CloudRun:
    """The clients of one location, the stand-in's port, and the folder of the tasks' logs."""

    port: int
    logs: Path
    location: str = "projects/test/locations/us-central1"

    @property
    def job(self) -> str:
        """Name of the job that a test makes."""
        return f"{self.location}/jobs/worker"

    @cached_property
    def jobs(self) -> run_v2.JobsClient:
        """Google's client."""
        return run_v2.JobsClient(**self._how())

    @cached_property
    def executions(self) -> run_v2.ExecutionsClient:
        """Google's client."""
        return run_v2.ExecutionsClient(**self._how())

    def create(
        self, script: str, *arguments: str, tasks: int = 1, parallelism: int = 0, **task: object
    ) -> None:
        """Deploy a job whose task is a shell script; ``$0`` is its first argument."""
        container = run_v2.Container(image="any", command=["/bin/sh", "-c", script], args=arguments)
        template = run_v2.TaskTemplate(containers=[container], **task)
        execution = run_v2.ExecutionTemplate(template=template, task_count=tasks, parallelism=parallelism)
        self.create_from(execution)

    def create_from(self, template: run_v2.ExecutionTemplate) -> None:
        """Deploy a job."""
        job = run_v2.Job(template=template)
        self.jobs.create_job(parent=self.location, job=job, job_id="worker").result(timeout=HANG)

    def run(self, overrides: Overrides | None = None) -> Operation:
        """Start an execution."""
        return self.jobs.run_job(run_v2.RunJobRequest(name=self.job, overrides=overrides))

    def log(self, execution: run_v2.Execution, index: int = 0) -> str:
        """Return what a task wrote so far."""
        log = self.logs / f"{execution.name.rpartition('/')[2]}-task{index}.log"
        return log.read_text() if log.exists() else ""

    def _how(self) -> dict[str, Any]:
        options = {"api_endpoint": f"http://127.0.0.1:{self.port}"}
        return {"transport": "rest", "credentials": AnonymousCredentials(), "client_options": options}


def serve(parts: Supervisor, logs: Path, grace: float = HANG) -> CloudRun:
    [port] = free_ports(1)
    options = [f"--port={port}", f"--log-dir={logs}", f"--grace={grace}"]
    command = [sys.executable, "-m", "local.run_jobs", *options]
    parts.start("run_jobs", command, os.environ, logs / "run_jobs", ROOT)
    parts.wait("run_jobs", partial(answers, port))
    return CloudRun(port, logs)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudRun]:
    with Supervisor() as parts:
        yield serve(parts, tmp_path_factory.mktemp("run_jobs"))


@pytest.fixture
def cloud_run(shared: CloudRun, project: str) -> CloudRun:
    """Return a location of this test's own, at a stand-in that all tests share."""
    return replace(shared, location=f"projects/{project}/locations/us-central1")


@pytest.fixture
def own(parts: Supervisor, tmp_path: Path) -> CloudRun:
    """Return a stand-in of this test's own."""
    return serve(parts, tmp_path)


@pytest.fixture
def impatient(parts: Supervisor, tmp_path: Path) -> CloudRun:
    """Return a stand-in of this test's own that soon kills what does not end."""
    return serve(parts, tmp_path, SHORT_GRACE.total_seconds())


def counts(execution: run_v2.Execution) -> dict[str, int]:
    names = ("running", "succeeded", "failed", "cancelled", "retried")
    return {name: count for name in names if (count := getattr(execution, f"{name}_count"))}


def completed(execution: run_v2.Execution) -> run_v2.Condition:
    [condition] = [condition for condition in execution.conditions if condition.type_ == "Completed"]
    return condition


def test_a_task_that_ends_with_zero_makes_its_execution_succeed(cloud_run: CloudRun) -> None:
    cloud_run.create("echo hello")
    operation = cloud_run.run()
    assert operation.metadata.name.startswith(f"{cloud_run.job}/executions/worker-")
    execution = operation.result(timeout=HANG)
    assert counts(execution) == {"succeeded": 1}
    assert completed(execution).state == State.CONDITION_SUCCEEDED
    assert execution.create_time <= execution.start_time <= execution.completion_time
    assert not execution.reconciling
    assert cloud_run.log(execution) == "hello\n"
    assert cloud_run.executions.get_execution(name=execution.name) == execution


def test_an_execution_is_seen_running_until_its_task_ends(cloud_run: CloudRun, tmp_path: Path) -> None:
    end = tmp_path / "end"
    cloud_run.create('until [ -e "$0" ]; do sleep 0.02; done', str(end))
    operation = cloud_run.run()
    name = operation.metadata.name
    until(lambda: cloud_run.executions.get_execution(name=name).running_count)
    running = cloud_run.executions.get_execution(name=name)
    assert not running.completion_time
    assert completed(running).state == State.CONDITION_RECONCILING
    assert not operation.done()
    end.touch()
    assert counts(operation.result(timeout=HANG)) == {"succeeded": 1}


def test_a_task_is_tried_again_until_it_succeeds(cloud_run: CloudRun) -> None:
    cloud_run.create("echo $CLOUD_RUN_TASK_ATTEMPT; [ $CLOUD_RUN_TASK_ATTEMPT = 2 ]")
    execution = cloud_run.run().result(timeout=HANG)
    assert counts(execution) == {"succeeded": 1, "retried": 1}
    assert cloud_run.log(execution) == "0\n1\n2\n"


def test_a_task_that_keeps_failing_fails_its_execution_and_the_operation(cloud_run: CloudRun) -> None:
    cloud_run.create("echo try; exit 3", max_retries=2)
    operation = cloud_run.run()
    with pytest.raises(Aborted, match="0/1 tasks were a success"):
        operation.result(timeout=HANG)
    execution = cloud_run.executions.get_execution(name=operation.metadata.name)
    assert counts(execution) == {"failed": 1, "retried": 1}
    assert completed(execution).state == State.CONDITION_FAILED
    assert completed(execution).execution_reason == Reason.NON_ZERO_EXIT_CODE
    assert "exited with an error" in completed(execution).message
    assert cloud_run.log(execution) == "try\n" * 3


def test_three_retries_are_the_default_and_none_are_possible(cloud_run: CloudRun) -> None:
    cloud_run.create("exit 1")
    assert cloud_run.jobs.get_job(name=cloud_run.job).template.template.max_retries == 3
    cloud_run.jobs.delete_job(name=cloud_run.job).result(timeout=HANG)
    cloud_run.create("exit 1", max_retries=0)
    assert cloud_run.jobs.get_job(name=cloud_run.job).template.template.max_retries == 0
    operation = cloud_run.run()
    assert isinstance(operation.exception(timeout=HANG), Aborted)
    assert counts(cloud_run.executions.get_execution(name=operation.metadata.name)) == {"failed": 1}


def past_its_timeout(cloud_run: CloudRun, script: str) -> run_v2.Execution:
    """Run a task past its timeout, again with twice of it where the task had not come to say a word."""
    cloud_run.create(script, max_retries=0)
    seconds = 0.25

    def that_spoke() -> run_v2.Execution | None:
        nonlocal seconds
        seconds *= 2
        operation = cloud_run.run(Overrides(timeout=timedelta(seconds=seconds)))
        assert isinstance(operation.exception(timeout=HANG), Aborted)
        execution = cloud_run.executions.get_execution(name=operation.metadata.name)
        return execution if cloud_run.log(execution) else None

    execution = until(that_spoke)
    assert execution
    return execution


def test_a_task_past_its_timeout_gets_sigterm_and_counts_as_failed(cloud_run: CloudRun) -> None:
    script = "trap 'echo ended; exit 0' TERM; echo begun; while :; do sleep 0.02; done"
    execution = past_its_timeout(cloud_run, script)
    assert counts(execution) == {"failed": 1}
    assert "timeout was reached" in completed(execution).message
    assert cloud_run.log(execution) == "begun\nended\n"


def test_a_task_that_ignores_sigterm_is_killed_after_the_grace(impatient: CloudRun) -> None:
    execution = past_its_timeout(impatient, "trap '' TERM; echo begun; while :; do sleep 0.02; done")
    least = execution.template.timeout + SHORT_GRACE
    assert execution.completion_time - execution.start_time > least


def test_cancelling_ends_the_task_without_a_retry_and_fails_no_operation(cloud_run: CloudRun) -> None:
    cloud_run.create("trap 'echo ended; exit 1' TERM; echo begun; while :; do sleep 0.02; done")
    run = cloud_run.run()
    until(lambda: cloud_run.log(run.metadata))
    cancelled = cloud_run.executions.cancel_execution(name=run.metadata.name).result(timeout=HANG)
    assert counts(cancelled) == {"cancelled": 1}
    assert completed(cancelled).state == State.CONDITION_FAILED
    assert completed(cancelled).execution_reason == Reason.CANCELLED
    assert cloud_run.log(cancelled) == "begun\nended\n"
    assert run.result(timeout=HANG) == cancelled


def test_tasks_that_had_not_started_are_cancelled_too(cloud_run: CloudRun) -> None:
    cloud_run.create("echo begun; sleep infinity", tasks=3, parallelism=1)
    run = cloud_run.run()
    until(lambda: cloud_run.log(run.metadata))
    cloud_run.executions.cancel_execution(name=run.metadata.name)
    assert counts(run.result(timeout=HANG)) == {"cancelled": 3}
    assert cloud_run.log(run.metadata, 1) == ""


def test_a_task_sees_cloud_runs_variables_and_the_jobs_own(cloud_run: CloudRun) -> None:
    cloud_run.create("env", tasks=2)
    execution = cloud_run.run().result(timeout=HANG)
    seen = dict(line.split("=", 1) for line in cloud_run.log(execution, 1).splitlines() if "=" in line)
    assert (
        seen.items()
        >= {
            "CLOUD_RUN_JOB": "worker",
            "CLOUD_RUN_EXECUTION": execution.name.rpartition("/")[2],
            "CLOUD_RUN_TASK_INDEX": "1",
            "CLOUD_RUN_TASK_COUNT": "2",
            "CLOUD_RUN_TASK_ATTEMPT": "0",
            "PATH": os.environ["PATH"],
        }.items()
    )


def test_parallelism_bounds_how_many_tasks_run_at_once(cloud_run: CloudRun, tmp_path: Path) -> None:
    script = 'mkdir "$0" || exit 1; sleep 0.1; rmdir "$0"'
    cloud_run.create(script, str(tmp_path / "one"), tasks=4, parallelism=1, max_retries=0)
    assert counts(cloud_run.run().result(timeout=HANG)) == {"succeeded": 4}


def test_overrides_replace_arguments_tasks_and_timeout_and_add_variables(cloud_run: CloudRun) -> None:
    cloud_run.create('echo "$0" "$@" "$WHO"', "one", "two")
    override = ContainerOverride(args=["three"], env=[run_v2.EnvVar(name="WHO", value="me")])
    overrides = Overrides(container_overrides=[override], task_count=2, timeout=timedelta(minutes=50))
    execution = cloud_run.run(overrides).result(timeout=HANG)
    assert counts(execution) == {"succeeded": 2}
    assert execution.template.timeout == timedelta(minutes=50)
    assert [cloud_run.log(execution, index) for index in (0, 1)] == ["three me\n"] * 2
    unchanged = cloud_run.run().result(timeout=HANG)
    assert cloud_run.log(unchanged) == "one two \n"


def test_overrides_can_clear_the_arguments(cloud_run: CloudRun) -> None:
    cloud_run.create("echo $#:$0", "zero", "one")
    overrides = Overrides(container_overrides=[ContainerOverride(clear_args=True)])
    assert cloud_run.log(cloud_run.run(overrides).result(timeout=HANG)).startswith("0:")


def test_a_worker_is_counted_however_many_younger_ones_have_ended(
    cloud_run: CloudRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud_run.create('[ "$0" = long ] && sleep 1000 || true', "short")
    long = Overrides(container_overrides=[ContainerOverride(args=["long"])])
    first = cloud_run.run(long).metadata.name
    for _ in range(3):
        cloud_run.run().result(timeout=HANG)
    monkeypatch.setattr(runs, "PAGE", 2)
    _, project, _, region = cloud_run.location.split("/")
    credentials.write_key(tmp_path / "key.json", project)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    worker = runs.WorkerJob(project, region, "worker", f"http://127.0.0.1:{cloud_run.port}")
    assert worker.alive(HANG) == 1
    assert [name for name, finished in worker.executions().items() if not finished] == [first]
    monkeypatch.setattr(runs, "LONGEST_LIFE", timedelta(0))
    assert not worker.executions()


def test_executions_are_listed_newest_first_in_pages(cloud_run: CloudRun) -> None:
    cloud_run.create("true")
    names = [cloud_run.run().metadata.name for _ in range(3)]
    request = run_v2.ListExecutionsRequest(parent=cloud_run.job, page_size=2)
    pages = cloud_run.executions.list_executions(request).pages
    assert [[execution.name for execution in page.executions] for page in pages] == [
        [names[2], names[1]],
        [names[0]],
    ]
    everywhere = cloud_run.executions.list_executions(parent=f"{cloud_run.location}/jobs/-")
    assert [execution.name for execution in everywhere] == names[::-1]
    assert not list(cloud_run.executions.list_executions(parent=f"{cloud_run.location}/jobs/work"))


def test_a_job_is_kept_with_a_reference_to_its_newest_execution(cloud_run: CloudRun) -> None:
    cloud_run.create("true")
    execution = cloud_run.run().result(timeout=HANG)
    [job] = cloud_run.jobs.list_jobs(parent=cloud_run.location)
    assert job == cloud_run.jobs.get_job(name=cloud_run.job)
    assert job.execution_count == 1
    latest = job.latest_created_execution
    assert execution.name.endswith(f"/{latest.name}")
    assert latest.completion_status == run_v2.ExecutionReference.CompletionStatus.EXECUTION_SUCCEEDED


def test_waiting_for_an_operation_returns_when_it_is_done_or_the_time_is_up(
    cloud_run: CloudRun, tmp_path: Path
) -> None:
    end = tmp_path / "end"
    cloud_run.create('until [ -e "$0" ]; do sleep 0.02; done', str(end))
    name = cloud_run.run().operation.name
    short = operations_pb2.WaitOperationRequest(name=name, timeout={"nanos": 1_000_000})
    assert not cloud_run.jobs.wait_operation(short).done
    end.touch()
    assert cloud_run.jobs.wait_operation(operations_pb2.WaitOperationRequest(name=name)).done


def test_what_was_deleted_is_gone_and_its_tasks_are_ended(cloud_run: CloudRun) -> None:
    cloud_run.create("echo $$; exec sleep infinity")
    execution = cloud_run.run().metadata
    until(lambda: cloud_run.log(execution))
    cloud_run.jobs.delete_job(name=cloud_run.job).result(timeout=HANG)
    until(lambda: not alive(int(cloud_run.log(execution))))
    with pytest.raises(NotFound):
        cloud_run.executions.get_execution(name=execution.name)


@pytest.mark.parametrize(
    "ask",
    [
        lambda run: run.jobs.get_job(name=run.job),
        lambda run: run.jobs.run_job(name=run.job),
        lambda run: run.jobs.delete_job(name=run.job),
        lambda run: run.executions.get_execution(name=f"{run.job}/executions/none"),
        lambda run: run.executions.cancel_execution(name=f"{run.job}/executions/none"),
        lambda run: run.jobs.get_operation(
            operations_pb2.GetOperationRequest(name=f"{run.location}/operations/none")
        ),
    ],
)
def test_what_is_unknown_is_not_found(cloud_run: CloudRun, ask: Callable[[CloudRun], object]) -> None:
    with pytest.raises(NotFound, match="was not found"):
        ask(cloud_run)


def test_a_job_id_is_taken_once(cloud_run: CloudRun) -> None:
    cloud_run.create("true")
    with pytest.raises(Conflict, match="already exists"):
        cloud_run.create("true")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (Overrides(task_count=-1), "task_count"),
        (Overrides(timeout=timedelta(0)), "timeout"),
        (Overrides(container_overrides=[ContainerOverride(), ContainerOverride()]), "container_overrides"),
    ],
)
def test_overrides_that_make_no_sense_are_refused(
    cloud_run: CloudRun, overrides: Overrides, message: str
) -> None:
    cloud_run.create("true")
    with pytest.raises(BadRequest, match=message):
        cloud_run.run(overrides)


def test_a_body_that_is_no_request_is_an_error_as_google_writes_it(cloud_run: CloudRun) -> None:
    cloud_run.create("true")
    connection = HTTPConnection("127.0.0.1", cloud_run.port, timeout=HANG)
    connection.request("POST", f"/v2/{cloud_run.job}:run", b'{"overrides": {"no_such_field": 1}}')
    answer = connection.getresponse()
    error = json.load(answer)["error"]
    connection.close()
    assert (answer.status, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert "no_such_field" in error["message"]


def test_a_command_that_does_not_exist_fails_the_execution(cloud_run: CloudRun) -> None:
    container = run_v2.Container(image="any", command=["/no/such/command"])
    template = run_v2.TaskTemplate(containers=[container], max_retries=0)
    cloud_run.create_from(run_v2.ExecutionTemplate(template=template))
    assert isinstance(cloud_run.run().exception(timeout=HANG), Aborted)


def test_what_a_task_started_ends_with_the_task(cloud_run: CloudRun) -> None:
    cloud_run.create("sleep infinity & echo $!")
    execution = cloud_run.run().result(timeout=HANG)
    assert not alive(int(cloud_run.log(execution)))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_tasks_end_with_the_stand_in(own: CloudRun, parts: Supervisor, number: signal.Signals) -> None:
    own.create("trap 'echo ended; exit 0' TERM; echo $$; while :; do sleep 0.02; done", tasks=2)
    execution = own.run().metadata
    until(lambda: own.log(execution, 0) and own.log(execution, 1))
    pids = [int(own.log(execution, index)) for index in (0, 1)]
    os.kill(parts.pids["run_jobs"], number)
    until(lambda: not any(alive(pid) for pid in pids))
    assert [own.log(execution, index) for index in (0, 1)] == [f"{pid}\nended\n" for pid in pids]


def test_sigterm_kills_what_does_not_end_in_time(impatient: CloudRun, parts: Supervisor) -> None:
    impatient.create("trap '' TERM; echo $$; while :; do sleep 0.02; done")
    execution = impatient.run().metadata
    until(lambda: impatient.log(execution))
    pid = int(impatient.log(execution))
    parts.stop(grace=HANG)
    assert not alive(pid)
