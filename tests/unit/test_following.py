"""`dropfold status`, `watch` and `events`, and what `drop --wait` waits with."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime

import click
import pytest
from support.commands import run
from support.fakes import NOW, MemoryCloud, MemoryLedger, a_job, a_source
from support.later import as_the_next

from dropfold import wait
from dropfold.__main__ import Commands
from dropfold.board import ORDER, Pace, Tally
from dropfold.commands import cancel, events, status, watch
from inputs.alignments import MsaServer
from jobs import lifecycle
from schemas.checks import Checks, Verdict
from schemas.failure import Code, Failure
from schemas.job import Job, State, job_id
from schemas.messages import Message, PredictionCompleted
from schemas.trouble import TROUBLE, MsaTrouble

FAILURE = Failure(code=Code.TOO_LARGE, message="It is \x1b[2J too large.", remedy="Split it.")


def add(cloud: MemoryCloud, name: str, state: State, **changes: object) -> Job:
    identity = job_id("in", name, 7)
    errors = (FAILURE,) if state in {State.FAILED, State.REJECTED} else ()
    job = a_job(state, job_id=identity, source=a_source(name), errors=errors, output_prefix=f"{name}/x/")
    return cloud.ledger.create(job.evolve(**changes))


def test_a_prefix_is_counted_by_state_and_its_jobs_are_listed() -> None:
    cloud = MemoryCloud()
    add(cloud, "run1/a.yaml", State.SUCCEEDED)
    add(cloud, "run1/b.yaml", State.FAILED)
    add(cloud, "run1/c.yaml", State.WAITING, waits_for=("run1/c.a3m",))
    add(cloud, "run2/a.yaml", State.QUEUED)
    told = run(status.command, cloud, "gs://in/run1/").stdout.splitlines()
    assert told[:4] == ["SUCCEEDED\t1", "FAILED\t1", "WAITING\t1", ""]
    assert told[4] == f"{job_id('in', 'run1/a.yaml', 7)}\tSUCCEEDED\trun1/a.yaml\t"
    assert told[5].endswith("run1/b.yaml\tTOO_LARGE: It is �[2J too large.")
    assert told[6].endswith("waits for run1/c.a3m")
    assert run(status.command, cloud).stdout.splitlines() == [
        "SUCCEEDED\t1",
        "FAILED\t1",
        "QUEUED\t1",
        "WAITING\t1",
    ]
    counted = json.loads(run(status.command, cloud, "run1/", "--json", "--limit", "1").stdout)
    assert (counted["counts"]["FAILED"], len(counted["jobs"])) == (1, 1)
    assert run(status.command, cloud, "run3/").exit_code == 1


def test_a_job_that_lacks_alignments_says_whose_since_when_and_until_when() -> None:
    cloud = MemoryCloud()
    lacking = add(cloud, "run1/a.yaml", State.QUEUED).evolve(
        aligns=("x/unpaired/1.a3m", "x/paired/2.a3m"), msa_server="msa.example"
    )
    aligning = cloud.ledger.replace(lifecycle.begin(lacking, State.ALIGNING, NOW))
    add(cloud, "run1/b.yaml", State.WAITING, waits_for=("run1/b.a3m",))
    why = "2 alignments by msa.example since 2026-01-02 03:04, until 2026-01-03 03:04 at most (UTC)"
    told = run(status.command, cloud, "run1/").stdout.splitlines()
    assert told[:2] == ["ALIGNING\t1", "WAITING\t1"]
    assert told[3].endswith(f"run1/a.yaml\twaits for {why}")
    one = run(status.command, cloud, aligning.job_id).stdout.splitlines()
    assert f"waits for\t{why}" in one
    assert "aligned by\tmsa.example" in one


def test_trouble_of_the_msa_server_is_told_with_the_jobs_that_it_keeps_waiting() -> None:
    cloud, server = MemoryCloud(), MsaServer("https://msa.example")
    cloud.settings.msa_server = server
    aligning = add(cloud, "run1/a.yaml", State.ALIGNING, aligns=("x",), msa_server=server.host)
    assert "cannot be used" not in run(status.command, cloud, "run1/").stderr
    trouble = MsaTrouble(since=NOW, reason="no answer (connection refused)", again_at=NOW)
    cloud.alignments.put(f"{server.prefix}/{TROUBLE}", trouble.model_dump_json().encode())
    said = "msa.example cannot be used since 2026-01-02 03:04 (UTC): no answer (connection refused)"
    for target in ("run1/", aligning.job_id):
        assert said in run(status.command, cloud, target).stderr.replace("\n", "")
    cloud.alignments.put(f"{server.prefix}/{TROUBLE}", MsaTrouble().model_dump_json().encode())
    assert "cannot be used" not in run(status.command, cloud, "run1/").stderr


def test_each_state_has_a_place_on_the_board() -> None:
    assert sorted(ORDER) == sorted(State)


def test_one_job_is_told_with_its_history_and_its_errors() -> None:
    cloud = MemoryCloud()
    queued = add(cloud, "run1/a.yaml", State.QUEUED)
    taken = lifecycle.claim(queued, "worker/0/0", datetime.now(UTC))
    failed = cloud.ledger.replace(lifecycle.fail(taken, FAILURE, datetime.now(UTC)))
    told = run(status.command, cloud, failed.job_id)
    assert "state\tFAILED" in told.stdout
    assert "\tCLAIMED\tRUNNING" in told.stdout
    assert "gs://out/run1/a.yaml/x/receipt.json" in told.stdout
    assert "Split it." in told.stderr
    assert json.loads(run(status.command, cloud, failed.job_id, "--json").stdout)["state"] == "FAILED"


def test_what_was_read_otherwise_is_told_with_the_job() -> None:
    cloud = MemoryCloud()
    job = add(cloud, "run1/a.yaml", State.SUCCEEDED, warnings=("The MSA a.a3m was cut.",))
    assert "warning\tThe MSA a.a3m was cut." in run(status.command, cloud, job.job_id).stdout.splitlines()


def test_watching_ends_with_the_last_job_and_says_whether_all_succeeded() -> None:
    cloud = MemoryCloud()
    add(cloud, "run1/a.yaml", State.SUCCEEDED)
    add(cloud, "run2/a.yaml", State.SUCCEEDED)
    add(cloud, "run2/b.yaml", State.REJECTED)
    well, badly = run(watch.command, cloud, "run1/"), run(watch.command, cloud, "run2/")
    assert (well.exit_code, well.stdout) == (0, "1 of 1 ended: 1 succeeded.\n")
    assert badly.exit_code == 1
    assert badly.stdout.startswith("2 of 2 ended: 1 succeeded, 1 rejected.\n")
    assert "TOO_LARGE" in badly.stdout
    assert run(watch.command, cloud, "run3/").exit_code == 1


def test_watching_goes_on_until_work_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud, slept = MemoryCloud(alive=2), list[float]()
    queued = add(cloud, "run1/a.yaml", State.QUEUED)

    def work(seconds: float) -> None:
        slept.append(seconds)
        taken = lifecycle.claim(queued, "worker/0/0", datetime.now(UTC))
        cloud.ledger.replace(lifecycle.advance(taken, lifecycle.Trigger.SUCCEEDED, datetime.now(UTC)))

    monkeypatch.setattr("time.sleep", work)
    done = run(watch.command, cloud, "run1/")
    assert (done.exit_code, len(slept)) == (0, 1)
    assert "0 of 1 ended: 1 queued; 2 workers alive" in done.stderr


def test_a_job_that_moves_between_two_counts_is_not_taken_for_ended() -> None:
    class Moving(MemoryLedger):
        """Has its only job go from running back to the queue right after the queue was counted."""

        def count_under(self, bucket: str, prefix: str, states: Iterable[State]) -> int:
            wanted = set(states)
            counted = super().count_under(bucket, prefix, wanted)
            if wanted == {State.QUEUED}:
                self.replace(self.only().evolve(state=State.QUEUED))
            return counted

    cloud = MemoryCloud(Moving())
    add(cloud, "run1/a.yaml", State.RUNNING)
    seen = wait.Prefix(cloud.ledger, cloud.inputs, "run1/").look()
    assert (seen.ended, seen.left) == (0, 1)


def test_an_upload_that_no_job_knows_yet_is_arriving_and_no_other_object_is() -> None:
    cloud = MemoryCloud()
    add(cloud, "run1/a.yaml", State.SUCCEEDED)
    for name in ("run1/a.yaml", "run1/b.yaml", "run1/b.a3m", "run1/"):
        cloud.inputs.put(name, b"x")
    assert wait.Prefix(cloud.ledger, cloud.inputs, "run1/").look() == Tally(
        {state: int(state is State.SUCCEEDED) for state in State}, arriving=1
    )
    old = cloud.inputs.uploaded_at - 2 * wait.EXPECTED
    cloud.inputs.uploaded_at = old
    assert wait.Prefix(cloud.ledger, cloud.inputs, "run1/").look().left == 0


def test_many_jobs_are_looked_at_in_turn() -> None:
    cloud = MemoryCloud()
    ids = [add(cloud, f"run1/{number}.yaml", State.SUCCEEDED).job_id for number in range(250)]
    jobs = wait.Jobs(cloud.ledger, [*ids, "f" * 16])
    assert [jobs.look().left for _ in range(4)] == [151, 51, 1, 1]
    assert len(jobs.in_states(State.SUCCEEDED)) == 250


def test_a_job_whose_structure_failed_a_check_says_so() -> None:
    cloud = MemoryCloud()
    checks = Checks(verdict=Verdict.FAILED, reasons=("L LIG1 1 C57 is inverted.", "It clashes."))
    wrong = add(cloud, "run1/a.yaml", State.SUCCEEDED, checks=checks)
    add(cloud, "run1/b.yaml", State.SUCCEEDED, checks=Checks(verdict=Verdict.WARNINGS, reasons=("Cis.",)))
    rows = [line.split("\t")[2:] for line in run(status.command, cloud, "run1/").stdout.splitlines()[2:]]
    assert rows == [["run1/a.yaml", "checks failed: L LIG1 1 C57 is inverted."], ["run1/b.yaml", ""]]
    facts = run(status.command, cloud, wrong.job_id).stdout.splitlines()
    assert facts[facts.index("checks\tfailed") :][:3] == [
        "checks\tfailed",
        "\tL LIG1 1 C57 is inverted.",
        "\tIt clashes.",
    ]


def test_an_event_is_told_with_the_verdict() -> None:
    cloud = MemoryCloud()
    completion(cloud, "run1/a.yaml", State.FAILED)
    wrong = add(cloud, "run1/b.yaml", State.SUCCEEDED, checks=Checks(verdict=Verdict.FAILED))
    cloud.completions.publish(PredictionCompleted.of(wrong, "out").encode())
    told = run(events.command, cloud, "--filter", "checks=failed").stdout.splitlines()
    assert [line.endswith("run1/b.yaml  checks failed") for line in told] == [True]
    assert cloud.patterns == ['attributes.checks = "failed"']


def test_throughput_is_that_of_the_last_two_minutes() -> None:
    pace = Pace()
    for at, ended in ((0, 0), (1000, 10), (1060, 40), (1100, 60)):
        pace.add(at, ended)
    assert pace.per_second == 0.5
    assert pace.describe(450) == "30.0 jobs a minute, 15 min 0 s left"
    begun = Pace()
    begun.add(0, 0)
    assert begun.describe(1) == ""


def completion(cloud: MemoryCloud, name: str, state: State) -> Message:
    message = PredictionCompleted.of(add(cloud, name, state, batch=name.partition("/")[0]), "out").encode()
    cloud.completions.publish(message)
    return message


def test_events_are_told_once_each_and_only_those_that_are_wanted() -> None:
    cloud = MemoryCloud()
    cloud.completions.publish(completion(cloud, "run1/a.yaml", State.FAILED))  # it comes twice
    completion(cloud, "run1/b.yaml", State.SUCCEEDED)
    completion(cloud, "run2/c.yaml", State.FAILED)
    cloud.completions.publish(Message(b"{", {"state": "FAILED", "batch": "run1"}))
    told = run(events.command, cloud, "--filter", "state=FAILED", "--filter", "batch=run1*")
    [line] = told.stdout.splitlines()
    assert line.endswith("run1/a.yaml  TOO_LARGE: It is �[2J too large.")
    assert "not a PredictionCompleted" in told.stderr
    assert cloud.patterns == ['attributes.state = "FAILED" AND hasPrefix(attributes.batch, "run1")']
    first = json.loads(run(events.command, cloud, "--json", "--count", "1").stdout)
    assert first["data"]["source"]["name"] == "run1/a.yaml"


@pytest.mark.parametrize("text", ["state", "=x", 'batch="x', f"batch={'x' * 250}"])
def test_a_filter_that_pubsub_would_not_take_is_wrong_usage(text: str) -> None:
    assert run(events.command, MemoryCloud(), "--filter", text).exit_code == 2


def test_a_job_in_a_state_of_the_next_release_has_not_ended() -> None:
    cloud = MemoryCloud()
    done, held = (add(cloud, f"run1/{name}.yaml", State.SUCCEEDED) for name in "ab")
    cloud.ledger.put(as_the_next(held) | {"state": "HELD"})
    for name in ("run1/a.yaml", "run1/b.yaml"):
        cloud.inputs.put(name, b"x")
    assert wait.Prefix(cloud.ledger, cloud.inputs, "run1/").look().left == 1
    assert wait.Jobs(cloud.ledger, [done.job_id, held.job_id]).look().left == 1
    assert cloud.ledger.unknown([held.job_id]) == set()


def test_jobs_of_the_next_release_are_told_and_what_cannot_be_read_is_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cloud = MemoryCloud()
    cloud.ledger.put(as_the_next(add(cloud, "run1/a.yaml", State.FAILED)))
    poisoned = add(cloud, "run1/b.yaml", State.FAILED)
    cloud.ledger.put(as_the_next(poisoned) | {"attempt": "many"})
    told = run(status.command, cloud, "run1/")
    assert told.stdout.splitlines()[0] == "FAILED\t2"  # a count reads no record
    assert [line.split("\t")[2] for line in told.stdout.splitlines()[2:]] == ["run1/a.yaml"]
    assert poisoned.job_id in caplog.text
    one = run(status.command, cloud, job_id("in", "run1/a.yaml", 7))
    assert "\tPARKED\tHELD" in one.stdout


@pytest.mark.parametrize("command", [status.command, cancel.command], ids=["status", "cancel"])
def test_one_job_that_cannot_be_read_is_told_in_a_line(command: click.Command) -> None:
    cloud = MemoryCloud()
    held = add(cloud, "run1/a.yaml", State.QUEUED)
    cloud.ledger.put(as_the_next(held) | {"state": "HELD"})
    told = run(Commands(commands=[command]), cloud, str(command.name), held.job_id)
    assert told.exit_code == 1
    [line] = told.stderr.splitlines()
    assert line.startswith(
        f"Error: This release cannot read the record of job {held.job_id}: state is 'HELD': "
    )
