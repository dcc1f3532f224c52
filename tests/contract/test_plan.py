"""What the Terraform plan must be: whole, private, with the least rights, and as the code expects."""

import re
from collections.abc import Iterable
from datetime import timedelta
from graphlib import TopologicalSorter
from pathlib import Path
from typing import get_args

import hcl2
import pytest
from support import plan
from support.plan import ROOT, Body

from functions.settings import AlignSettings
from gcp.cloud_run import LONGEST_LIFE
from inputs.size import USUAL_TOKENS
from jobs.lifecycle import UNTAKEN
from local import topology
from schemas.job import Speed
from tools.settings_page import ENTRY_POINTS
from worker.child_pool import CHILDREN
from worker.drain import MAX_IN_FLIGHT
from worker.settings import PredictionSettings, WorkerSettings

TOPOLOGY = topology.load()
FUNCTIONS = plan.local_values()["functions"]
RIGHTS = plan.local_values()["rights"]
JOB = plan.resources()["google_cloud_run_v2_job.worker"]["template"][0]["template"][0]
SERVICE = plan.resources()["google_cloud_run_v2_service.worker"]["template"][0]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()

SET_BY_CLOUD_RUN = {
    "CLOUD_RUN_EXECUTION",
    "CLOUD_RUN_TASK_INDEX",
    "CLOUD_RUN_TASK_ATTEMPT",
    "K_REVISION",
    "PORT",
}

PREDEFINED_ROLES = {
    "roles/artifactregistry.writer",
    "roles/eventarc.eventReceiver",
    "roles/eventarc.serviceAgent",
    "roles/iam.serviceAccountTokenCreator",
    "roles/logging.logWriter",
    "roles/pubsub.publisher",
    "roles/pubsub.subscriber",
    "roles/run.invoker",
    "roles/secretmanager.secretAccessor",
    "roles/storage.objectUser",
    "roles/storage.objectViewer",
}
"""A role that is not here needs a reason: is there one with fewer permissions?"""

ON_THE_PROJECT = {
    "writes_ledger",
    "reads_ledger",
    "receives_events",
    "eventarc_serves",
    "storage_publishes",
    "build_logs",
    "build_reads_source",
}
"""Grants that reach further than one bucket, topic, job or account, because nothing narrower exists."""


def bindings() -> dict[str, Body]:
    return {
        address: body for address, body in plan.resources().items() if "_iam_" in address and "role" in body
    }


# --- whole


def test_versions_are_pinned() -> None:
    [terraform] = plan.blocks("terraform")
    assert terraform["required_version"] == ">= 1.5"
    [providers] = terraform["required_providers"]
    assert providers["google"] == {"source": "hashicorp/google", "version": "~> 6.50"}
    assert all(provider["version"].startswith("~> ") for provider in providers.values())


def test_what_is_referred_to_is_declared_and_what_is_declared_is_used() -> None:
    kinds = ("resource", "data", "locals", "output", "check", "provider")
    used = set[str]().union(*(plan.references(plan.blocks(kind)) for kind in kinds))
    declared = plan.declared()
    assert used - declared.keys() == set()
    assert {name for name in declared if name.startswith(("local.", "var."))} - used == set()


def test_nothing_depends_on_itself() -> None:
    declared = plan.declared().items()
    graph = {name: plan.references(body) for name, body in declared if not name.startswith("var.")}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize(
    "path", sorted((plan.PLAN / "examples").glob("*.tfvars")), ids=lambda path: path.stem
)
def test_an_example_sets_what_is_required_and_nothing_unknown(path: Path) -> None:
    given = hcl2.loads(path.read_text()).keys() - {"__comments__"}
    assert given <= plan.variables().keys()
    assert {name for name, body in plan.variables().items() if "default" not in body} <= given


def test_every_variable_is_described() -> None:
    assert [name for name, body in plan.variables().items() if not body.get("description")] == []


# --- private, with the least rights


