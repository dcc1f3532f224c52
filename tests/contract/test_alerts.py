"""Which lines and figures wake somebody, by mode: who predicts is a job in one, a revision in the other."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
from support import plan
from support.terraform import evaluated

from local import topology

Mode = Literal["sync", "async"]
Alerts = Mapping[str, Mapping[str, Any]]
Line = dict[str, str]
"""What a filter compares: metric.type, resource.type, metric.label.state …"""

COMPARISON = re.compile(r'([\w.]+)(!?=)(?:starts_with\("([^"]*)"\)|"([^"]*)")')
TYPE = "logging.googleapis.com/user/dropfold"

JOB = {"resource.type": "cloud_run_job", "resource.label.job_name": "dropfold-worker"}
SERVICE = {"resource.type": "cloud_run_revision", "resource.label.service_name": "dropfold-service"}
SWEEP = {"resource.type": "cloud_run_revision", "resource.label.service_name": "dropfold-on-sweep"}
COMPARE = {"resource.type": "cloud_run_revision", "resource.label.service_name": "dropfold-on-compare"}
REQUEST = {"resource.type": "cloud_run_revision", "resource.label.service_name": "dropfold-on-request"}
PREDICTS: Mapping[Mode, Line] = {"async": JOB, "sync": SERVICE}
FAILED = {"metric.type": f"{TYPE}/ends", "metric.label.state": "FAILED"}


@pytest.fixture(scope="module")
def alerts(tmp_path_factory: pytest.TempPathFactory) -> Mapping[Mode, Alerts]:
    """Return the alerts of each mode."""
    folder = tmp_path_factory.mktemp("alerts")
    return {
        "async": evaluated("local.alerts", folder),
        "sync": evaluated("local.alerts", folder, "-var=gpu_worker_mode=sync", "-var=service=true"),
    }


def counts(filter_: str, line: Line) -> bool:
    """Say whether a filter of Cloud Monitoring lets a line through."""
    found = COMPARISON.findall(filter_)
    assert found and not COMPARISON.sub("", filter_).strip()  # noqa: PT018  one thought
    return all(
        (line.get(key, "").startswith(prefix) if prefix else line.get(key, "") == value) == (how == "=")
        for key, how, prefix, value in found
    )


def woken(alerts: Alerts, line: Line) -> set[str]:
    """Name the conditions that a line counts for."""
    return {
        f"{key}/{number}"
        for key, alert in alerts.items()
        for number, condition in enumerate(alert["conditions"])
        if counts(condition["filter"], line)
    }


MODES: tuple[Mode, ...] = ("async", "sync")


@pytest.mark.parametrize("mode", MODES)
def test_a_job_that_failed_at_a_worker_is_a_share_of_what_workers_ended(
    mode: Mode, alerts: Mapping[Mode, Alerts]
) -> None:
    assert woken(alerts[mode], FAILED | PREDICTS[mode]) == {"failures/0", "failures/1"}
    assert counts(alerts[mode]["failures"]["conditions"][0]["denominator"], FAILED | PREDICTS[mode])


@pytest.mark.parametrize("mode", MODES)
def test_a_job_that_a_function_gave_up_is_told_at_once(mode: Mode, alerts: Mapping[Mode, Alerts]) -> None:
    assert woken(alerts[mode], FAILED | SWEEP) == {"given-up/0"}


@pytest.mark.parametrize("mode", MODES)
def test_cold_starts_and_slow_predictions_are_those_of_who_predicts(
    mode: Mode, alerts: Mapping[Mode, Alerts]
) -> None:
    assert woken(alerts[mode], {"metric.type": f"{TYPE}/cold_starts"} | PREDICTS[mode]) == {"cold-starts/0"}
    assert woken(alerts[mode], {"metric.type": f"{TYPE}/processing_seconds"} | PREDICTS[mode]) == {"slow/0"}


@pytest.mark.parametrize(("mode", "queue"), [("async", "work"), ("sync", "launch")])
def test_the_queue_is_the_subscription_that_is_worked_off(
    mode: Mode, queue: str, alerts: Mapping[Mode, Alerts]
) -> None:
    kind = "pubsub.googleapis.com/subscription"
    for name in ("work", "launch"):
        line = {"resource.type": "pubsub_subscription", "resource.label.subscription_id": name}
        depth = woken(alerts[mode], line | {"metric.type": f"{kind}/num_undelivered_messages"})
        age = woken(alerts[mode], line | {"metric.type": f"{kind}/oldest_unacked_message_age"})
        assert (depth, age) == (({"queue/0"}, {"stuck/0"}) if name == queue else (set(), set()))


def test_what_the_queue_s_filter_leaves_out_never_fills_it(alerts: Mapping[Mode, Alerts]) -> None:
    """Pub/Sub may count it until it acknowledges it itself: a request for capacity of each sweep."""
    known = topology.load()
    assert known.subscriptions["work"].filter == 'attributes.ce-type = "dev.dropfold.prediction.requested.v1"'
    [depth] = alerts["async"]["queue"]["conditions"]
    left_out = (depth["period"] + depth["duration"]) / known.schedules["sweep"].every
    assert left_out * 10 < depth["threshold"]


def test_a_function_that_fails_is_told_but_not_a_service_that_is_full(alerts: Mapping[Mode, Alerts]) -> None:
    failed = {"metric.type": "run.googleapis.com/request_count", "metric.label.response_code_class": "5xx"}
    for mode in MODES:
        assert woken(alerts[mode], failed | COMPARE) == {"functions/0"}
        assert woken(alerts[mode], failed | SERVICE) == set()
    assert woken(alerts["async"], failed | REQUEST) == {"functions/0"}
    assert woken(alerts["sync"], failed | REQUEST) == set()  # it answers so where the service is full


def test_a_sweep_that_nobody_calls_is_told(alerts: Mapping[Mode, Alerts]) -> None:
    """No schedule, no failed call: it is the absence of calls that tells."""
    for mode in MODES:
        called = {
            "metric.type": "run.googleapis.com/request_count",
            "metric.label.response_code_class": "2xx",
        }
        assert woken(alerts[mode], called | SWEEP) == {"sweep/0"}
        assert woken(alerts[mode], called | COMPARE) == set()
    [condition] = alerts["async"]["sweep"]["conditions"]
    assert (condition["absent"], condition["duration"]) == (True, 900)


def test_executions_that_fail_are_told(alerts: Mapping[Mode, Alerts]) -> None:
    failed = {
        "metric.type": "run.googleapis.com/job/completed_execution_count",
        "metric.label.result": "failed",
    }
    assert woken(alerts["async"], failed | JOB) == {"stuck/1"}


def test_a_queue_that_stands_still_is_told_within_the_hour(alerts: Mapping[Mode, Alerts]) -> None:
    [age, _] = alerts["async"]["stuck"]["conditions"]
    assert (age["threshold"], age["duration"]) == (1800, 600)
    [failing] = alerts["async"]["functions"]["conditions"]
    assert (failing["threshold"], failing["duration"]) == (0, 900)


def test_one_failed_job_at_night_wakes_nobody(alerts: Mapping[Mode, Alerts]) -> None:
    assert alerts["async"]["failures"]["combiner"] == "AND"
    _, enough = alerts["async"]["failures"]["conditions"]
    assert (enough["denominator"], enough["threshold"]) == (None, 4)
    succeeded = {"metric.type": f"{TYPE}/ends", "metric.label.state": "SUCCEEDED"}
    assert woken(alerts["async"], succeeded | JOB) == {"failures/1"}


def test_incidents_close_soon_after_their_cause() -> None:
    [strategy] = plan.resources()["google_monitoring_alert_policy.alert"]["alert_strategy"]
    assert (
        strategy["auto_close"] == "1800s"
    )  # the least there is; else a week, in which the same is not told again


def test_the_dashboard_is_of_the_mode_that_is_deployed() -> None:
    given = plan.resources()["google_monitoring_dashboard.dropfold"]["dashboard_json"]
    page = (Path(plan.PLAN) / "dashboard.json.tftpl").read_text()
    assert "local.queue" in given
    assert re.findall(r'resource\.type=\\"cloud_run_job\\"', page.partition('"title": "Errors"')[0]) == []
    assert "local.predicts" in given


def test_the_dashboard_has_the_goals_as_lines() -> None:
    page = (Path(plan.PLAN) / "dashboard.json.tftpl").read_text()
    assert re.findall(r'"thresholds": \[(.*)\]', page) == [
        '{ "value": 0.05 }',
        '{ "value": 100 }',
        '{ "value": 0.95 }',
        '{ "value": 90 }, { "value": 120 }',
        '{ "value": 0.7 }',
    ]
