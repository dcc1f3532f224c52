"""What the plan does after its first apply, and on another machine: nothing that nobody asked for."""

import hashlib
import io
import os
import re
import zipfile
from pathlib import Path

from support import plan
from support.plan import ROOT

from tools.functions_bundle import stage

OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
SECURITY = (ROOT / "docs" / "security.md").read_text()


def section(page: str, title: str) -> str:
    """Return what a page says under a heading of the second level."""
    return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_no_launch_stage_is_asked_for() -> None:
    """The API answers with its own once a feature is beyond it, and each plan would differ."""
    assert [file.name for file in plan.FILES if "launch_stage" in file.read_text()] == []


def test_the_bundle_has_the_same_digest_whatever_the_umask(tmp_path: Path) -> None:
    asked = plan.resources("data")["data.archive_file.bundle"].get("output_file_mode")
    digests, modes = set(), set()
    for umask in (0o002, 0o022):
        folder = tmp_path / f"{umask:o}"
        before = os.umask(umask)
        try:
            stage(folder)
        finally:
            os.umask(before)
        modes.add((folder / "main.py").stat().st_mode)
        digests.add(packed(folder, asked))
    assert len(modes) == 2  # else the umask changes nothing here
    assert len(digests) == 1
    assert "one checkout" in section(OPERATIONS, "From a pipeline")


def packed(folder: Path, mode: str | None) -> str:
    """Return the digest of an archive as Terraform's provider makes it: in order, timeless, with modes.

    https://github.com/hashicorp/terraform-provider-archive, internal/provider/zip_archiver.go.
    """
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as written:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(str(file.relative_to(folder)))
            entry.external_attr = (int(mode, 8) if mode else file.stat().st_mode) << 16
            written.writestr(entry, file.read_bytes())
    return hashlib.sha256(archive.getvalue()).hexdigest()


def test_each_provider_is_locked_to_one_version() -> None:
    lock = (plan.PLAN / ".terraform.lock.hcl").read_text()
    locked = dict(
        re.findall(r'provider "registry\.terraform\.io/hashicorp/(\w+)" \{\s+version\s+= "([\d.]+)"', lock)
    )
    [terraform] = plan.blocks("terraform")
    [asked] = terraform["required_providers"]
    assert locked.keys() == asked.keys()
    assert locked["google"].startswith("6.50.")
    for name, provider in asked.items():
        least = provider["version"].removeprefix("~> ").split(".")
        assert locked[name].split(".")[: len(least) - 1] == least[:-1], name


def test_the_archives_of_providers_are_those_that_are_known() -> None:
    """Nobody was found to agree about those of `external`: the first init adds one."""
    lock = (plan.PLAN / ".terraform.lock.hcl").read_text()
    digests = {
        name: re.findall(r'^    "zh:([0-9a-f]{64})",$', block, re.MULTILINE)
        for name, block in re.findall(r'provider "[^"]+/(\w+)" \{(.*?)^\}', lock, re.DOTALL | re.MULTILINE)
    }
    assert {name: len(set(found)) for name, found in digests.items()} == {
        "archive": 12,
        "external": 0,
        "google": 12,
    }
    pipeline = section(OPERATIONS, "From a pipeline")
    assert re.search("^terraform providers lock( -platform=[a-z]+_[a-z0-9]+)+$", pipeline, re.MULTILINE)


def test_a_build_that_is_refused_has_a_role_to_try() -> None:
    """Google's two guides differ in what the identity that builds may read."""
    assert (
        "`roles/storage.objectAdmin`" in OPERATIONS.partition("### Alert: functions")[2].partition("###")[0]
    )


def test_pages_say_what_another_filter_loses() -> None:
    [about] = [plan.variables()["webhook"]["description"]]
    assert "Another filter is another subscription" in about
    assert "Another `filter` is another subscription" in (ROOT / "docs" / "webhook.md").read_text()


def test_a_task_s_time_is_decided() -> None:
    """Cloud Run would give twelve hours in preview, and ends what runs for its maintenance."""
    [decision] = (ROOT / "docs" / "decisions").glob("016-*")
    said = decision.read_text()
    assert all(words in said for words in ("600 s", "twelve in preview", "maintenance", "TASK_SECONDS"))


def test_the_image_that_is_deployed_is_never_cleaned_up() -> None:
    policies = plan.resources()["google_artifact_registry_repository.images"]["cleanup_policies"]
    [deployed] = [each for each in policies if each["id"] == "keep-deployed"]
    assert deployed["action"] == "KEEP"
    [condition] = deployed["condition"]
    assert condition["version_name_prefixes"] == ['${split("@", var.image)[1]}']


def test_functions_print_no_warnings_of_libraries() -> None:
    service = plan.resources()["google_cloudfunctions2_function.function"]["service_config"][0]
    image = (ROOT / "Dockerfile.production").read_text()
    [silenced] = re.findall("PYTHONWARNINGS=(.*)", image)
    assert re.search(rf'PYTHONWARNINGS\s+= "{silenced}"', service["environment_variables"])


def test_logs_may_be_kept_in_the_region() -> None:
    bucket = plan.resources()["google_logging_project_bucket_config.logs"]
    assert (bucket["location"], bucket["retention_days"]) == ("${var.region}", "${var.keep_logs_days}")
    sink = plan.resources()["google_logging_project_sink.logs"]
    exclusion = plan.resources()["google_logging_project_exclusion.logs"]
    assert sink["filter"] == exclusion["filter"] == "${local.our_logs}"
    assert all("var.keep_logs_days == null ? 0 : 1" in each["count"] for each in (bucket, sink, exclusion))


