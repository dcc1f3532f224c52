"""docs/operations.md, which is followed step by step: what its commands name, and show, is there."""

import re
import shlex
from collections.abc import Iterator

import click
import pytest
import yaml
from support import plan
from support.plan import ROOT
from support.terraform import Stack, stack

from dropfold.__main__ import main
from local import topology
from tools import functions_bundle

PAGE = (ROOT / "docs" / "operations.md").read_text()
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
MINIMAL = "-var-file=examples/minimal.tfvars"
TERRAFORMS = {"init", "plan", "apply", "output", "destroy", "state list", "providers lock"}


def commands(program: str) -> list[list[str]]:
    """Return the words of each call of a program in the page's blocks, without its own name."""
    found = [shlex.split(line) for block in BLOCK.findall(PAGE) for line in block.splitlines()]
    bare = [words[1:] for words in found if words[:1] == [program]]
    inner = [
        call.split()
        for block in BLOCK.findall(PAGE)
        for call in re.findall(rf"\$\({program} ([^)]*)\)", block)
    ]
    return bare + inner


def options(program: str, name: str) -> list[str]:
    """Return the values of an option of Terraform's in the page, in its text too."""
    assert commands(program)
    return re.findall(rf"terraform [^`\n]*?-{name}='?([^\s'`]+)", PAGE)


def test_terraform_is_called_by_what_it_knows() -> None:
    for words in commands("terraform"):
        called = " ".join(word for word in words if not word.startswith("-"))
        assert any(called.startswith(known) for known in TERRAFORMS), words


def test_resources_that_terraform_is_told_of_are_declared() -> None:
    told = options("terraform", "target") + options("terraform", "replace")
    assert len(told) >= 2
    for address in told:
        resource, _, key = address.partition("[")
        assert resource in plan.resources(), address
        if key:
            assert key.strip('"]') in identities(), address


def identities() -> set[str]:
    """Return the names of all that have an identity."""
    known = plan.local_values()
    told = known["components"] + known["callers_and_builders"]
    return {*re.findall(r'"(\w+)"', told), *topology.load().functions}


def test_variables_files_and_outputs_that_terraform_is_told_of_are_there() -> None:
    variables = {value.partition("=")[0] for value in options("terraform", "var")}
    assert variables >= {"deletion_protection"}
    assert variables <= plan.variables().keys()
    files = options("terraform", "var-file")
    assert files
    assert all((plan.PLAN / file).exists() for file in files)
    outputs = {name for block in plan.blocks("output") for name in block}
    named = set(re.findall(r"terraform output(?: -raw)? (\w+)", PAGE))
    assert named >= {"image_repository", "environment", "drop", "results", "dashboard"}
    assert named <= outputs


def test_settings_that_the_page_gives_are_variables() -> None:
    given = set(re.findall(r"`(\w+) = [^`]+`", PAGE))
    assert given >= {"alone", "msa_server"}
    assert given <= plan.variables().keys()


def test_each_variable_that_changes_a_deployment_is_on_the_page() -> None:
    """What is said of the others, their descriptions say."""
    elsewhere = {"webhook": "webhook.md", "audit_logs": "security.md", "closed_network": "security.md"}
    obvious = {"project", "boltz_cache", "runbook", "alert_emails"}
    for name in plan.variables().keys() - obvious:
        page = (ROOT / "docs" / elsewhere[name]).read_text() if name in elsewhere else PAGE
        assert re.search(rf"`{name}\b|{name}=", page), name


def test_make_knows_its_targets() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = {words[0] for words in commands("make")}
    assert targets == {"environment"}
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def calls_of_the_command() -> Iterator[list[str]]:
    yield from commands("dropfold")
    for text in re.findall(r"`dropfold ([^`]+)`", PAGE):
        yield shlex.split(text)


def test_the_command_has_what_it_is_called_with() -> None:
    called = list(calls_of_the_command())
    assert {words[0] for words in called} >= {"doctor", "drop", "results"}
    for name, *rest in called:
        command = main.commands[name]
        known = {
            text
            for parameter in command.params
            if isinstance(parameter, click.Option)
            for text in (*parameter.opts, *parameter.secondary_opts)
        }
        assert {word.partition("=")[0] for word in rest if word.startswith("--")} <= known, (name, rest)


def test_files_that_commands_name_are_there() -> None:
    named = re.findall(r" (?:\.\./|eventarc/)[\w./]+", " ".join(BLOCK.findall(PAGE)))
    assert len(named) >= 4
    here = {"../": plan.PLAN, "eventarc/": ROOT}
    for text in map(str.strip, named):
        start = next(folder for begins, folder in here.items() if text.startswith(begins))
        assert (start / text).exists() or text == "eventarc/terraform.tfvars", text