def test_nobody_is_let_in_without_an_identity() -> None:
    text = "".join(path.read_text() for path in [*plan.FILES, *(plan.PLAN / "examples").iterdir()])
    assert re.findall("allUsers|allAuthenticatedUsers|invoker_iam_disabled", text) == []


def test_roles_are_custom_or_among_the_known_narrow_ones() -> None:
    for address, body in bindings().items():
        role = body["role"]
        assert role in PREDEFINED_ROLES or role.startswith("${google_project_iam_custom_role."), address


def test_no_custom_role_administers_anything() -> None:
    for address, role in plan.of_type("google_project_iam_custom_role").items():
        wide = [name for name in role["permissions"] if re.search(r"\*|[sg]etIamPolicy|actAs|\.admin", name)]
        assert wide == [], address


def test_only_what_has_no_narrower_place_is_granted_on_the_project() -> None:
    assert {address.split(".")[1] for address in plan.of_type("google_project_iam_member")} == ON_THE_PROJECT


def test_bindings_add_a_member_and_never_replace_what_others_granted() -> None:
    kinds = {address.split(".")[0] for address in plan.resources() if "_iam_" in address}
    assert {kind for kind in kinds if kind.endswith(("_binding", "_policy"))} == set()


def test_every_right_in_the_table_is_granted() -> None:
    granted = set[str]().union(
        *map(plan_texts, (body["for_each"] for body in bindings().values() if "for_each" in body))
    )
    assert {
        right for right in RIGHTS if not any(f"local.granted.{right}" in text for text in granted)
    } == set()


def plan_texts(value: object) -> set[str]:
    return set(plan.texts(value))


def test_every_component_runs_as_itself() -> None:
    identity = "${google_service_account.identity["
    function = plan.resources()["google_cloudfunctions2_function.function"]
    assert function["service_config"][0]["service_account_email"] == f"{identity}each.key].email}}"
    assert JOB["service_account"] == f'{identity}"worker"].email}}'
    assert SERVICE["service_account"] == f'{identity}"service"].email}}'


def test_the_documented_table_of_rights_is_the_plan_s() -> None:
    # When this fails: the plan changed, so change the table in docs/operations.md, "Identities".
    table = "".join(OPERATIONS.partition("| Identity | write ledger")[1:]).partition("\n\n")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    head, _, *rows = [[cell.strip("` ") for cell in line.split("|")[1:-1]] for line in lines]
    told = {
        right.replace(" ", "_"): {row[0] for row in rows if row[column] == "yes"}
        for column, right in enumerate(head)
        if column
    }
    assert told == {right: set(names) for right, names in RIGHTS.items()}


def test_only_on_align_writes_alignments() -> None:
    assert RIGHTS["write_alignments"] == ["on_align"]
    roles = {
        address: (body["role"], body["for_each"])
        for address, body in plan.of_type("google_storage_bucket_iam_member").items()
        if "google_storage_bucket.alignments" in body["bucket"]
    }
    role, members = roles.pop("google_storage_bucket_iam_member.writes_alignments")
    assert "alignment_writer" in role
    assert "local.granted.write_alignments" in members
    assert {role for role, _ in roles.values()} == {"roles/storage.objectViewer"}


def test_what_is_for_an_msa_server_is_made_where_there_is_one_alone() -> None:
    """What Terraform makes of it, test_tools has it say, where it is."""
    of_it = {
        address: str(body.get("count", body.get("for_each")))
        for address, body in plan.resources().items()
        if re.search("align|secret_manager", address)
    }
    assert of_it
    assert {
        address
        for address, when in of_it.items()
        if not (when.startswith("${var.msa_server == null ? ") or when == "${local.secrets}")
    } == set()
    values = plan.local_values()
    named = {name for name, topic in TOPOLOGY.topics.items() if topic.when}
    named |= {name for name, subscription in TOPOLOGY.subscriptions.items() if subscription.when}
    named |= {name for table in ("metrics", "alerts") for name, row in values[table].items() if "when" in row}
    assert named == {"alignments-requested", "align", "aligned", "msa_trouble", "msa-server"}
    assert "contains(keys(local.callers), name)" in values["deployed"]


