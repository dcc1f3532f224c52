"""One execution of a Cloud Run job as processes of this machine: tasks, retries, timeouts, cancellation.

State is kept in the API's own messages (google.cloud.run_v2), so that no field or enum can drift from it.
"""

import contextlib
import os
import signal
import subprocess
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from google.api_core.exceptions import InvalidArgument
from google.cloud import run_v2

from local.processes import bound

GRACE_SECONDS = 10.0
"""Time from SIGTERM to SIGKILL, by https://cloud.google.com/run/docs/container-contract."""
MOST_TASKS = 10_000
MOST_RETRIES = 10
LONGEST_TIMEOUT = timedelta(days=7)
MOST_PARALLEL = 100
EXITED = "The container exited with an error."
TIMED_OUT = "The configured timeout was reached."
CANCELLED = "The task was cancelled before it started."

State: TypeAlias = run_v2.Condition.State
Reason: TypeAlias = run_v2.Condition.ExecutionReason


class Run:
    """An execution under way. Its threads change it under its lock; what goes out is a copy."""

    def __init__(self, execution: run_v2.Execution, log_dir: Path, grace: float = GRACE_SECONDS) -> None:
        self._execution = execution
        self._template = run_v2.TaskTemplate(execution.template)
        self._log_dir = log_dir
        self._grace = grace
        self._changed = threading.Condition()
        self._cancelled = False
        self._failure = ""
        self._processes: set[subprocess.Popen[bytes]] = set()

    def start(self) -> None:
        """Start the tasks and return at once."""
        threading.Thread(target=self._run_tasks, daemon=True).start()

    def snapshot(self) -> run_v2.Execution:
        """Return the execution as it is now."""
        with self._changed:
            return run_v2.Execution(self._execution)

    def cancel(self) -> None:
        """End the running tasks (SIGTERM, grace, SIGKILL) without any start or retry; return at once."""
        with self._change() as execution:
            if self._cancelled or execution.completion_time:
                return
            self._cancelled = True
            execution.conditions = [_condition(State.CONDITION_RECONCILING, reason=Reason.CANCELLING)]
            for process in self._processes:
                threading.Thread(target=end, args=(process, self._grace), daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Wait until the execution is completed, at most ``seconds``; return whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._execution.completion_time), seconds)

    def _run_tasks(self) -> None:
        # The kernel ends a task with the thread that started it: each task has a thread that waits for it.
        with ThreadPoolExecutor(self._execution.parallelism) as pool:
            list(pool.map(self._run_task, range(self._execution.task_count)))
        with self._change() as execution:
            execution.conditions = [conclusion(execution, self._failure)]
            execution.reconciling = False
            execution.completion_time = now()

    def _run_task(self, index: int) -> None:
        with self._change() as execution:
            execution.running_count += 1
        failure = self._run_attempts(index)
        with self._change() as execution:
            execution.running_count -= 1
            if self._cancelled:
                execution.cancelled_count += 1
            elif failure:
                execution.failed_count += 1
                self._failure = f"Task {_task(execution, index)} failed with message: {failure}"
            else:
                execution.succeeded_count += 1

    def _run_attempts(self, index: int) -> str:
        """Try a task until it succeeds or its retries are spent; return why it failed, else ""."""
        failure = self._run_attempt(index, 0)
        for attempt in range(1, self._template.max_retries + 1):
            if not failure or self._cancelled:
                break
            if attempt == 1:
                with self._change() as execution:
                    execution.retried_count += 1
            failure = self._run_attempt(index, attempt)
        return failure

    def _run_attempt(self, index: int, attempt: int) -> str:
        """Run one process to its end; return why it failed, else ""."""
        try:
            process = self._start(index, attempt)
        except OSError as error:
            return f"The container could not be started: {error}."
        if process is None:
            return CANCELLED
        try:
            return EXITED if process.wait(self._template.timeout.total_seconds()) else ""
        except subprocess.TimeoutExpired:
            end(process, self._grace)
            return TIMED_OUT
        finally:
            _kill_group(process)  # what it started ends with it, as in a container
            with self._changed:
                self._processes.discard(process)

    def _start(self, index: int, attempt: int) -> subprocess.Popen[bytes] | None:
        with self._changed:
            if self._cancelled:
                return None
            process = self._popen(index, attempt)
            self._processes.add(process)
            return process

    def _popen(self, index: int, attempt: int) -> subprocess.Popen[bytes]:
        container = self._template.containers[0]
        with (self._log_dir / f"{_task(self._execution, index)}.log").open("ab") as log:
            return subprocess.Popen(
                bound([*container.command, *container.args]),
                env={**os.environ, **task_environment(self._execution, index, attempt)},
                cwd=container.working_dir or None,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @contextlib.contextmanager
    def _change(self) -> Iterator[run_v2.Execution]:
        with self._changed:
            yield self._execution
            self._execution.update_time = now()
            self._changed.notify_all()


def new_execution(job: run_v2.Job, overrides: run_v2.RunJobRequest.Overrides) -> run_v2.Execution:
    """Return the execution that ``run_job`` starts. Raises InvalidArgument if it could not run here."""
    tasks = overrides.task_count or job.template.task_count
    if not 1 <= tasks <= MOST_TASKS:
        raise InvalidArgument(f"task_count is {tasks}; set it from 1 to {MOST_TASKS}.")
    return run_v2.Execution(
        name=f"{job.name}/executions/{short(job.name)}-{uuid.uuid4().hex[:8]}",
        uid=str(uuid.uuid4()),
        generation=1,
        observed_generation=1,
        job=short(job.name),
        create_time=now(),
        start_time=now(),
        update_time=now(),
        task_count=tasks,
        parallelism=min(tasks, job.template.parallelism or MOST_PARALLEL, MOST_PARALLEL),
        template=_task_template(job.template.template, overrides),
        reconciling=True,
        conditions=[_condition(State.CONDITION_RECONCILING)],
        etag=uuid.uuid4().hex,
    )


def task_environment(execution: run_v2.Execution, index: int, attempt: int) -> dict[str, str]:
    """Return a task's environment: Cloud Run's variables, and the container's own."""
    return {variable.name: variable.value for variable in execution.template.containers[0].env} | {
        "CLOUD_RUN_JOB": short(execution.job),
        "CLOUD_RUN_EXECUTION": short(execution.name),
        "CLOUD_RUN_TASK_INDEX": str(index),
        "CLOUD_RUN_TASK_COUNT": str(execution.task_count),
        "CLOUD_RUN_TASK_ATTEMPT": str(attempt),
    }


def conclusion(execution: run_v2.Execution, failure: str) -> run_v2.Condition:
    """Return the terminal Completed condition that follows from the counts."""
    name = short(execution.name)
    if execution.cancelled_count:
        return _condition(State.CONDITION_FAILED, f"Execution {name} was cancelled.", Reason.CANCELLED)
    if execution.failed_count:
        return _condition(State.CONDITION_FAILED, failure, Reason.NON_ZERO_EXIT_CODE)
    return _condition(State.CONDITION_SUCCEEDED, f"Execution {name} completed successfully.")


def end(process: subprocess.Popen[bytes], grace: float) -> None:
    """Send SIGTERM to a container's first process, as Cloud Run does, and after ``grace`` seconds SIGKILL."""
    process.terminate()
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def short(name: str) -> str:
    """Return the last part of a resource's name."""
    return name.rpartition("/")[2]


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


def _task(execution: run_v2.Execution, index: int) -> str:
    return f"{short(execution.name)}-task{index}"


def _task_template(
    template: run_v2.TaskTemplate, overrides: run_v2.RunJobRequest.Overrides
) -> run_v2.TaskTemplate:
    result = run_v2.TaskTemplate(template)
    if "timeout" in overrides:
        result.timeout = overrides.timeout
    if len(overrides.container_overrides) > 1:
        raise InvalidArgument("container_overrides has more than one entry; a job here has one container.")
    for override in overrides.container_overrides:
        result.containers = [_overridden(result.containers[0], override)]
    _check(result)
    return result


def _check(task: run_v2.TaskTemplate) -> None:
    if len(task.containers) != 1 or not task.containers[0].command:
        raise InvalidArgument("A job needs one container with a command: there is no image to take one from.")
    if any("value_source" in variable for variable in task.containers[0].env):
        raise InvalidArgument(
            "A variable takes its value from a secret; set the value: there are no secrets here."
        )
    if not 0 <= task.max_retries <= MOST_RETRIES:
        raise InvalidArgument(f"max_retries is {task.max_retries}; set it from 0 to {MOST_RETRIES}.")
    if not timedelta(0) < task.timeout <= LONGEST_TIMEOUT:
        raise InvalidArgument(f"timeout is {task.timeout}; set it above 0 and up to {LONGEST_TIMEOUT}.")


def _overridden(
    container: run_v2.Container, override: run_v2.RunJobRequest.Overrides.ContainerOverride
) -> run_v2.Container:
    result = run_v2.Container(container)
    if override.args or override.clear_args:
        result.args = override.args
    variables = {variable.name: variable for variable in [*container.env, *override.env]}
    result.env = list(variables.values())
    return result


def _condition(state: State, message: str = "", reason: Reason | None = None) -> run_v2.Condition:
    condition = run_v2.Condition(type_="Completed", state=state, message=message, last_transition_time=now())
    if reason is not None:
        condition.execution_reason = reason
    return condition


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
