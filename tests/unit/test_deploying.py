"""`dropfold doctor --deploy`: what a project lacks, with the command that mends it."""

import json
import re
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner
from google.auth.credentials import AnonymousCredentials
from google.oauth2.credentials import Credentials
from support import plan
from support.http_server import Quiet, answered_by

from dropfold import deploying
from dropfold.commands import doctor
from gcp.deployment import Deployment, opened
from schemas.finding import Outcome

IMAGE = "us-central1-docker.pkg.dev/p/dropfold/worker@sha256:" + "0" * 64
AGENT = "serviceAccount:service-7@{}.iam.gserviceaccount.com"
REGION = "us-central1"


def quota(value: int | None) -> Mapping[str, object]:
    details = {} if value is None else {"value": str(value)}
    eligible = {"isEligible": False, "ineligibilityReason": "NOT_ENOUGH_USAGE_HISTORY"}
    infos = [{"applicableLocations": [REGION], "details": details}]
    return {"dimensionsInfos": infos, "quotaIncreaseEligibility": eligible}


LEAST = deploying.QUOTAS["nvidia-l4"]
WELL: Mapping[str, Any] = {
    "v1/projects/p/services:batchGet": {
        "services": [{"config": {"name": name}, "state": "ENABLED"} for name in deploying.APIS]
    },
    "v1/projects/p": {"projectNumber": "7"},
    "v1/projects/p:getIamPolicy": {
        "bindings": [
            {"role": role, "members": [AGENT.format(domain)]} for domain, role in deploying.AGENTS.values()
        ]
    },
    **{
        f"v1/projects/p/locations/global/services/run.googleapis.com/quotaInfos/{name}": quota(least)
        for quotas in (*deploying.QUOTAS.values(), LEAST)
        for name, least in quotas.items()
    },
    f"v2/p/dropfold/worker/manifests/sha256:{'0' * 64}": {"config": {"digest": "sha256:c"}},
    "v2/p/dropfold/worker/blobs/sha256:c": {"os": "linux", "architecture": "amd64"},
    "v1/projects/p/databases/(default)/collectionGroups/jobs/indexes": {
        "indexes": [{"state": "READY"}] * deploying.INDEXES
    },
}
ANSWERS: dict[str, Any] = {}
PAYING = set[str | None]()
"""Projects against whose quotas requests were counted."""


class Google(Quiet):
    """Answers as ANSWERS say, by path; a number is the status of a refusal."""

    def respond(self) -> None:
        """Answer a request."""
        PAYING.add(self.headers.get("x-goog-user-project"))
        found = ANSWERS[urlsplit(self.path).path.lstrip("/")]
        refused = isinstance(found, int)
        body = {"error": {"code": found, "message": "no"}} if refused else found
        self.answer(found if refused else 200, json.dumps(body).encode())


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    ANSWERS.clear()
    ANSWERS.update(WELL)
    with answered_by(Google) as address:
        yield Deployment("p", REGION, AnonymousCredentials(), lambda _host: address)


def doctored(deployment: Deployment, *more: str) -> tuple[int, list[str]]:
    cloud = SimpleNamespace(deployment=lambda _project, _region: deployment)
    asked = ["--deploy", "--project", "p", "--region", REGION, *more]
    done = CliRunner().invoke(doctor.command, asked, obj=cloud)
    return done.exit_code, done.stdout.splitlines()


def test_a_project_that_has_all_is_well(deployment: Deployment) -> None:
    status, lines = doctored(deployment, "--image", IMAGE)
    assert status == 0
    assert [line for line in lines if not line.startswith("ok")] == []
    assert len(lines) == 9


