"""What Terraform makes of the plan, from nothing and from a state, with a stand-in for Google's provider."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import pytest
from support import plan
from support.terraform import Change, Stack, stack

from local import topology

WITH_MSA_SERVER = {"minimal": False, "production": True}
"""Which of the examples has an MSA server."""

OF_MSA_SERVER = re.compile(r"alignments|on[-_]align\b|msa|secretmanager", re.IGNORECASE)

EVERYTHING = ("-var-file=examples/production.tfvars", "-var=service=true")
"""Options with which there is one of each part."""

Planned = dict[str, dict[str, Any]]
"""What Terraform would make, by address; what is known after the apply alone is left out."""


@pytest.fixture(scope="module")
def example_plan(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Planned]:
    """Have an example planned from nothing, with the service, each once."""

    @cache
    def planned(example: str) -> Planned:
        with stack(tmp_path_factory.mktemp(example)) as made:
            made("validate")
            changes = made.plan(f"-var-file=examples/{example}.tfvars", "-var=service=true")
        return {address: change["after"] for address, change in changes.items()}

    return planned


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


def test_what_was_applied_is_planned_as_it_is(applied: Stack) -> None:
    changes = applied.plan(*EVERYTHING, "-refresh=false")
    assert {address for address, change in changes.items() if change["actions"] != ["no-op"]} == set()


def test_the_waits_are_waited_for_and_each_trigger_is_finished(applied: Stack) -> None:
    said = applied.calls.read_text().splitlines()
    assert sorted(line for line in said if line.startswith("sleep")) == ["sleep 120", "sleep 600"]
    assert sum("subscriptions update" in line for line in said) == len(topology.load().triggers)


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
    names = ["worker", "on_upload", "on_align", "eventarc", "push", "build", "webhook"]
    identities = {f'google_service_account.identity["{name}"]' for name in names}
    changes = applied.plan(*EVERYTHING, "-refresh=false", *(f"-replace={each}" for each in identities))
    of_theirs = "|".join(name.replace("_", "-") for name in names)
    theirs = re.compile(rf"serviceAccount:dropfold-({of_theirs})@")
    bindings = {
        address
        for address, change in changes.items()
        if theirs.match((change["before"] or {}).get("member", ""))
    }
    assert len(bindings) > len(names)
    assert bindings | identities <= replaced(changes)
