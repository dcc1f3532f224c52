"""Terraform's and gcloud's own parsers, on the plan and on what documents tell people to type.

``../shared/tools`` beside the repository has a checker of the provider's schema and one of gcloud's grammar.
A check whose tool is missing is skipped, loudly.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support import plan, provider
from support.patience import HANG
from support.plan import PLAN, ROOT

from local import topology

TOOLS = ROOT.parent / "shared" / "tools"
SCHEMA = TOOLS / "google-provider-6.50.json.gz"
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PURE = re.compile(r'^(?:locals|variable "\w+") \{\n.*?^\}$', re.DOTALL | re.MULTILINE)


def need(present: object, what: str) -> None:
    if not present:
        pytest.skip(f"NO {what.upper()} HERE: what it checks is not checked")


def run(*command: str | Path, cwd: Path = ROOT, said: str = "", **variables: str) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | variables,
        input=said,
        timeout=HANG,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_terraform_finds_the_plan_well_formed() -> None:
    need(shutil.which("terraform"), "terraform")
    run("terraform", "fmt", "-check", "-recursive", "-diff", PLAN)


def test_the_provider_knows_all_that_the_plan_says() -> None:
    need((TOOLS / "tfcheck").exists(), "tfcheck")
    assert run(sys.executable, TOOLS / "tfcheck", SCHEMA, *plan.FILES) == "ok\n"


@pytest.mark.parametrize("example", ["minimal", "production"])
def test_terraform_can_plan_an_example_from_nothing(example: str, tmp_path: Path) -> None:
    need(shutil.which("terraform"), "terraform")
    need(SCHEMA.exists(), "schema of Google's provider")
    planned = the_plan(tmp_path, f"-var-file=examples/{example}.tfvars", "-var=service=true")
    asked = plan.of_type(
        "google_cloud_run_v2_job", "google_cloud_run_v2_service", "google_firestore_database"
    )
    assert {address.partition("[")[0] for address in planned} >= asked.keys()
    work = planned['google_pubsub_subscription.subscription["work"]']
    assert work["enable_exactly_once_delivery"] is True
    assert work["dead_letter_policy"][0]["max_delivery_attempts"] == 10
    functions = [address for address in planned if address.startswith("google_cloudfunctions2_function.")]
    assert len(functions) == len(topology.load().functions)


def the_plan(folder: Path, *options: str) -> dict[str, dict[str, Any]]:
    """Return what Terraform would make of a copy of the plan, by address."""
    copy = folder / "eventarc"
    shutil.copytree(PLAN, copy, ignore=shutil.ignore_patterns(".terraform*", ".bundle*"))
    versions = copy / "versions.tf"
    versions.write_text(versions.read_text().replace('backend "gcs" {}', ""))
    with provider.answering(SCHEMA) as where:
        terraform = partial(run, "terraform", cwd=copy, TF_REATTACH_PROVIDERS=where)
        terraform("init", "-input=false")
        terraform("validate")
        terraform("plan", "-input=false", "-out=plan", *options)
        changes = json.loads(terraform("show", "-json", "plan"))["resource_changes"]
    return {change["address"]: change["change"]["after"] for change in changes}


def gccheck(scripts: Sequence[Path], tmp_path: Path) -> str:
    need(shutil.which("gcloud"), "gcloud")
    need((TOOLS / "gccheck").exists(), "gccheck")
    sdk = run(
        "gcloud", "info", "--format=value(installation.sdk_root)", CLOUDSDK_CONFIG=str(tmp_path / "gcloud")
    )
    return run(TOOLS / "gccheck", *scripts, GCLOUD_SDK=sdk.strip())


def test_gcloud_knows_every_command_of_our_scripts(tmp_path: Path) -> None:
    scripts = [path for path in ROOT.rglob("*.sh") if not {".venv", ".local"} & set(path.parts)]
    assert gccheck(scripts, tmp_path).count("ok  ") >= 1


def test_gcloud_knows_every_command_in_the_documents(tmp_path: Path) -> None:
    blocks = [block for path in DOCUMENTS for block in BLOCK.findall(path.read_text()) if "gcloud" in block]
    script = tmp_path / "documents.sh"
    script.write_text("\n".join(blocks))
    assert gccheck([script], tmp_path).count("ok  ") >= len(blocks)


def evaluated(expression: str, folder: Path) -> object:
    """Let Terraform compute an expression of the plan's pure locals: those that refer to no resource."""
    pure = (block for file in plan.FILES for block in PURE.findall(file.read_text()))
    (folder / "pure.tf").write_text(
        "\n".join(block for block in pure if not re.search(r"google_|data\.", block))
    )
    shutil.copy(topology.PATH, folder)
    values = ["-var=project=my-project", "-var=image=worker@sha256:" + "0" * 64]
    said = run("terraform", "console", *values, cwd=folder, said=f"jsonencode({expression})\n")
    return json.loads(json.loads(said))


def test_terraform_reads_the_topology_as_the_local_stack_does(tmp_path: Path) -> None:
    need(shutil.which("terraform"), "terraform")
    assert evaluated("local.callers", tmp_path) == {
        "on_upload": "eventarc",
        "on_delete": "eventarc",
        "on_request": "push",
        "on_wake": "push",
        "on_dead": "push",
        "on_sweep": "scheduler",
        "on_compare": "scheduler",
    }
    read = evaluated("local.topology", tmp_path)
    assert topology.Topology.model_validate(read) == topology.load()


def test_terraform_refuses_what_cannot_work(tmp_path: Path) -> None:
    need(shutil.which("terraform"), "terraform")
    (tmp_path / "variables.tf").write_text((PLAN / "variables.tf").read_text())
    wrong = [
        "-var=project=P",
        "-var=image=worker:latest",
        '-var=uploaders=["allUsers"]',
        "-var=keep_inputs_days=1",
    ]
    done = subprocess.run(
        ["terraform", "console", *wrong],
        cwd=tmp_path,
        input="1\n",
        capture_output=True,
        text=True,
        check=False,
    )
    said = re.sub(r"(\x1b\[\d*m|[│\s])+", " ", done.stdout + done.stderr)
    for message in (
        "must be a project id",
        "must end with @sha256",
        "the buckets are never public",
        "3 or more",
    ):
        assert message in said
