"""Terraform's and gcloud's own parsers, on the plan and on what documents tell people to type.

``../shared/tools`` beside the repository has a checker of the provider's schema and one of gcloud's grammar.
A check whose tool is missing is skipped, loudly.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from support import plan
from support.plan import PLAN, ROOT
from support.terraform import SCHEMA, TOOLS, evaluated, need, run

from local import topology

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_terraform_finds_the_plan_well_formed() -> None:
    need(shutil.which("terraform"), "terraform")
    run("terraform", "fmt", "-check", "-recursive", "-diff", PLAN)


def test_the_provider_knows_all_that_the_plan_says() -> None:
    need((TOOLS / "tfcheck").exists(), "tfcheck")
    assert run(sys.executable, TOOLS / "tfcheck", SCHEMA, *plan.FILES) == "ok\n"


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


def test_buckets_are_named_as_is_asked_and_what_may_be_asked_is_short_enough(tmp_path: Path) -> None:
    """Names are global and cannot be changed: somebody else may have the project's."""
    assert evaluated("local.bucket", tmp_path) == "my-project"
    assert evaluated("local.bucket", tmp_path, "-var=bucket_prefix=acme-structures") == "acme-structures"
    assert evaluated("local.bucket", tmp_path, "-var=alone=false") == "my-project-dropfold"
    names = [bucket["name"] for bucket in plan.of_type("google_storage_bucket").values()]
    assert all(name.startswith("${local.bucket}-") for name in names)
    longest = max(len(name.removeprefix("${local.bucket}")) for name in names)
    assert 51 + longest <= 63  # https://cloud.google.com/storage/docs/buckets#naming


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
        (["budget=500.5"], ["budget must be a whole number"]),
        (["budget=0"], ["budget must be a whole number, 1 or more"]),
        (["bucket_prefix=Acme"], ["bucket_prefix must be 2 to 51 lower-case letters"]),
        ([f"bucket_prefix={'a' * 52}"], ["bucket_prefix must be 2 to 51 lower-case letters"]),
        (["build_worker_pool=pool"], ["build_worker_pool must be projects/PROJECT/locations/REGION"]),
        (["accelerator=nvidia-a100"], ["accelerator must be nvidia-l4 or nvidia-rtx-pro-6000"]),
        (["region=europe-west3"], ["Cloud Run offers L4 GPUs in"]),
        (["keep_logs_days=0"], ["keep_logs_days must be from 1 to 3650"]),
        (["name=Dropfold"], ["name must be 2 to 16 lower-case letters"]),
        (['webhook={url="http://example.com"}'], ["webhook.url must begin with https://"]),
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