def test_reads_of_data_are_recorded_where_that_is_asked_for() -> None:
    audit = plan.resources()["google_project_iam_audit_config.data"]
    assert "var.audit_logs" in audit["for_each"]
    assert {each["log_type"] for each in audit["audit_log_config"]} == {"DATA_READ", "DATA_WRITE"}


def test_what_predicts_may_be_cut_off_from_the_internet() -> None:
    subnet = plan.resources()["google_compute_subnetwork.closed"]
    assert subnet["private_ip_google_access"] is True
    assert not plan.of_type("google_compute_router_nat", "google_compute_address")
    job = plan.resources()["google_cloud_run_v2_job.worker"]["template"][0]["template"][0]
    service = plan.resources()["google_cloud_run_v2_service.worker"]["template"][0]
    for template in (job, service):
        [access] = [each["vpc_access"] for each in template["dynamic"] if "vpc_access" in each]
        assert access["content"][0]["egress"] == "ALL_TRAFFIC"
        assert access["for_each"] == "${google_compute_subnetwork.closed}"


def test_the_page_on_security_says_where_logs_lie_and_what_the_network_lets_out() -> None:
    assert "as far as the deployment can close it" not in SECURITY
    privacy = section(SECURITY, "Privacy")
    for named in (
        "keep_logs_days",
        "audit_logs",
        "closed_network",
        "_Default",
        "keep_inputs_days",
        "soft_delete",
    ):
        assert named.replace("soft_delete", "seven days") in privacy, named


def test_the_page_on_operations_says_what_stops_an_apply_and_how_it_is_all_removed() -> None:
    policies = section(OPERATIONS, "Organisation policies")
    for named in (
        "run.allowedIngress",
        "iam.allowedPolicyMemberDomains",
        "gcp.restrictNonCmekServices",
        "gcp.resourceLocations",
        "cloudbuild.allowedWorkerPools",
        "storage.softDeletePolicySeconds",
    ):
        assert f"`{named}`" in policies, named
    removal = section(OPERATIONS, "Remove")
    for left in ("deletion_protection", "terraform destroy", "gcf-v2-sources", "terraform state"):
        assert left in removal, left


def test_each_step_from_an_empty_project_and_back_says_what_is_seen() -> None:
    steps = re.split(r"^\*\*\d\. ", section(OPERATIONS, "Deploy"), flags=re.MULTILINE)[1:]
    assert len(steps) == 6
    for step in [*steps, section(OPERATIONS, "Remove")]:
        assert "*You see*" in step, step[:40]


def test_the_roles_of_a_pipeline_reach_each_kind_of_resource() -> None:
    """Named instead of owner; every API that the plan enables has one that administers it."""
    roles = set(re.findall(r"`(roles/[\w.]+)`", section(OPERATIONS, "From a pipeline")))
    assert "roles/owner" not in roles
    kinds = {address.split(".")[0] for address in plan.resources() if address.startswith("google_")}
    assert kinds - ADMINISTERS.keys() == set()
    assert {ADMINISTERS[kind] for kind in kinds} <= roles


ADMINISTERS = {
    "google_artifact_registry_repository": "roles/artifactregistry.admin",
    "google_artifact_registry_repository_iam_member": "roles/artifactregistry.admin",
    "google_billing_budget": "roles/billing.projectCostsManager",
    "google_cloud_run_v2_job": "roles/run.admin",
    "google_cloud_run_v2_job_iam_member": "roles/run.admin",
    "google_cloud_run_v2_service": "roles/run.admin",
    "google_cloud_run_v2_service_iam_member": "roles/run.admin",
    "google_cloud_scheduler_job": "roles/cloudscheduler.admin",
    "google_cloudfunctions2_function": "roles/cloudfunctions.admin",
    "google_compute_network": "roles/compute.networkAdmin",
    "google_compute_subnetwork": "roles/compute.networkAdmin",
    "google_eventarc_trigger": "roles/eventarc.admin",
    "google_firestore_backup_schedule": "roles/datastore.owner",
    "google_firestore_database": "roles/datastore.owner",
    "google_firestore_field": "roles/datastore.owner",
    "google_firestore_index": "roles/datastore.owner",
    "google_logging_metric": "roles/logging.configWriter",
    "google_logging_project_bucket_config": "roles/logging.configWriter",
    "google_logging_project_exclusion": "roles/logging.configWriter",
    "google_logging_project_sink": "roles/logging.configWriter",
    "google_monitoring_alert_policy": "roles/monitoring.editor",
    "google_monitoring_dashboard": "roles/monitoring.editor",
    "google_monitoring_notification_channel": "roles/monitoring.editor",
    "google_project_iam_audit_config": "roles/resourcemanager.projectIamAdmin",
    "google_project_iam_custom_role": "roles/iam.roleAdmin",
    "google_project_iam_member": "roles/resourcemanager.projectIamAdmin",
    "google_project_service": "roles/serviceusage.serviceUsageAdmin",
    "google_pubsub_subscription": "roles/pubsub.admin",
    "google_pubsub_subscription_iam_member": "roles/pubsub.admin",
    "google_pubsub_topic": "roles/pubsub.admin",
    "google_pubsub_topic_iam_member": "roles/pubsub.admin",
    "google_secret_manager_secret_iam_member": "roles/secretmanager.admin",
    "google_service_account": "roles/iam.serviceAccountAdmin",
    "google_service_account_iam_member": "roles/iam.serviceAccountAdmin",
    "google_storage_bucket": "roles/storage.admin",
    "google_storage_bucket_iam_member": "roles/storage.admin",
    "google_storage_bucket_object": "roles/storage.admin",
}
"""The predefined role that makes, changes and removes a kind of resource."""
