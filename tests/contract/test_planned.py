"""What Terraform makes of the plan, from nothing and from a state, with a stand-in for Google's provider."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import pytest
from support import plan
from support.terraform import Change, Stack, run, stack

from local import topology

WITH_MSA_SERVER = {"minimal": False, "production": True}
"""Which of the examples has an MSA server."""

OF_MSA_SERVER = re.compile(r"alignments|on[-_]align\b|msa|secretmanager", re.IGNORECASE)

EVERYTHING = ("-var-file=examples/production.tfvars", "-var=service=true")
"""Options with which there is one of each part."""

QUOTA = "google_cloud_quotas_quota_info"
PURE = re.compile(r"^locals \{\n.*?^\}$", re.DOTALL | re.MULTILINE)

pytestmark = pytest.mark.extra

Planned = dict[str, dict[str, Any]]
"""What Terraform would make, by address; what is known after the apply alone is left out."""


@pytest.fixture(scope="module")
def example_changes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Change]]:
    """Have an example planned from nothing, with the service, each once."""

    @cache
    def changes(example: str) -> dict[str, Change]:
        with stack(tmp_path_factory.mktemp(example)) as made:
            made("validate")
            return made.plan(f"-var-file=examples/{example}.tfvars", "-var=service=true")

    return changes


@pytest.fixture(scope="module")
def example_plan(example_changes: Callable[[str], dict[str, Change]]) -> Callable[[str], Planned]:
    """Return what an example makes."""
    return lambda example: {address: change["after"] for address, change in example_changes(example).items()}


@pytest.mark.parametrize("example", WITH_MSA_SERVER)
def test_terraform_can_plan_an_example_from_nothing(
    example: str, example_plan: Callable[[str], Planned]
) -> None:
    planned = example_plan(example)
    asked = plan.of_type(
        "google_cloud_run_v2_job", "google_cloud_run_v2_service", "google_firestore_database"
    )
    assert {address.partition("[")[0] for address in planned} >= asked.keys()
    work = planned['google_pubsub_subscription.subscription["work"]']
    assert work["enable_exactly_once_delivery"] is True
    assert work["dead_letter_policy"][0]["max_delivery_attempts"] == 10
    functions = [address for address in planned if address.startswith("google_cloudfunctions2_function.")]
    assert len(functions) == len(topology.load(msa_server=WITH_MSA_SERVER[example]).functions)
    assert json.loads(planned["google_monitoring_dashboard.dropfold"]["dashboard_json"])


@pytest.mark.parametrize(
    ("example", "bucket"),
    [("minimal", None), ("production", "projects/my-project/locations/europe-west1/buckets/dropfold")],
)
def test_the_dashboard_shows_errors_of_this_deployment_where_its_logs_lie(
    example: str, bucket: str | None, example_plan: Callable[[str], Planned]
) -> None:
    page = json.loads(example_plan(example)["google_monitoring_dashboard.dropfold"]["dashboard_json"])
    [panel] = [widget["logsPanel"] for widget in page["gridLayout"]["widgets"] if "logsPanel" in widget]
    assert panel.get("resourceNames") == ([f"{bucket}/views/_AllLogs"] if bucket else None)
    assert 'resource.labels.job_name="dropfold-worker"' in panel["filter"]


def test_without_an_msa_server_nothing_of_it_is_in_the_plan(example_plan: Callable[[str], Planned]) -> None:
    planned = example_plan("minimal")
    assert {
        address for address in planned if OF_MSA_SERVER.search(json.dumps([address, planned[address]]))
    } == set()


def test_with_an_msa_server_all_who_need_it_are_told_and_on_align_alone_has_its_key(
    example_plan: Callable[[str], Planned],
) -> None:
    planned = example_plan("production")
    told = {
        "MSA_SERVER_URL": "https://msa.example.com",
        "MSA_SERVER_DATABASE": "uniref30_2302+envdb_202108",
        "MSA_SERVER_PAIRING": "greedy",
        "ALIGNMENTS_BUCKET": "my-project-alignments",
        "ALIGNMENTS_TOPIC": "alignments-requested",
    }
    keys = {}
    for name in topology.load().functions:
        [service] = planned[f'google_cloudfunctions2_function.function["{name}"]']["service_config"]
        assert told.items() <= service["environment_variables"].items(), name
        keys[name] = [(each["key"], each["secret"]) for each in service["secret_environment_variables"]]
    assert {name: secrets for name, secrets in keys.items() if secrets} == {
        "on_align": [("MSA_SERVER_KEY", "msa-key")]
    }
    [task] = planned["google_cloud_run_v2_job.worker"]["template"][0]["template"]
    [instance] = planned["google_cloud_run_v2_service.worker[0]"]["template"]
    for template in (task, instance):
        [container] = template["containers"]
        assert told.items() <= {each["name"]: each["value"] for each in container["env"]}.items()
    readers = [
        address for address in planned if address.startswith("google_secret_manager_secret_iam_member.")
    ]
    assert readers == ['google_secret_manager_secret_iam_member.reads_secret["MSA_SERVER_KEY"]']


def test_with_an_msa_server_on_align_alone_writes_alignments(
    example_plan: Callable[[str], Planned],
) -> None:
    planned = example_plan("production")
    bucket = planned["google_storage_bucket.alignments[0]"]
    granted = {
        address.partition(".")[2]
        for address, body in planned.items()
        if address.startswith("google_storage_bucket_iam_") and body["bucket"] == bucket["name"]
        if body.get("role") != "roles/storage.objectViewer"
    }
    assert granted == {'writes_alignments["on_align"]'}
    assert [rule["condition"][0]["age"] for rule in bucket["lifecycle_rule"]] == [180, 1]


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield what was applied, in the state alone, with service and webhook."""
    with stack(tmp_path_factory.mktemp("applied")) as made:
        made.apply(*EVERYTHING)
        yield made