def test_buckets_are_private_and_forget() -> None:
    buckets = plan.of_type("google_storage_bucket")
    assert {address.split(".")[1] for address in buckets} == {"input", "output", "cache", "alignments"}
    for bucket in buckets.values():
        assert bucket["uniform_bucket_level_access"] is True
        assert bucket["public_access_prevention"] == "enforced"
        assert bucket["soft_delete_policy"]
        assert bucket["lifecycle_rule"]
        assert "versioning" not in bucket  # docs/decisions/005: an overwrite must raise a delete event


# --- connected as the topology says


def test_all_functions_that_anything_calls_are_deployed_and_no_others() -> None:
    assert FUNCTIONS.keys() == TOPOLOGY.functions.keys()


def test_every_subscription_has_a_dead_letter_but_those_of_dead_letters() -> None:
    without = {
        address.split(".")[1]
        for address, body in plan.of_type("google_pubsub_subscription").items()
        if not ("dead_letter_policy" in body or "dead_letter_policy" in plan_texts(body.get("dynamic", [])))
    }
    assert without == {"webhook_dead"}
    assert {name for name, body in TOPOLOGY.subscriptions.items() if body.dead_letter_topic is None} == {
        "dead"
    }
    assert all(trigger.dead_letter_topic for trigger in TOPOLOGY.triggers.values())


def test_a_trigger_s_own_subscription_gets_all_that_the_topology_says() -> None:
    given = plan.resources()["terraform_data.delivery"]["provisioner"][0]["local-exec"]["environment"]
    asked = topology.Delivery.model_fields.keys()
    assert {name.lower() for name in given} - {"project", "subscription"} == asked
    script = (plan.PLAN / "trigger_delivery.sh").read_text()
    assert all(re.search(rf"\$\{{?{name}\b", script) for name in given)


def test_a_push_is_answered_before_it_is_sent_again() -> None:
    calls = [(call.push, call.ack_deadline) for call in TOPOLOGY.subscriptions.values()]
    calls += [(call.push, call.ack_deadline) for call in TOPOLOGY.triggers.values()]
    assert [name for name, deadline in calls if name and FUNCTIONS[name]["seconds"] > deadline] == []


def test_a_call_ends_itself_before_cloud_run_gives_up_on_it() -> None:
    service = plan.resources()["google_cloudfunctions2_function.function"]["service_config"][0]
    assert service["timeout_seconds"] == "${each.value.seconds}"
    given = re.sub(r"\s+", " ", service["environment_variables"])
    assert "merge(local.shared_env, each.value.takes_in ? local.intake_env : {}, each.value.env, {" in given
    assert 'THREADED_TIMEOUT_ENABLED = "true"' in given
    assert "CLOUD_RUN_TIMEOUT_SECONDS = each.value.seconds - 5" in given
    assert all(function["seconds"] > 5 for function in FUNCTIONS.values())


def test_what_a_full_service_refuses_is_asked_for_again_for_a_day() -> None:
    """Its deliveries are used up in less than two hours, which a long queue takes; `on_dead` asks anew."""
    launch = TOPOLOGY.subscriptions["launch"]
    assert launch.max_delivery_attempts and launch.maximum_backoff  # noqa: PT018  one thought
    one_round = timedelta(seconds=launch.max_delivery_attempts * launch.maximum_backoff)
    assert 2 * one_round < UNTAKEN == timedelta(days=1)
    page = " ".join((ROOT / "docs" / "service.md").read_text().split())
    assert "`on_dead` asks anew, and so on until nobody took the job for a day" in page


def test_jobs_are_pushed_to_a_service_only_where_there_is_one() -> None:
    [cycle] = plan.resources()["google_cloudfunctions2_function.function"]["lifecycle"]
    [precondition] = cycle["precondition"]
    assert precondition["condition"] == '${var.gpu_worker_mode == "async" || var.service}'


