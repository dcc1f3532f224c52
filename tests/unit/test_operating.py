"""`dropfold stats` and `doctor`, and what the command says where its environment is wrong."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from support.commands import run
from support.fakes import NOW, MemoryCloud, MemoryLedger, a_job

from dropfold.__main__ import main
from dropfold.commands import doctor, stats
from jobs.lifecycle import Trigger
from schemas.finding import Finding, Outcome
from schemas.job import Change, Job, State


def ended(number: int, state: State, worker: str, seconds: float, predict: float) -> Job:
    """Return a job that a worker claimed 100 s times its number after NOW, and ended so much later."""
    claimed = NOW + timedelta(seconds=100 * number)
    return a_job(
        state,
        job_id=f"{number:016x}",
        worker=worker,
        updated_at=claimed + timedelta(seconds=seconds),
        timings={"predict": predict, "upload": 1.0} if predict else {},
        history=(
            Change(at=NOW, event=Trigger.CLAIMED, state=State.RUNNING),
            Change(at=claimed, event=Trigger.CLAIMED, state=State.RUNNING),
        ),
    )


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_the_five_figures_are_those_of_the_ledger() -> None:
    ledger = MemoryLedger()
    for job in (
        ended(0, State.SUCCEEDED, "w1", 50, 45),
        ended(1, State.SUCCEEDED, "w1", 100, 90),
        ended(2, State.SUCCEEDED, "w2", 10, 10),
        ended(3, State.FAILED, "w2", 5, 0),
        ended(4, State.SUCCEEDED, "w3", 1, 0),  # answered with what was there: no model was loaded
        a_job(State.QUEUED, job_id="a" * 16, updated_at=later(300)),
        a_job(State.QUEUED, job_id="b" * 16, updated_at=later(390)),
        a_job(State.REJECTED, job_id="c" * 16, updated_at=later(390)),
    ):
        ledger.create(job)
    figures = stats.measure(ledger.predicted(NOW, 100), ledger, later(400))
    assert (figures.predictions, figures.cold_starts, figures.cold_start_share) == (5, 2, 0.4)
    assert (figures.queue_depth, figures.queue_age_seconds) == (2, 100)
    assert figures.success_rate == 0.8
    assert figures.processing_p95_seconds == pytest.approx(92.5)
    assert figures.device_busy_share == pytest.approx(145 / 210)


def test_figures_of_nothing_are_told_as_such_and_the_window_is_bounded() -> None:
    cloud = MemoryCloud()
    none = run(stats.command, cloud, "--json")
    assert json.loads(none.stdout)["success_rate"] is None
    for number in range(3):
        cloud.ledger.create(ended(number, State.SUCCEEDED, "w", 1, 1))
    few = run(stats.command, cloud, "--since", "9999d", "--most", "2")
    assert "1 of 2 predictions" in few.stdout
    assert "Only the last 2 jobs are read" in few.stderr
    assert run(stats.command, cloud, "--since", "yesterday").exit_code == 2


@dataclass
class Patient:
    """Implements dropfold.commands.doctor.Health: all is well but what is named."""

    wrong: dict[str, Outcome] = field(default_factory=dict)

    def finding(self, what: str) -> Finding:
        return Finding(self.wrong.get(what, Outcome.OK), f"looked at {what}")

    def credentials(self) -> Finding:
        return self.finding("credentials")

    def bucket(self, name: str) -> Finding:
        return self.finding(name)

    def bucket_rights(self, name: str, rights: object) -> Finding:
        assert rights
        return self.finding(f"rights {name}")

    def topic(self, name: str) -> Finding:
        return self.finding(name)

    def topic_rights(self, name: str, rights: object) -> Finding:
        assert rights
        return self.finding(f"rights {name}")

    def ledger(self) -> Finding:
        return self.finding("ledger")

    def worker(self, region: str, job: str, endpoint: str) -> Finding:
        return self.finding(f"{endpoint} {region} {job}")

    def quota(self, quota: str, region: str, endpoint: str) -> Finding:
        assert endpoint
        return self.finding(f"{quota} {region}")

    def msa_server(self, url: str) -> Finding:
        return self.finding(url)


SETTINGS = {
    "google_cloud_project": "p",
    "input_bucket": "in",
    "output_bucket": "out",
    "requested_topic": "requested",
    "completed_topic": "completed",
    "msa_server_url": "",
    "alignments_bucket": "",
    "cloud_run_job_name": "job",
    "cloud_run_region": "region",
    "cloud_run_endpoint": "run",
    "cloud_quotas_endpoint": "quotas",
}


@pytest.mark.parametrize(
    ("wrong", "status"),
    [({}, 0), ({"rights in": Outcome.UNKNOWN}, 0)]
    + [({"out": found}, 1) for found in (Outcome.MISSING, Outcome.REFUSED, Outcome.SILENT)],
)
def test_the_doctor_has_a_line_for_each_part_and_a_remedy_for_what_is_wrong(
    wrong: dict[str, Outcome], status: int
) -> None:
    cloud = SimpleNamespace(settings=SimpleNamespace(**SETTINGS), health=Patient(wrong))
    done = CliRunner().invoke(doctor.command, [], obj=cloud)
    assert done.exit_code == status
    assert len(done.stdout.splitlines()) == 12
    remedy = "see whether the network" if Outcome.SILENT in wrong.values() else "compare OUTPUT_BUCKET"
    assert done.stdout.count(f"To do: {remedy}") == status
    assert done.stdout.count("not checked here") == (1 if wrong == {"rights in": Outcome.UNKNOWN} else 0)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (Outcome.OK, "MSA server: looked at https://msa.example"),
        (Outcome.UNKNOWN, "MSA server: looked at https://msa.example"),
        (Outcome.MISSING, "To do: compare MSA_SERVER_URL with what its operators say"),
        (Outcome.SILENT, "To do: ask its operators, or see whether this machine may reach it"),
    ],
)
def test_the_doctor_looks_at_the_msa_server_and_its_bucket_where_one_is_set(
    found: Outcome, told: str
) -> None:
    aligning = {"msa_server_url": "https://msa.example", "alignments_bucket": "alignments"}
    health = Patient({"https://msa.example": found})
    cloud = SimpleNamespace(settings=SimpleNamespace(**SETTINGS | aligning), health=health)
    done = CliRunner().invoke(doctor.command, [], obj=cloud)
    lines = done.stdout.splitlines()
    assert (len(lines), done.exit_code) == (15, 0 if found in {Outcome.OK, Outcome.UNKNOWN} else 1)
    [line] = [line for line in lines if "MSA server" in line]
    assert told in line
    assert ("To do" in line) == bool(done.exit_code)
    assert any("bucket alignments: looked at alignments" in line for line in lines)


def test_the_doctor_names_settings_that_it_would_need() -> None:
    settings = SimpleNamespace(**SETTINGS | {"cloud_run_region": ""})
    cloud = SimpleNamespace(settings=settings, health=Patient())
    done = CliRunner().invoke(doctor.command, [], obj=cloud)
    assert "CLOUD_RUN_JOB_NAME and CLOUD_RUN_REGION are not set" in done.stdout.splitlines()[-1]


@pytest.mark.usefixtures("_signals_as_before")
@pytest.mark.parametrize("command", ["status", "doctor", "results", "events", "stats"])
def test_an_environment_that_names_no_project_is_one_line(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("GOOGLE_CLOUD_PROJECT", "INPUT_BUCKET"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("OUTPUT_BUCKET", "out")
    done = CliRunner(mix_stderr=False).invoke(main, [command])
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith(
        "Error: set GOOGLE_CLOUD_PROJECT, INPUT_BUCKET in the environment (`. .local/env` does"
    )