def test_parts_that_commands_name_are_the_plan_s() -> None:
    known = topology.load()
    parts = {f"dropfold-{schedule}" for schedule in known.schedules} | {"dropfold-worker"}
    parts |= {f"dropfold-{name.replace('_', '-')}" for name in known.functions}
    blocks = "\n".join(BLOCK.findall(PAGE))
    assert set(re.findall(r"\bdropfold-[a-z]+(?:-[a-z]+)*\b", blocks)) - {"dropfold-on"} <= parts
    subscriptions = set(re.findall(r"subscriptions (?:update|pull) ([a-z-]+)", blocks))
    assert subscriptions <= {*known.subscriptions, "webhook-dead"}
    assert subscriptions >= {"launch"}


def test_lines_that_commands_look_for_are_logged() -> None:
    source = "".join(
        path.read_text()
        for room in ("functions", "gcp", "jobs", "worker")
        for path in (ROOT / room).rglob("*.py")
    )
    looked_for = {
        action
        for found in re.findall(r'jsonPayload\.action=(\([^)]*\)|"[^"]*")', PAGE)
        for action in re.findall('"([^"]+)"', found)
    }
    assert len(looked_for) >= 6
    assert {action for action in looked_for if f'"action": "{action}"' not in source} == set()


# --- from a pipeline


PIPELINE = PAGE.partition("## From a pipeline")[2].partition("\n## ")[0]
WHERE_NEEDED = {
    "roles/secretmanager.admin",
    "roles/compute.networkAdmin",
    "roles/billing.projectCostsManager",
}


def test_what_applies_is_granted_the_roles_of_the_table() -> None:
    granted = re.search(r"^for ROLE in ([^;]+); do .*serviceAccount:deploy-apply@", PIPELINE, re.MULTILINE)
    assert granted
    rows = re.findall("^\\| (`roles/.*?) \\|", PIPELINE, re.MULTILINE)
    told = {role for row in rows for role in re.findall(r"roles/[\w.]+", row)}
    assert {f"roles/{role}" for role in granted[1].split()} == told - WHERE_NEEDED
    assert told >= WHERE_NEEDED


def test_the_pipeline_plans_for_a_pull_request_and_applies_what_is_merged_as_the_page_says() -> None:
    text = (plan.PLAN / "examples" / "pipeline.yml").read_text()
    example = yaml.load(text, yaml.BaseLoader)  # noqa: S506  which makes nothing but text, so that `on` stays one
    jobs = example["jobs"]
    assert jobs.keys() == {"plan", "apply"}
    assert example["on"]["push"]["branches"] == ["main"]
    assert example["permissions"] == {"contents": "read", "id-token": "write"}
    assert "secrets." not in str(example)
    for name, event in (("plan", "pull_request"), ("apply", "push")):
        assert jobs[name]["if"] == f"github.event_name == '{event}'"
        [signs_in] = [step["with"] for step in jobs[name]["steps"] if "with" in step]
        account = signs_in["service_account"].partition("@")[0]
        assert account == f"deploy-{name}"
        assert 6 <= len(account) <= 30  # else Google takes no such account
        assert f"service-accounts create {account} " in PIPELINE
        called = [step["run"] for step in jobs[name]["steps"] if "run" in step]
        assert all(call.startswith("terraform -chdir=eventarc ") for call in called)
        assert all((plan.PLAN / file).exists() for file in re.findall(r"-var-file=(\S+)", " ".join(called)))
    packed = {f"{package}/**" for package in functions_bundle.PACKAGES}
    assert {*packed, "eventarc/**", "tools/functions_bundle.py", "constraints.txt"} == {
        *example["on"]["pull_request"]["paths"]
    }


# --- what one sees


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield a project of one who takes the minimal example."""
    with stack(tmp_path_factory.mktemp("followed")) as made:
        yield made


@pytest.mark.extra
def test_steps_and_removal_make_change_and_leave_as_much_as_the_page_says(followed: Stack) -> None:
    registry = followed(
        "apply", "-input=false", "-auto-approve", MINIMAL, f"-target={options('terraform', 'target')[0]}"
    )
    assert said("Apply complete! Resources: ", registry) in PAGE
    assert followed("output", "-raw", "image_repository").endswith("/my-project/dropfold")
    planned = followed("plan", "-input=false", MINIMAL)
    assert said("Plan: ", planned) in PAGE
    followed.apply(MINIMAL, "-var=deletion_protection=true")
    changes = followed.plan(MINIMAL)
    changed = {
        address.split(".")[0] for address, change in changes.items() if change["actions"] == ["update"]
    }
    assert changed == {
        "google_cloud_run_v2_job",
        "google_firestore_database",
        "google_storage_bucket",
    }
    assert "0 added, 4 changed, 0 destroyed" in PAGE
    assert sum(change["actions"] == ["update"] for change in changes.values()) == 4


def said(begin: str, text: str) -> str:
    """Return what a line of Terraform's says from its begin to the first number's word: `17 added`."""
    [found] = re.findall(rf"{begin}\d+ (?:added|to add)", re.sub(r"\x1b\[\d*m", "", text))
    return str(found)
