"""Terraform on the plan, with a stand-in for Google's provider: no cloud is reached, nothing waited for."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support import plan, provider
from support.patience import HANG
from support.plan import PLAN, ROOT

TOOLS = ROOT.parent / "shared" / "tools"
"""Checkers beside the repository, with the schema of Google's provider."""

SCHEMA = TOOLS / "google-provider-6.50.json.gz"
LAST = 5000
"""Letters of what a command said that failed."""

STUBS = ("gcloud", "sleep")
"""What the plan's own scripts call."""

WITH_PURE = ("alerts.tf", "monitoring.tf", "topology.tf", "variables.tf")
"""Files with locals that refer to no resource, and the variables."""

PURE = re.compile(r'^(?:locals|variable "\w+") \{\n.*?^\}$', re.DOTALL | re.MULTILINE)

Change = Mapping[str, Any]
"""What happens to a resource: ``actions``, ``before``, ``after``, ``after_unknown``."""


def need(present: object, what: str) -> None:
    """Skip a test, loudly, where its tool is missing."""
    if not present:
        pytest.skip(f"NO {what.upper()} HERE: what it checks is not checked")


def run(*command: str | Path, cwd: Path = ROOT, said: str = "", **variables: str) -> str:
    """Return what a command says that succeeds."""
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
    assert done.returncode == 0, (done.stdout + done.stderr)[-LAST:]
    return done.stdout


class Stack:
    """A copy of the plan, and the state of what was applied of it."""

    def __init__(self, folder: Path, reattach: str) -> None:
        self.folder, self._variables = folder, {"TF_REATTACH_PROVIDERS": reattach, "TF_IN_AUTOMATION": "1"}
        self.calls = folder.parent / "calls.txt"
        stubs = folder.parent / "bin"
        stubs.mkdir()
        for name in STUBS:
            (stubs / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {self.calls}\n')
            (stubs / name).chmod(0o755)
        self._variables["PATH"] = f"{stubs}:{os.environ['PATH']}"

    def __call__(self, *command: str) -> str:
        """Run Terraform; return what it says."""
        return run("terraform", *command, cwd=self.folder, **self._variables)

    def plan(self, *options: str) -> dict[str, Change]:
        """Return what Terraform would do, by address."""
        self("plan", "-input=false", "-out=plan", *options)
        shown = json.loads(self("show", "-json", "plan"))
        return {each["address"]: each["change"] for each in shown["resource_changes"]}

    def apply(self, *options: str) -> None:
        """Make what is planned, in the state alone."""
        self("apply", "-input=false", "-auto-approve", *options)


@contextmanager
def stack(folder: Path, answers: provider.Answers = provider.NO_ANSWERS) -> Iterator[Stack]:
    """Yield a copy of the plan in a new folder, initialised; ``answers`` are what data sources say."""
    need(shutil.which("terraform"), "terraform")
    need(SCHEMA.exists(), "schema of Google's provider")
    copy = folder / "eventarc"
    shutil.copytree(PLAN, copy, ignore=shutil.ignore_patterns(".terraform", ".bundle*"))
    versions = copy / "versions.tf"
    versions.write_text(versions.read_text().replace('backend "gcs" {}', ""))
    types = {address.removeprefix("data.").split(".")[0] for address in plan.declared()}
    with provider.answering(SCHEMA, types, answers) as where:
        made = Stack(copy, where)
        made("init", "-input=false")
        yield made


def evaluated(expression: str, folder: Path, *variables: str) -> Any:  # noqa: ANN401  whatever it is
    """Let Terraform compute an expression of the plan's pure locals, of the files that have some."""
    need(shutil.which("terraform"), "terraform")
    pure = (block for name in WITH_PURE for block in PURE.findall((PLAN / name).read_text()))
    (folder / "pure.tf").write_text(
        "\n".join(block for block in pure if not re.search(r"google_|data\.", block))
    )
    shutil.copy(PLAN / "topology.yaml", folder)
    values = ["-var=project=my-project", "-var=image=worker@sha256:" + "0" * 64, *variables]
    said = run("terraform", "console", *values, cwd=folder, said=f"jsonencode({expression})\n")
    return json.loads(json.loads(said))
