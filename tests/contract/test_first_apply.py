"""What an apply to a new project meets: rights that do not hold yet, agents without roles, no index yet."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from support import plan
from support.plan import ROOT, Address

OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
PREPARED = OPERATIONS.partition("**1. Prepare the project.**")[2].partition("**2.")[0]

MADE_BY_GOOGLES_AGENTS = (
    "google_cloudfunctions2_function",
    "google_cloud_run_v2_job",
    "google_cloud_run_v2_service",
    "google_eventarc_trigger",
)
"""What some agent of Google's builds, pulls or connects, with rights that were granted a moment ago."""

AGENTS = {"eventarc": "gcp-sa-eventarc", "pubsub": "gcp-sa-pubsub"}
"""Domain of the agent of a service that docs/operations.md creates."""

CPUS, GIBIBYTES = 20, 40
"""What Cloud Run gives a new project in a region: CpuAllocPerProjectRegion, MemAllocPerProjectRegion."""

MAY_BUILD = {
    "us-central1",
    "us-west2",
    "europe-west1",
    "asia-east1",
    "australia-southeast1",
    "southamerica-east1",
}
"""Regions in which every project may build: https://cloud.google.com/build/docs/locations#restricted_regions_for_some_projects."""

APIS_OF_DATA = {
    "google_cloud_quotas_quota_info": "cloudquotas",
    "google_project": "cloudresourcemanager",
    "google_pubsub_subscription": "pubsub",
    "google_storage_project_service_account": "storage",
}
"""The API that a data source asks, which has to be enabled before the first plan."""


@cache
def behind(address: Address) -> frozenset[Address]:
    """Return all that has to be there before a resource is made."""
    declared, found, left = plan.declared(), set[Address](), {address}
    while left:
        referred = {name for at in left for name in plan.references(declared.get(at)) if name in declared}
        left = referred - found
        found |= left
    return frozenset(found)


def members() -> dict[Address, plan.Body]:
    return {address: body for address, body in plan.resources().items() if "_iam_member" in address}


@pytest.mark.parametrize("kind", MADE_BY_GOOGLES_AGENTS)
def test_what_an_agent_makes_waits_until_rights_hold(kind: str) -> None:
    for address in plan.of_type(kind):
        assert "terraform_data.rights_hold" in behind(address), address


def test_the_wait_is_for_each_right_that_a_build_or_trigger_needs_and_for_the_apis() -> None:
    wait = plan.resources()["terraform_data.rights_hold"]
    assert wait["provisioner"] == [{"local-exec": {"command": "sleep ${self.input}"}}]
    assert wait["input"] >= 90
    waited = plan.references(wait["triggers_replace"])
    assert {
        "google_project_service.api",
        "google_project_iam_member.build_logs",
        "google_project_iam_member.build_reads_source",
        "google_storage_bucket_iam_member.build_reads_bundle",
        "google_artifact_registry_repository_iam_member.build",
        "google_secret_manager_secret_iam_member.reads_secret",
        "google_project_iam_member.eventarc_serves",
        "google_project_iam_member.receives_events",
        "google_project_iam_member.storage_publishes",
        "google_service_account_iam_member.pubsub_signs",
    } <= waited


def test_an_alert_waits_until_its_metric_is_known() -> None:
    """https://github.com/GoogleCloudPlatform/cloud-foundation-fabric/issues/3739: up to ten minutes."""
    wait = plan.resources()["terraform_data.metrics_known"]
    assert wait["input"] == 600
    assert plan.references(wait["triggers_replace"]) >= {"google_logging_metric.metric"}
    assert "terraform_data.metrics_known" in behind("google_monitoring_alert_policy.alert")


def test_each_agent_that_is_created_by_hand_is_granted_a_role_and_waited_for() -> None:
    created = re.findall(r"services identity create --service=(\w+)\.googleapis", PREPARED)
    assert set(created) == AGENTS.keys()
    for service in created:
        granted = {
            address
            for address, body in members().items()
            if AGENTS[service] in str([body["member"], plan.local_values()[f"{service}_agent"]])
            and f"{service}_agent" in body["member"]
        }
        assert granted, service
    serves = plan.resources()["google_project_iam_member.eventarc_serves"]
    assert serves["role"] == "roles/eventarc.serviceAgent"
    assert "google_project_iam_member.eventarc_serves" in behind("google_eventarc_trigger.trigger")


def test_functions_wait_for_their_indexes() -> None:
    needed = {"google_firestore_index.search", "google_firestore_field.expire_at"}
    assert needed <= behind("google_cloudfunctions2_function.function")


def test_an_api_more_makes_nothing_unknown() -> None:
    """A data source that depends on it is read during the apply, and what is made of it replaced."""
    late = {address for address in plan.all_data() if "google_project_service.api" in behind(address)}
    assert late == {"data.google_pubsub_subscription.transport"}  # of a check
    assert [address for address, body in plan.all_data().items() if "depends_on" in body] == [*late]


def test_the_apis_that_data_sources_ask_are_enabled_before_the_first_plan() -> None:
    enabled = re.findall(r"(\w+)\.googleapis\.com", PREPARED)
    asked = {address.split(".")[1] for address in plan.all_data() if "google_" in address}
    assert asked == APIS_OF_DATA.keys()
    assert {APIS_OF_DATA[kind] for kind in asked} - set(enabled) == set()


