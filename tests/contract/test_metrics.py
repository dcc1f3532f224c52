"""Metrics count lines that the code logs; dashboard and alerts use metrics that exist."""

import ast
import json
import re
from collections.abc import Iterator
from string import Template

from support import plan
from support.plan import PLAN, ROOT

from functions.alignments.colabfold import MAINTENANCE_SECONDS, RATE_LIMIT_SECONDS
from functions.alignments.search import LONGEST_PAUSE_SECONDS
from local import topology

METRICS = plan.local_values()["metrics"]
ALERTS = plan.local_values()["alerts"]
PLATFORM = {
    "pubsub.googleapis.com/subscription/dead_letter_message_count",
    "pubsub.googleapis.com/subscription/num_undelivered_messages",
    "pubsub.googleapis.com/subscription/oldest_unacked_message_age",
    "run.googleapis.com/container/gpu/utilizations",
    "run.googleapis.com/container/instance_count",
    "run.googleapis.com/job/completed_execution_count",
    "run.googleapis.com/job/running_executions",
    "run.googleapis.com/request_count",
}
"""Metrics of Google's that are used, as its list of metrics names them."""

TYPE = re.compile(r'metric\.type="([^"]+)"')


def calls() -> Iterator[ast.Call]:
    """Find what is logged in the rooms of the product that run in the cloud."""
    files = [file for room in ("functions", "worker", "gcp", "jobs") for file in (ROOT / room).rglob("*.py")]
    for call in (each for file in files for each in ast.walk(ast.parse(file.read_text()))):
        if isinstance(call, ast.Call) and ast.unparse(call.func).startswith("logger."):
            yield call


def action(call: ast.Call) -> str | None:
    """Return the action that a line carries."""
    found = re.search(r"'action': '([a-z_.]+)'", ast.unparse(call))
    return found[1] if found else None


def test_every_line_of_the_log_carries_an_action() -> None:
    assert [ast.unparse(call) for call in calls() if not action(call)] == []


def dashboard() -> dict[str, object]:
    """Return the page with all that some deployments have."""
    text = re.sub("^%{.*}\n", "", (PLAN / "dashboard.json.tftpl").read_text(), flags=re.MULTILINE)
    page = json.loads(
        Template(text).substitute(
            name="n",
            queue="work",
            predicts="of who predicts",
            metric="logging.googleapis.com/user/n",
            our_logs="of ours",
            log_view="of the bucket",
        )
    )
    assert isinstance(page, dict)
    return page


def known() -> set[str]:
    return PLATFORM | {f"logging.googleapis.com/user/n/{key}" for key in METRICS}


def test_every_action_that_is_counted_is_logged() -> None:
    logged = {action(call) for call in calls()}
    for name, metric in METRICS.items():
        actions = re.search(r'jsonPayload\.action=(\([^)]*\)|"[^"]*")', metric["filter"])
        assert actions, name
        assert set(re.findall('"([^"]+)"', actions[1])) <= logged, name


def test_every_alert_watches_metrics_that_exist() -> None:
    watched = {
        name.replace("${local.metric_type}", "logging.googleapis.com/user/n")
        for text in plan.texts(ALERTS)
        for name in TYPE.findall(text)
    }
    assert watched <= known()


def test_an_alert_s_filter_names_one_resource_as_cloud_monitoring_wants() -> None:
    for text in plan.texts(ALERTS):
        if TYPE.search(text):
            whole = re.sub(r"\$\{local\.(predicts|functions_run)\}", 'resource.type="one"', text)
            assert len(re.findall(r'resource\.type="\w+"', whole)) == 1


def test_the_dashboard_shows_every_metric_of_ours_and_none_unknown() -> None:
    shown = {name for text in plan.texts(dashboard()) for name in TYPE.findall(text)}
    assert shown <= known()
    assert known() - shown == set()


def test_thresholds_are_those_that_were_promised() -> None:
    thresholds = {key: alert["conditions"][0]["threshold"] for key, alert in ALERTS.items()}
    assert thresholds == {
        "cold-starts": 10,
        "queue": 100,
        "failures": 0.05,
        "given-up": 0,
        "stuck": 1800,
        "functions": 0,
        "sweep": None,
        "slow": 120,
        "dead-letters": 0,
        "msa-server": 0,
    }


def test_trouble_that_goes_on_is_told_after_a_quarter_of_an_hour_and_one_time_is_not() -> None:
    [condition] = ALERTS["msa-server"]["conditions"]
    assert condition["duration"] == 900
    longest = max(LONGEST_PAUSE_SECONDS, MAINTENANCE_SECONDS, 1.5 * RATE_LIMIT_SECONDS)
    asked_again = topology.load().schedules["sweep"].every
    assert longest + asked_again < condition["period"] < condition["duration"]


def test_every_alert_links_its_section_of_the_runbook() -> None:
    [documentation] = plan.resources()["google_monitoring_alert_policy.alert"]["documentation"]
    assert documentation["content"].endswith("${var.runbook}#alert-${each.key}")