def test_one_instance_decides_about_workers() -> None:
    assert FUNCTIONS["on_request"]["instances"] == 1
    assert FUNCTIONS["on_request"]["concurrency"] > 1  # messages that come during a decision share the next


def test_one_instance_asks_the_msa_server_and_answers_before_it_is_asked_again() -> None:
    aligner = FUNCTIONS["on_align"]
    assert aligner["instances"] == 1
    assert (
        aligner["concurrency"] > 2
    )  # beside the call that works and the one that waits others leave at once
    begins = AlignSettings.model_fields["align_seconds"]
    assert begins.default < aligner["seconds"] - 5 < TOPOLOGY.subscriptions["align"].ack_deadline
    assert max(bound.le for bound in begins.metadata if hasattr(bound, "le")) < aligner["seconds"] - 5


def test_every_pause_of_a_schedule_has_its_cron_line() -> None:
    known = {int(seconds) for seconds in plan.local_values()["cron"]}
    assert {schedule.every for schedule in TOPOLOGY.schedules.values()} <= known


# --- as the code expects


def environment(component: str) -> set[str]:
    values = plan.local_values()
    every = {*values["project_env"], *values["msa_server_env"]}
    if component not in FUNCTIONS:
        return every | {*values[f"{component}_env"]}
    function = FUNCTIONS[component]
    own = {*function["env"], *(values["align_secrets"] if "secrets" in function else ())}
    return every | own | {*(values["intake_env"] if function["takes_in"] else ())}


@pytest.mark.parametrize("component", ENTRY_POINTS)
def test_a_component_gets_every_variable_that_it_requires_and_none_that_it_does_not_know(
    component: str,
) -> None:
    fields = ENTRY_POINTS[component].model_fields
    required = {name.upper() for name, field in fields.items() if field.is_required()} - SET_BY_CLOUD_RUN
    known = {name.upper() for name in fields}
    assert required <= environment(component) <= known - SET_BY_CLOUD_RUN


def test_job_and_service_have_one_gpu_and_what_it_asks_for() -> None:
    accelerators = plan.local_values()["accelerators"]
    assert {name: (each["cpu"], each["memory"]) for name, each in accelerators.items()} == {
        "nvidia-l4": (4, 16),
        "nvidia-rtx-pro-6000": (20, 80),
    }
    limits = plan.local_values()["worker_limits"]
    assert limits == {
        "cpu": "${tostring(local.accelerator.cpu)}",
        "memory": "${local.accelerator.memory}Gi",
        "nvidia.com/gpu": "1",
    }
    assert plan.variables()["accelerator"]["default"] == "nvidia-l4"
    for template in (JOB, SERVICE):
        [container] = template["containers"]
        assert container["resources"][0]["limits"] == "${local.worker_limits}"
        assert template["node_selector"] == [{"accelerator": "${var.accelerator}"}]
        assert template["gpu_zonal_redundancy_disabled"] is True


@pytest.mark.parametrize(
    ("accelerator", "tokens"), [("nvidia-l4", USUAL_TOKENS), ("nvidia-rtx-pro-6000", 3000)]
)
def test_what_a_worker_may_have_in_hand_fits_into_its_memory(accelerator: str, tokens: int) -> None:
    """By the figures of docs/operations.md, for inputs of as many tokens as it says."""
    given = plan.local_values()["accelerators"][accelerator]
    child, work = given["child"] * 2**20, given["work"] * 2**30
    assert child >= 0.5e9 + 1200 * tokens**2
    assert work >= MAX_IN_FLIGHT * 600 * tokens**2
    assert CHILDREN * child + work + 3 * 2**30 <= given["memory"] * 2**30