def test_a_binding_is_made_anew_with_its_identity() -> None:
    """Else its member is deleted:serviceAccount…, and the new identity of the same address has no right."""
    ours = {
        address: body
        for address, body in members().items()
        if re.search(
            "local.members|google_service_account", str([body["member"], body.get("service_account_id")])
        )
    }
    assert len(ours) > 20
    for address, body in ours.items():
        triggers = plan.references([cycle.get("replace_triggered_by") for cycle in body.get("lifecycle", [])])
        assert triggers == {"google_service_account.identity"}, address


def most(**given: object) -> tuple[float, float]:
    """Return processors and GiB of memory of all instances that may live at a time."""
    values, defaults = (
        plan.local_values(),
        {name: body.get("default") for name, body in plan.variables().items()},
    )
    chosen: dict[str, Any] = defaults | given
    accelerator = values["accelerators"][chosen["accelerator"]]
    workers = chosen["max_workers"] if chosen["gpu_worker_mode"] == "async" else 0
    gpus = workers + (chosen["service_instances"] if chosen["service"] else 0)
    functions = values["functions"].values()
    cpu = sum(each["instances"] for each in functions) + gpus * accelerator["cpu"]
    mebibytes = (
        sum(each["instances"] * each["memory"] for each in functions) + gpus * accelerator["memory"] * 1024
    )
    return cpu, mebibytes / 1024


@pytest.mark.parametrize("given", [{}, {"max_workers": 1}, {"gpu_worker_mode": "sync", "service": True}])
def test_what_is_deployed_by_default_fits_into_what_a_new_project_is_given(
    given: Mapping[str, object],
) -> None:
    cpu, memory = most(**given)
    assert cpu <= CPUS
    assert memory <= GIBIBYTES


def test_one_function_cannot_take_what_the_workers_need() -> None:
    """One pool of processors is for all; a burst of uploads must leave a worker's four."""
    functions = plan.local_values()["functions"]
    assert max(each["instances"] for each in functions.values()) <= CPUS / 4


def test_the_page_names_each_quota_that_the_plan_checks() -> None:
    asked = {body.get("quota_id") for body in plan.all_data().values()} - {None, "${local.accelerator.quota}"}
    quotas = asked | {accelerator["quota"] for accelerator in plan.local_values()["accelerators"].values()}
    assert quotas == {
        "CpuAllocPerProjectRegion",
        "MemAllocPerProjectRegion",
        "NvidiaL4GpuAllocNoZonalRedundancyPerProjectRegion",
        "NvidiaRtxPro6000GpuAllocNoZonalRedundancyPerProjectRegion",
    }
    section = OPERATIONS.partition("## Quotas")[2].partition("\n## ")[0]
    assert {quota for quota in quotas if quota not in section} == set()


def test_the_first_commands_ask_only_what_they_have_enabled() -> None:
    """A quota of Cloud Run is asked for before the plan enables anything."""
    enabled = set(re.findall(r"(\w+)\.googleapis\.com", PREPARED))
    step = OPERATIONS.partition("**2. Look at the quotas.**")[2].partition("**3.")[0]
    asked = set(re.findall(r"--service=(\w+)\.googleapis\.com", PREPARED + step))
    assert asked == {"eventarc", "pubsub", "run"}
    assert asked <= enabled
    assert '"eventarcpublishing.googleapis.com"' in plan.resources()["google_project_service.api"]["for_each"]


def test_the_page_says_that_billing_is_linked_and_shows_it() -> None:
    assert re.search("^gcloud billing projects describe ", PREPARED, re.MULTILINE)
    assert "billingEnabled: true" in PREPARED


def test_functions_may_be_built_by_a_pool_of_one_s_own() -> None:
    """Where Google lets the project build nowhere near GPUs, or an organisation wants its own pool."""
    [build] = plan.resources()["google_cloudfunctions2_function.function"]["build_config"]
    assert build["worker_pool"] == "${var.build_worker_pool}"
    assert plan.variables()["build_worker_pool"]["default"] in {None, "null", "${null}"}
    regions = OPERATIONS.partition("**Regions.**")[2].partition("\n## ")[0]
    assert "`build_worker_pool`" in regions
    assert "cannot run builds in this region" in regions


@pytest.mark.parametrize(
    "path", sorted((plan.PLAN / "examples").glob("*.tfvars")), ids=lambda path: path.stem
)
def test_an_example_is_for_a_region_in_which_every_project_may_build(path: Path) -> None:
    region = re.search(r'^region\s*=\s*"(.*)"', path.read_text(), re.MULTILINE)
    assert (region[1] if region else plan.variables()["region"]["default"]) in MAY_BUILD


def test_a_budget_tells_as_many_channels_as_it_may() -> None:
    """https://cloud.google.com/billing/docs/reference/budget/rest/v1/billingAccounts.budgets: five."""
    [rule] = plan.resources()["google_billing_budget.budget"]["all_updates_rule"]
    assert re.search(r"slice\(.*min\(5, ", rule["monitoring_notification_channels"])


def test_the_image_is_built_for_the_processors_of_cloud_run() -> None:
    pages = [path.read_text() for path in (ROOT / "docs").glob("*.md")]
    builds = [
        line for page in pages for line in re.findall(r"^docker (?:buildx )?build .*", page, re.MULTILINE)
    ]
    assert builds
    assert [line for line in builds if "--platform linux/amd64" not in line] == []
