"""What is verified as a component starts is what the plan grants it."""

import re

from support import plan

from functions.rights import RIGHTS
from gcp.startup import NEEDS, PUBLISHER, VIEWER
from schemas.rights import OF_ALIGNMENTS, Right
from worker.settings import RIGHTS as WORKER

USED = {**RIGHTS, "worker": WORKER, "service": WORKER}
GRANTED = plan.local_values()["rights"]


def test_each_component_verifies_the_rights_on_buckets_and_topics_that_it_is_granted() -> None:
    for right in Right:
        assert {name for name, rights in USED.items() if right in rights} == set(GRANTED[right]), right


def test_rights_on_alignments_are_granted_and_verified_where_there_is_an_msa_server_alone() -> None:
    bindings = plan.resources().values()
    granted = {
        right
        for right in Right
        for body in bindings
        if re.search(rf"msa_server == null \? .*local\.granted\.{right}\b", str(body.get("for_each")))
    }
    assert granted == OF_ALIGNMENTS


def test_the_permissions_that_are_asked_for_are_those_of_the_roles() -> None:
    roles = plan.of_type("google_project_iam_custom_role")
    [results] = NEEDS[Right.WRITE_RESULTS]
    [receipts] = NEEDS[Right.WRITE_RECEIPTS]
    [alignments] = NEEDS[Right.WRITE_ALIGNMENTS]
    assert set(results.rights) == set(roles["google_project_iam_custom_role.result_writer"]["permissions"])
    assert set(receipts.rights) == set(roles["google_project_iam_custom_role.receipt_writer"]["permissions"])
    aligner = roles["google_project_iam_custom_role.alignment_writer"]
    assert set(alignments.rights) == set(aligner["permissions"])


def test_what_is_granted_for_some_objects_alone_is_not_asked_of_the_bucket() -> None:
    bindings = plan.of_type("google_storage_bucket_iam_member")
    conditional = {
        f"google_storage_bucket_iam_member.{name}": any(need.conditional for need in NEEDS[right])
        for name, right in {
            "reads_inputs": Right.READ_INPUTS,
            "reads_receipts": Right.READ_RESULTS,
            "writes_receipts": Right.WRITE_RECEIPTS,
            "writes_results": Right.WRITE_RESULTS,
            "reads_alignments": Right.READ_ALIGNMENTS,
            "writes_alignments": Right.WRITE_ALIGNMENTS,
        }.items()
    }
    assert conditional == {address: "condition" in bindings[address] for address in conditional}


def test_predefined_roles_are_named_as_they_are_granted() -> None:
    for address, role in {
        "google_storage_bucket_iam_member.reads_inputs": VIEWER,
        "google_storage_bucket_iam_member.reads_alignments": VIEWER,
        "google_pubsub_topic_iam_member.publishes_requests": PUBLISHER,
        "google_pubsub_topic_iam_member.publishes_ends": PUBLISHER,
        "google_pubsub_topic_iam_member.asks_for_alignments": PUBLISHER,
    }.items():
        assert plan.resources()[address]["role"] == role
