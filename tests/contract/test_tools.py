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
from collections.abc import Callable, Sequence
from functools import cache, partial
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
WITH_MSA_SERVER = {"minimal": False, "production": True}
"""Which of the examples has an MSA server."""

OF_MSA_SERVER = re.compile(r"alignments|on[-_]align\b|msa|secretmanager", re.IGNORECASE)

Planned = dict[str, dict[str, Any]]
"""What Terraform would make, by address; what is known after the apply alone is left out."""

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


@pytest.fixture(scope="module")
def example_plan(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Planned]:
    """Have an example planned from nothing, with the service, each once."""
    need(shutil.which("terraform"), "terraform")
    need(SCHEMA.exists(), "schema of Google's provider")

    @cache
    def planned(example: str) -> Planned:
        options = (f"-var-file=examples/{example}.tfvars", "-var=service=true")
        return the_plan(tmp_path_factory.mktemp(example), *options)

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


def the_plan(folder: Path, *options: str) -> Planned:
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


def evaluated(expression: str, folder: Path, *variables: str) -> object:
    """Let Terraform compute an expression of the plan's pure locals: those that refer to no resource."""
    pure = (block for file in plan.FILES for block in PURE.findall(file.read_text()))
    (folder / "pure.tf").write_text(
        "\n".join(block for block in pure if not re.search(r"google_|data\.", block))
    )
    shutil.copy(topology.PATH, folder)
    values = ["-var=project=my-project", "-var=image=worker@sha256:" + "0" * 64, *variables]
    said = run("terraform", "console", *values, cwd=folder, said=f"jsonencode({expression})\n")
    return json.loads(json.loads(said))


def test_terraform_reads_the_topology_as_the_local_stack_does(tmp_path: Path) -> None:
    need(shutil.which("terraform"), "terraform")
    callers = {
        "on_upload": "eventarc",
        "on_delete": "eventarc",
        "on_request": "push",
        "on_wake": "push",
        "on_dead": "push",
        "on_sweep": "scheduler",
        "on_compare": "scheduler",
    }
    assert evaluated("local.callers", tmp_path) == callers
    read = evaluated("local.topology", tmp_path)
    assert topology.Topology.model_validate(read) == topology.load(msa_server=False)

    server = '-var=msa_server={url="https://msa.example.com",database="d",contact="ada@example.com"}'
    assert evaluated("local.callers", tmp_path, server) == callers | {"on_align": "push"}
    read = evaluated("local.topology", tmp_path, server)
    assert topology.Topology.model_validate(read) == topology.load()


MSA_SERVER = {"url": "https://msa.example.com", "database": "d", "contact": "ada@example.com"}


@pytest.mark.parametrize(
    ("wrong", "messages"),
    [
        (
            ["project=P", "image=worker:latest", 'uploaders=["allUsers"]', "keep_inputs_days=1"],
            [
                "must be a project id",
                "must end with @sha256",
                "the buckets are never public",
                "keep_inputs_days must be 3 or more",
            ],
        ),
        (["keep_alignments_days=1"], ["keep_alignments_days must be 3 or more"]),
        *(
            ([f"msa_server={json.dumps(MSA_SERVER | given)}"], [says])
            for given, says in [
                ({"url": "http://msa.example.com"}, "must be https://HOST"),
                ({"url": "https://ada:secret@msa.example.com"}, "name those by username and password_secret"),
                ({"url": "https://msa.example.com/api?key=1"}, "without a query"),
                ({"database": ""}, "its API does not say"),
                ({"pairing": "all"}, "must be greedy"),
                ({"contact": "Ada"}, "must be a mail address"),
                ({"username": "ada"}, "come together"),
                ({"password_secret": "word"}, "come together"),
                ({"key_secret": "key", "audience": "https://msa.example.com"}, "one kind of credentials"),
                ({"key_secret": "projects/1/secrets/key"}, "nor a whole path"),
                ({"header": "X Key"}, "must be the name of an HTTP header"),
            ]
        ),
    ],
)
def test_terraform_refuses_what_cannot_work(
    wrong: Sequence[str], messages: Sequence[str], tmp_path: Path
) -> None:
    need(shutil.which("terraform"), "terraform")
    (tmp_path / "variables.tf").write_text((PLAN / "variables.tf").read_text())
    good = ["-var=project=my-project", "-var=image=worker@sha256:" + "0" * 64]
    done = subprocess.run(
        ["terraform", "console", *good, *(f"-var={each}" for each in wrong)],
        cwd=tmp_path,
        input="1\n",
        capture_output=True,
        text=True,
        check=False,
    )
    said = re.sub(r"(\x1b\[\d*m|[│\s])+", " ", done.stdout + done.stderr)
    assert [message for message in messages if message not in said] == []
