from datetime import UTC, datetime, timedelta

import pytest
from google.api_core.exceptions import InvalidArgument
from google.cloud import run_v2

from local.run_execution import conclusion, new_execution, task_environment
from local.run_jobs import new_job, page

NAME = "projects/p/locations/l/jobs/worker"
Overrides = run_v2.RunJobRequest.Overrides
Reason = run_v2.Condition.ExecutionReason


def container(**fields: object) -> run_v2.Container:
    return run_v2.Container(**{"image": "any", "command": ["worker"], **fields})


def job(*containers: run_v2.Container, parallelism: int = 0, **task: object) -> run_v2.Job:
    template = run_v2.TaskTemplate(containers=containers or [container()], **task)
    return run_v2.Job(template=run_v2.ExecutionTemplate(template=template, parallelism=parallelism))


def test_a_new_job_has_the_defaults_of_the_api() -> None:
    made = new_job(NAME, job())
    assert made.name == NAME
    assert made.template.task_count == 1
    assert made.template.template.max_retries == 3
    assert made.template.template.timeout == timedelta(seconds=600)


def test_a_new_job_keeps_what_was_set_even_to_zero() -> None:
    made = new_job(NAME, job(max_retries=0, timeout=timedelta(seconds=5)))
    assert made.template.template.max_retries == 0
    assert made.template.template.timeout == timedelta(seconds=5)


@pytest.mark.parametrize("job_id", ["", "Upper", "-dash", "dash-", "a" * 64, "a_b"])
def test_a_job_id_that_cloud_run_would_refuse_is_refused(job_id: str) -> None:
    with pytest.raises(InvalidArgument, match="job_id"):
        new_job(f"projects/p/locations/l/jobs/{job_id}", job())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (run_v2.Job(), "one container"),
        (job(container(), container()), "one container"),
        (job(run_v2.Container(image="any")), "with a command"),
        (job(max_retries=11), "max_retries"),
        (job(timeout=timedelta(days=8)), "timeout"),
        (job(container(env=[run_v2.EnvVar(name="KEY", value_source=run_v2.EnvVarSource())])), "secret"),
    ],
)
def test_a_job_that_could_not_run_is_refused_when_it_is_made(wrong: run_v2.Job, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        new_job(NAME, wrong)


def test_an_override_changes_the_execution_and_not_the_job() -> None:
    variables = [run_v2.EnvVar(name="A", value="1"), run_v2.EnvVar(name="B", value="2")]
    made = new_job(NAME, job(container(args=["old"], env=variables)))
    override = Overrides.ContainerOverride(args=["new"], env=[run_v2.EnvVar(name="B", value="3")])
    execution = new_execution(made, Overrides(container_overrides=[override], task_count=5))
    [changed] = execution.template.containers
    assert list(changed.args) == ["new"]
    assert {variable.name: variable.value for variable in changed.env} == {"A": "1", "B": "3"}
    assert execution.task_count == 5
    assert list(made.template.template.containers[0].args) == ["old"]


@pytest.mark.parametrize(
    ("parallelism", "tasks", "expected"), [(0, 1, 1), (0, 7, 7), (2, 7, 2), (9, 7, 7), (0, 5000, 100)]
)
def test_parallelism_is_bounded_by_the_job_its_tasks_and_the_machine(
    parallelism: int, tasks: int, expected: int
) -> None:
    made = new_job(NAME, job(parallelism=parallelism))
    assert new_execution(made, Overrides(task_count=tasks)).parallelism == expected


def test_cloud_runs_variables_win_over_the_jobs() -> None:
    mine = run_v2.EnvVar(name="CLOUD_RUN_TASK_INDEX", value="mine")
    execution = new_execution(new_job(NAME, job(container(env=[mine]))), Overrides())
    assert task_environment(execution, 4, 2) == {
        "CLOUD_RUN_JOB": "worker",
        "CLOUD_RUN_EXECUTION": execution.name.rpartition("/")[2],
        "CLOUD_RUN_TASK_INDEX": "4",
        "CLOUD_RUN_TASK_COUNT": "1",
        "CLOUD_RUN_TASK_ATTEMPT": "2",
    }


@pytest.mark.parametrize(
    ("counts", "state", "reason"),
    [
        ({"succeeded_count": 2}, "CONDITION_SUCCEEDED", Reason.EXECUTION_REASON_UNDEFINED),
        ({"succeeded_count": 1, "failed_count": 1}, "CONDITION_FAILED", Reason.NON_ZERO_EXIT_CODE),
        ({"failed_count": 1, "cancelled_count": 1}, "CONDITION_FAILED", Reason.CANCELLED),
    ],
)
def test_the_counts_decide_how_an_execution_ended(counts: dict[str, int], state: str, reason: int) -> None:
    condition = conclusion(run_v2.Execution(name=f"{NAME}/executions/x", **counts), "because")
    assert (condition.type_, condition.state.name, condition.execution_reason) == ("Completed", state, reason)


def test_pages_join_to_the_whole_list_whatever_is_added_in_front() -> None:
    items = [run_v2.Execution(name=str(number)) for number in range(5)]
    first, token = page(items, 2, "")
    second, token = page([run_v2.Execution(name="new"), *items], 2, token)
    third, token = page(items, 2, token)
    assert [item.name for item in [*first, *second, *third]] == ["0", "1", "2", "3", "4"]
    assert token == ""


def test_a_page_of_no_stated_size_has_a_limit() -> None:
    items = [run_v2.Execution(name=str(number), create_time=datetime.now(UTC)) for number in range(101)]
    assert len(page(items, 0, "")[0]) == 100


def test_an_unknown_page_token_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="page_token"):
        page([run_v2.Execution(name="a")], 1, "b")