def replaced(changes: Mapping[str, Change]) -> set[str]:
    """Return what is destroyed and made anew, without what only waits."""
    anew = {address for address, change in changes.items() if {"create", "delete"} <= set(change["actions"])}
    return anew - {"terraform_data.rights_hold"}


def test_the_waits_are_waited_for_and_each_trigger_is_finished(applied: Stack) -> None:
    said = applied.calls.read_text().splitlines()
    assert sorted(line for line in said if line.startswith("sleep")) == ["sleep 120", "sleep 600"]
    assert sum("subscriptions update" in line for line in said) == len(topology.load().triggers)


def test_a_shell_takes_over_what_tells_the_command_of_the_project(applied: Stack) -> None:
    lines = applied("output", "-raw", "environment")
    told = run("sh", "-c", 'eval "$1"; env', "sh", lines).splitlines()
    assert {
        "GOOGLE_CLOUD_PROJECT=my-project",
        "INPUT_BUCKET=my-project-in",
        "FIRESTORE_DATABASE=(default)",
        "MAX_TOKENS=1500",
        "MSA_SERVER_DATABASE=uniref30_2302+envdb_202108",
        "CLOUD_RUN_JOB_NAME=dropfold-worker",
    } <= set(told)


def test_an_api_more_replaces_nothing(applied: Stack) -> None:
    services = applied.folder / "services.tf"
    before = services.read_text()
    services.write_text(
        before.replace('"run.googleapis.com",', '"run.googleapis.com", "one.more.googleapis.com",')
    )
    try:
        changes = applied.plan(*EVERYTHING)
    finally:
        services.write_text(before)
    assert changes['google_project_service.api["one.more.googleapis.com"]']["actions"] == ["create"]
    assert replaced(changes) == set()


def test_identities_made_anew_get_their_rights_in_the_same_apply(applied: Stack) -> None:
    """Four, since Terraform 1.11 forgets triggers where -replace is given three, five, six or seven times."""
    names = ["worker", "on_upload", "push", "build"]
    identities = {f'google_service_account.identity["{name}"]' for name in names}
    changes = applied.plan(*EVERYTHING, "-refresh=false", *(f"-replace={each}" for each in identities))
    theirs = re.compile("serviceAccount:dropfold-(worker|on-upload|push|build)@")
    bindings = {
        address
        for address, change in changes.items()
        if theirs.match((change["before"] or {}).get("member", ""))
    }
    assert len(bindings) > 20
    assert bindings | identities <= replaced(changes)


def test_another_filter_changes_its_subscription_alone_which_is_there_before_the_old_one_goes(
    applied: Stack,
) -> None:
    webhook = (
        '{ url = "https://structures.example.com/dropfold", filter = "attributes.state = \\"FAILED\\"" }'
    )
    changes = applied.plan(*EVERYTHING, "-refresh=false", f"-var=webhook={webhook}")
    changed = {
        address: change["actions"]
        for address, change in changes.items()
        if change["actions"] != ["no-op"] and not address.startswith("data.")
    }
    assert changed == {
        "google_pubsub_subscription.webhook[0]": ["create", "delete"],
        "google_pubsub_subscription_iam_member.pubsub_gives_up_webhook[0]": ["create", "delete"],
    }
    subscription = changes["google_pubsub_subscription.webhook[0]"]
    assert subscription["before"]["name"] != subscription["after"]["name"]