def test_what_a_person_asks_is_counted_against_the_project_that_is_asked_about(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else Google refuses, where a person's credentials name no project or another one."""

    def a_person_s(scopes: object, quota_project_id: str) -> tuple[Credentials, None]:
        assert scopes
        return Credentials(token="t", quota_project_id=quota_project_id), None  # noqa: S106  opens nothing

    monkeypatch.setattr("google.auth.default", a_person_s)
    ANSWERS.update(WELL)
    PAYING.clear()
    with answered_by(Google) as address:
        status, _ = doctored(opened("p", REGION, lambda _host: address))
    assert (status, PAYING) == (0, {"p"})


ENABLED_BY_HAND = ("cloudquotas", "cloudresourcemanager", "eventarc", "iam", "pubsub", "run", "storage")
"""What docs/operations.md has enabled before its first look."""


def test_the_page_shows_the_table_of_a_new_project(deployment: Deployment) -> None:
    enabled = [{"config": {"name": f"{api}.googleapis.com"}, "state": "ENABLED"} for api in ENABLED_BY_HAND]
    gpus = f"v1/projects/p/locations/global/services/run.googleapis.com/quotaInfos/{deploying.GPUS}"
    indexes = "v1/projects/p/databases/(default)/collectionGroups/jobs/indexes"
    ANSWERS.update({gpus: quota(None), indexes: 403, "v1/projects/p:getIamPolicy": {}})
    ANSWERS["v1/projects/p/services:batchGet"] = {"services": enabled}
    _, lines = doctored(deployment)
    page = (plan.ROOT / "docs" / "operations.md").read_text()
    shown = page.partition("```text\n")[2].partition("```")[0].splitlines()
    assert len(shown) == len(lines) == 8
    assert [line[: len(begin)] for line, begin in zip(lines, shown, strict=True)] == shown


def test_another_accelerator_needs_more_than_what_an_l4_does(deployment: Deployment) -> None:
    status, lines = doctored(deployment, "--accelerator", "nvidia-rtx-pro-6000")
    assert status == 1
    assert [line.split()[2] for line in lines if line.startswith("refused")] == [
        "CpuAllocPerProjectRegion:",
        "MemAllocPerProjectRegion:",
    ]


@pytest.mark.parametrize(
    ("path", "answer", "says", "remedy"),
    [
        (
            "v1/projects/p/services:batchGet",
            {"services": []},
            "missing .*not enabled: ",
            "gcloud services enable",
        ),
        ("v1/projects/p:getIamPolicy", {}, "missing .*agent of eventarc", "terraform apply"),
        ("v1/projects/p:getIamPolicy", 403, "refused .*agent of eventarc", "terraform apply"),
        (
            "v1/projects/p/locations/global/services/run.googleapis.com/quotaInfos/"
            "NvidiaL4GpuAllocNoZonalRedundancyPerProjectRegion",
            quota(None),
            "refused .*too few: 0 in us-central1, NOT_ENOUGH_USAGE_HISTORY",
            "quotas preferences create",
        ),
        (f"v2/p/dropfold/worker/manifests/sha256:{'0' * 64}", 404, "missing .*image", "push it"),
        (
            "v2/p/dropfold/worker/blobs/sha256:c",
            {"os": "linux", "architecture": "arm64"},
            "missing .*linux/arm64, not linux/amd64",
            "--platform linux/amd64",
        ),
        (
            "v1/projects/p/databases/(default)/collectionGroups/jobs/indexes",
            {"indexes": [{"state": "CREATING"}]},
            "missing .*0 of 6 are ready",
            "terraform apply",
        ),
    ],
)
def test_what_is_wanting_is_told_with_the_command_that_mends_it(
    path: str, answer: object, says: str, remedy: str, deployment: Deployment
) -> None:
    ANSWERS[path] = answer
    status, lines = doctored(deployment, "--image", IMAGE)
    assert status == 1
    told = " ".join(lines)
    assert re.search(says, told)
    assert remedy in told.partition("To do: ")[2]


def test_what_is_looked_at_is_what_the_plan_makes() -> None:
    apis = plan.resources()["google_project_service.api"]["for_each"]
    assert {api for api in deploying.APIS if f'"{api}"' not in apis} == set()
    assert (
        apis.count(".googleapis.com") == len(deploying.APIS) + 2
    )  # secrets and networks, where there are any
    assert len(plan.local_values()["indexes"]) == deploying.INDEXES
    functions = plan.local_values()["functions"].values()
    for name, accelerator in plan.local_values()["accelerators"].items():
        least = deploying.QUOTAS[name]
        assert least[accelerator["quota"]] == accelerator["quota_unit"]
        processors = accelerator["cpu"] + sum(each["instances"] for each in functions)
        mebibytes = accelerator["memory"] * 1024 + sum(
            each["instances"] * each["memory"] for each in functions
        )
        assert processors * 1000 <= least[deploying.CPUS] <= processors * 1000 + 1000
        assert mebibytes <= least[deploying.MEMORY] / 2**20 <= mebibytes + 4096
    regions = plan.variables()["region"]["validation"][0]["condition"]
    assert all(f'"{region}"' in regions for region in deploying.WITH_GPUS)


def test_a_region_that_may_not_build_is_told(deployment: Deployment) -> None:
    found = [check.look() for check in deploying.checks(deploying.Target("p", "europe-west4"), deployment)][1]
    assert found.found is Outcome.UNKNOWN
    assert "europe-west1" in found.detail
