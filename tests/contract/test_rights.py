"""What is verified as a component starts is what the plan grants it."""

from support import plan

from functions.rights import RIGHTS
from gcp.startup import NEEDS, PUBLISHER, VIEWER
from schemas.rights import Right
from worker.settings import RIGHTS as WORKER

USED = {**RIGHTS, "worker": WORKER, "service": WORKER}
GRANTED = plan.local_values()["rights"]


def test_each_component_verifies_the_rights_on_buckets_and_topics_that_it_is_granted() -> None:
    for right in Right:
        assert {name for name, rights in USED.items() if right in rights} == set(GRANTED[right]), right


def test_the_permissions_that_are_asked_for_are_those_of_the_roles() -> None:
    roles = plan.of_type("google_project_iam_custom_role")
    [results] = NEEDS[Right.WRITE_RESULTS]
    [receipts] = NEEDS[Right.WRITE_RECEIPTS]
    assert set(results.rights) == set(roles["google_project_iam_custom_role.result_writer"]["permissions"])
    assert set(receipts.rights) == set(roles["google_project_iam_custom_role.receipt_writer"]["permissions"])


def test_what_is_granted_for_some_objects_alone_is_not_asked_of_the_bucket() -> None:
    bindings = plan.of_type("google_storage_bucket_iam_member")
    conditional = {
        f"google_storage_bucket_iam_member.{name}": any(need.conditional for need in NEEDS[right])
        for name, right in {
            "reads_inputs": Right.READ_INPUTS,
            "reads_receipts": Right.READ_RESULTS,
            "writes_receipts": Right.WRITE_RECEIPTS,
            "writes_results": Right.WRITE_RESULTS,
        }.items()
    }
    assert conditional == {address: "condition" in bindings[address] for address in conditional}


def test_predefined_roles_are_named_as_they_are_granted() -> None:
    for address, role in {
        "google_storage_bucket_iam_member.reads_inputs": VIEWER,
        "google_pubsub_topic_iam_member.publishes": PUBLISHER,
    }.items():
        assert plan.resources()[address]["role"] == role