def test_what_a_function_is_told_is_known_when_it_is_planned(
    example_changes: Callable[[str], dict[str, Change]],
) -> None:
    """Else: Provider produced inconsistent final plan (hashicorp/terraform-provider-google#22497)."""
    for address, change in example_changes("production").items():
        if address.startswith("google_cloudfunctions2_function."):
            [service] = change["after_unknown"]["service_config"]
            assert not any(service.get("environment_variables", {}).values()), address


NAMED_BY = ("name", "account_id", "role_id", "repository_id", "bucket_id")
"""Arguments that name a resource in its project."""


def test_two_environments_in_one_project_share_no_name(
    example_changes: Callable[[str], dict[str, Change]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    with stack(tmp_path_factory.mktemp("staging")) as made:
        staging = made.plan("-var-file=examples/staging.tfvars", *EVERYTHING[1:])
    both = [names(example_changes("production")), names(staging)]
    assert both[0] & both[1] == set()
    assert both[1] >= {
        ("google_firestore_database", "staging-ledger"),
        ("google_storage_bucket", "my-project-staging-in"),
        ("google_pubsub_topic", "staging-predictions-requested"),
        ("google_pubsub_subscription", "staging-work"),
    }


def test_each_environment_is_told_its_own_names() -> None:
    told = plan.local_values()["project_env"]
    assert told["FIRESTORE_DATABASE"] == "${google_firestore_database.ledger.name}"
    assert plan.local_values()["worker_env"]["WORK_SUBSCRIPTION"] == "${local.work}"
    dead = plan.local_values()["functions"]["on_dead"]["env"]
    assert (dead["WORK_SUBSCRIPTION"], dead["LAUNCH_SUBSCRIPTION"]) == ("${local.work}", "${local.launch}")


def names(changes: Mapping[str, Change]) -> set[tuple[str, str]]:
    """Return what is made, by type and name; indexes and fields have that of their database."""
    return {
        (address.split(".")[0], change["after"][argument])
        for address, change in changes.items()
        if re.match("google_(?!.*_iam_member|storage_bucket_object)", address)
        for argument in NAMED_BY
        if change["after"].get(argument)
    }


def granted(*values: str, region: str = "us-central1") -> Mapping[str, object]:
    """Return what the provider says of a quota; of 0 it may say nothing."""
    details = [{"value": value} for value in values]
    return {"dimensions_infos": [{"applicable_locations": [region], "details": details}]}


@pytest.fixture(scope="module")
def quotas_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, dict[str, Any]]]:
    """Yield the checks of quotas without the rest of the plan, and what the quotas are."""
    quotas: dict[str, Any] = {}
    with stack(tmp_path_factory.mktemp("quotas"), {QUOTA: quotas}) as made:
        for file in made.folder.glob("*.tf"):
            if file.name not in {"quota.tf", "variables.tf", "versions.tf", "topology.tf"}:
                kept = PURE.findall(file.read_text())
                file.write_text("\n".join(block for block in kept if not re.search(r"google_|data\.", block)))
        (made.folder / "deployed.tf").write_text(
            "locals {\n  deployed = { on_upload = { instances = 4, memory = 512 } }\n}"
        )
        yield made, quotas


@pytest.mark.parametrize(
    ("said", "warned"),
    [
        ({}, True),
        ({"dimensions_infos": []}, True),
        (granted(), True),
        (granted("0"), True),
        (granted("99999999999999", region="us-east4"), True),
        (granted("-1"), False),
        (granted("99999999999999"), False),
    ],
)
def test_a_quota_that_is_small_or_unknown_warns_and_stops_nothing(
    said: Mapping[str, object], warned: bool, quotas_alone: tuple[Stack, dict[str, Any]]
) -> None:
    made, quotas = quotas_alone
    quotas.clear()
    quotas.update(said)
    told = made("plan", "-input=false", "-var-file=examples/minimal.tfvars")
    assert told.count("Check block assertion failed") == (3 if warned else 0)


def test_a_quota_that_cannot_be_asked_for_stops_nothing(quotas_alone: tuple[Stack, dict[str, Any]]) -> None:
    made, quotas = quotas_alone
    quotas["refused"] = "Permission denied"
    told = made("plan", "-input=false", "-var-file=examples/minimal.tfvars")
    assert "Permission denied" in told