def test_as_many_tokens_are_let_in_as_an_l4_s_memory_holds() -> None:
    assert plan.variables()["max_tokens"]["default"] == USUAL_TOKENS
    assert plan.local_values()["project_env"]["MAX_TOKENS"] == "${var.max_tokens}"


def test_a_worker_does_not_predict_without_its_gpu() -> None:
    for name in ("worker_env", "service_env"):
        assert plan.local_values()[name]["DEVICE"] == "cuda"


def test_workers_and_service_compute_as_exactly_as_the_deployment_asks() -> None:
    speed = plan.variables()["speed"]
    assert (speed["default"], PredictionSettings.model_fields["speed"].default) == ("exact", "exact")
    [validation] = speed["validation"]
    assert all(f'"{each}"' in validation["condition"] for each in get_args(Speed))
    for name in ("worker_env", "service_env"):
        assert plan.local_values()[name]["SPEED"] == "${var.speed}"


def test_workers_pull_where_exactly_once_is_promised() -> None:
    """Among those who pull in one region: https://cloud.google.com/pubsub/docs/exactly-once-delivery."""
    pulled = plan.local_values()["worker_env"]
    assert {name for name, body in TOPOLOGY.subscriptions.items() if body.exactly_once} == {"work"}
    assert pulled["WORK_SUBSCRIPTION"] == "${local.work}"
    assert pulled["PUBSUB_ENDPOINT"] == "${var.region}-pubsub.googleapis.com:443"


def test_files_of_jobs_lie_in_the_volume_that_is_mounted_for_them() -> None:
    for template, env in ((JOB, "worker_env"), (SERVICE, "service_env")):
        [container] = template["containers"]
        [volume] = template["volumes"]
        at = plan.local_values()[env]["WORK_DIR"]
        assert container["volume_mounts"] == [{"name": volume["name"], "mount_path": at}]
        assert volume["empty_dir"] == [{"medium": "MEMORY", "size_limit": "${local.work_size}"}]


def test_a_task_outlives_the_longest_prediction_and_the_worker_knows_its_end() -> None:
    seconds = plan.local_values()["task_seconds"]
    limit = {
        name: WorkerSettings.model_fields[name].default for name in ("prediction_seconds", "read_seconds")
    }
    assert seconds >= 2 * sum(limit.values())  # two, so that a lone slow one leaves time for others
    assert seconds <= 3600  # Cloud Run's own limit with a GPU
    assert JOB["timeout"] == "${local.task_seconds}s"
    assert plan.local_values()["worker_env"]["TASK_SECONDS"] == "${local.task_seconds}"
    assert JOB["max_retries"] == 2
    assert LONGEST_LIFE.total_seconds() > (1 + JOB["max_retries"]) * seconds


def test_the_service_is_as_its_callers_are_told() -> None:
    assert plan.variables()["service"]["default"] is False
    assert SERVICE["max_instance_request_concurrency"] == 10
    assert SERVICE["scaling"] == [{"min_instance_count": 0, "max_instance_count": "${var.service_instances}"}]
    assert SERVICE["timeout"] == "300s"
    [container] = SERVICE["containers"]
    assert container["resources"][0]["cpu_idle"] is False
    assert container["resources"][0]["startup_cpu_boost"] is True


def test_the_pages_name_the_alerts_that_there_are() -> None:
    keys = {*plan.local_values()["alerts"], "budget"}
    assert {anchor(title) for title in re.findall("^### (Alert: .*)$", OPERATIONS, re.MULTILINE)} == {
        f"alert-{key}" for key in keys
    }


def anchor(title: str) -> str:
    """Write a heading as its page's address names it."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def test_documents_name_only_outputs_that_there_are() -> None:
    outputs = {name for block in plan.blocks("output") for name in block}
    assert set(named_outputs([OPERATIONS])) <= outputs


def named_outputs(pages: Iterable[str]) -> Iterable[str]:
    for page in pages:
        yield from re.findall(r"terraform (?:-chdir=\S+ )?output(?: -raw| -json)* (\w+)", page)
