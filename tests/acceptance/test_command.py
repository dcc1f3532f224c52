"""The command `dropfold`, as a person runs it from a terminal. Nothing of ours is imported."""

import json
import os
import pty
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from google.cloud import pubsub_v1
from support.checksum import crc32c
from support.inputs import one_protein
from support.patience import HANG
from support.stack import DROPFOLD, Stack, dropfold

COLOUR = "\x1b["


@pytest.fixture
def screen(tmp_path: Path, folder: str) -> Path:
    """Return a folder with two good inputs, one with an MSA beside it, a wrong one and a note."""
    screen = tmp_path / folder
    screen.mkdir()
    (screen / "single.yaml").write_text(one_protein("GIGAVLKVLTTG"))
    (screen / "aligned.yaml").write_text(one_protein("ACDEFGHIK", "mine.a3m"))
    (screen / "mine.a3m").write_text(">q\nACDEFGHIK\n>1\nACDEFGHI-\n")
    (screen / "wrong.yaml").write_text(one_protein("ACDEFGHIK1"))
    (screen / "notes.txt").write_text("to remember")
    return screen


def test_a_folder_is_dropped_waited_for_shown_and_fetched(stack: Stack, screen: Path, tmp_path: Path) -> None:
    folder = screen.name
    done = dropfold(stack, "drop", screen, "--wait", "--samples", 2, status=1)
    assert re.findall(r"^[0-9a-f]{16}  sent +gs://\S+/(\w+\.yaml)$", done.stdout, re.MULTILINE)
    lines = done.stdout.splitlines()
    told = lines[lines.index("2 of 2 ended: 2 succeeded.") + 1 :]
    assert all(line.startswith(f"succeeded, checks failed: {folder}/") for line in told)
    assert f"{folder}/wrong.yaml" in done.stderr
    assert "no input: " in done.stderr
    assert COLOUR not in done.stdout + done.stderr
    ids = dict(re.findall(r"^([0-9a-f]{16})  sent +gs://\S+/(\w+)\.yaml$", done.stdout, re.MULTILINE))

    receipts = json.loads(dropfold(stack, "results", f"{folder}/", "--json").stdout)
    assert {receipt["job_id"]: receipt["source"]["name"] for receipt in receipts} == {
        job: f"{folder}/{name}.yaml" for job, name in ids.items()
    }
    scores = [receipt["scores"]["confidence_score"] for receipt in receipts]
    assert scores == sorted(scores, reverse=True)

    to = tmp_path / "results"
    rows = dropfold(stack, "results", f"{folder}/", "--download", to).stdout.splitlines()
    assert [row.split("\t")[1] for row in rows] == ["SUCCEEDED", "SUCCEEDED"]
    verdicts = {receipt["source"]["name"]: receipt["checks"]["verdict"] for receipt in receipts}
    assert {row.split("\t")[0]: row.split("\t")[2] for row in rows} == verdicts
    wrong = {line.split(": ")[1].split("  ")[0] for line in told}
    assert wrong == {name for name, verdict in verdicts.items() if verdict == "failed"}
    for receipt in receipts:
        digests = {output["name"]: output["crc32c"] for output in receipt["outputs"]}
        fetched = {name for name in digests if name.endswith((".cif", "/report.html"))}
        assert len(fetched) == 3
        assert all(crc32c((to / name).read_bytes()) == digests[name] for name in fetched)

    assert dropfold(stack, "status", f"{folder}/").stdout.startswith("SUCCEEDED\t2\n")
    one = json.loads(dropfold(stack, "status", next(iter(ids)), "--json").stdout)
    assert (one["state"], one["options"]["samples"]) == ("SUCCEEDED", 2)
    assert dropfold(stack, "watch", f"{folder}/").stdout == "2 of 2 ended: 2 succeeded.\n"
    figures = json.loads(dropfold(stack, "stats", "--json").stdout)
    assert figures["predictions"] >= 2
    assert figures["processing_p95_seconds"] > 0


def replayed(done: "subprocess.CompletedProcess[str]") -> dict[str, list[str]]:
    """Return what is told of each result, by its input: agreement, job, again, RMSD, scores, why."""
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    return {name: [agreement, *rest] for agreement, name, *rest in lines}


def test_results_come_out_again_from_the_same_files_and_not_from_others(stack: Stack, screen: Path) -> None:
    folder = screen.name
    dropfold(stack, "drop", screen, "--wait", "--samples", 2, status=1)  # since one is wrong
    receipts = {
        name: json.loads(stack.outputs.blob(name).download_as_bytes()) for name in stack.receipts(folder)
    }
    by_input = {receipt["source"]["name"]: receipt for receipt in receipts.values()}
    aligned = by_input[f"{folder}/aligned.yaml"]
    assert [file["name"] for file in aligned["files"]] == [f"{folder}/mine.a3m"]
    assert aligned["device"]["torch"]
    [copy] = [each["name"] for each in aligned["outputs"] if each["name"].endswith("/input.yaml")]
    assert stack.outputs.blob(copy).download_as_text() == (screen / "aligned.yaml").read_text()

    told = replayed(dropfold(stack, "replay", f"{folder}/"))
    assert {name: (each[0], each[3:]) for name, each in told.items()} == {
        name: ("EXACT", ["0.000", "equal", ""]) for name in by_input
    }
    again = json.loads(dropfold(stack, "status", told[aligned["source"]["name"]][2], "--json").stdout)
    assert (again["fresh"], again["cached_from"]) == (True, None)
    assert again["fingerprint"] == aligned["fingerprint"]
    assert sorted(stack.receipts(folder)) == sorted(receipts)

    stack.inputs.blob(f"{folder}/mine.a3m").upload_from_string(">q\nACDEFGHIK\n")
    [[agreement, *_, why]] = replayed(dropfold(stack, "replay", aligned["job_id"], status=1)).values()
    assert agreement == "UNREPEATABLE"
    assert f"/{folder}/mine.a3m is another file now: generation " in why


def generations(stack: Stack, folder: str) -> dict[str, int]:
    return {blob.name: blob.generation for blob in stack.inputs.list_blobs(prefix=f"{folder}/")}


def interrupted(stack: Stack, *words: str) -> tuple["subprocess.Popen[str]", set[str], str]:
    """Run a command until Ctrl-C after five lines; return it, the jobs that it told of, its complaints."""
    process = subprocess.Popen(
        [DROPFOLD, *words],
        env=os.environ | stack.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    first = [process.stdout.readline() for _ in range(5)]
    process.send_signal(signal.SIGINT)
    rest, said = process.communicate(timeout=HANG)
    return process, {line.split()[0] for line in [*first, *rest.splitlines()]}, said


def test_an_interrupted_drop_goes_on_and_does_no_work_twice(
    stack: Stack, tmp_path: Path, folder: str
) -> None:
    many = tmp_path / folder
    many.mkdir()
    for count in (100, 400, 1600):  # more where all were sent before the signal came
        for number in range(count):
            (many / f"{number:04}.txt").write_text(f"is rejected at once: {number}")
        process, told, said = interrupted(stack, "drop", str(many), "--no-check")
        before = generations(stack, folder)
        if len(before) < count:
            break
    assert process.returncode == 130, said
    assert "What was sent stays; the same command sends the rest." in said
    assert 5 <= len(told) <= len(before) < count

    again = dropfold(stack, "drop", many, "--no-check", "--wait", status=1)  # since all are rejected
    lines = [line.split(maxsplit=1) for line in again.stdout.splitlines() if "gs://" in line]
    assert len({job for job, _ in lines}) == len(lines) == count
    assert told <= {job for job, what in lines if what.startswith("already there")}
    assert sum(what.startswith("already there") for _, what in lines) == len(before)
    after = generations(stack, folder)
    assert (len(after), {name: after[name] for name in before}) == (count, before)
    assert len(stack.receipts(folder)) == count
    counted = json.loads(dropfold(stack, "status", f"{folder}/", "--json").stdout)
    assert counted["counts"] == {"REJECTED": count}


@contextmanager
def following(stack: Stack, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """Run `dropfold events` until Ctrl-C, from when it has subscribed."""
    process = subprocess.Popen(
        [DROPFOLD, "events", *words],
        env=os.environ | stack.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr
        assert process.stderr.readline() == "Following; Ctrl-C ends it.\n"
        yield process
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=HANG)
        assert process.returncode == 130
    finally:
        if process.poll() is None:
            process.kill()


def followers(stack: Stack) -> set[str]:
    with pubsub_v1.SubscriberClient() as client:
        project = f"projects/{stack.environment['GOOGLE_CLOUD_PROJECT']}"
        names = {found.name for found in client.list_subscriptions(project=project)}
    return {name for name in names if "follower" in name}


def test_events_are_followed_by_a_subscription_that_goes_with_the_command(
    stack: Stack, folder: str, tmp_path: Path
) -> None:
    before = followers(stack)
    (tmp_path / "a.txt").write_text("no input")
    with following(stack, "--json", "--filter", f"batch={folder}", "--filter", "state=REJECTED") as process:
        assert len(followers(stack)) == len(before) + 1
        for place in (f"{folder}-other", folder):
            dropfold(stack, "drop", tmp_path / "a.txt", "--to", place, "--no-check")
        assert process.stdout
        event = json.loads(process.stdout.readline())
        assert (event["batch"], event["data"]["source"]["name"]) == (folder, f"{folder}/a.txt")
    assert followers(stack) == before


@pytest.mark.skipif("BOLTZ_CACHE" in os.environ, reason="only random weights are sure to be wrong")
def test_who_wants_only_structures_that_failed_a_check_hears_of_no_other(
    stack: Stack, folder: str, tmp_path: Path
) -> None:
    (tmp_path / "a.yaml").write_text(one_protein("GIGAVLKVLTTG"))
    (tmp_path / "b.txt").write_text("no input")
    with following(stack, "--json", "--filter", "checks=failed", "--filter", f"batch={folder}") as process:
        dropfold(stack, "drop", tmp_path / "b.txt", "--to", folder, "--no-check", "--wait", status=1)
        done = dropfold(stack, "drop", tmp_path / "a.yaml", "--to", folder, "--wait", "--strict", status=1)
        assert f"succeeded, checks failed: {folder}/a.yaml" in done.stdout
        assert process.stdout
        event = json.loads(process.stdout.readline())
    assert (event["checks"], event["data"]["source"]["name"]) == ("failed", f"{folder}/a.yaml")


def test_inputs_are_checked_without_anybody_else(screen: Path) -> None:
    nobody = {"PATH": os.environ["PATH"]}
    command = [DROPFOLD, "validate", str(screen)]
    done = subprocess.run(command, env=nobody, capture_output=True, text=True, check=False, timeout=HANG)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [f"ok  {screen}/aligned.yaml", f"ok  {screen}/single.yaml"]
    assert f"INVALID_INPUT {screen.name}/wrong.yaml, line 2" in done.stderr


def test_the_doctor_finds_a_local_stack_well_and_what_it_cannot_ask_not_checked(stack: Stack) -> None:
    lines = dropfold(stack, "doctor").stdout.splitlines()
    assert len(lines) == 15
    assert {line.split("  ")[0] for line in lines} == {"ok", "not checked here"}
    asked = {line for line in lines if line.startswith("not checked here")}
    assert all("rights on" in line or "quota" in line for line in asked)


def test_the_doctor_says_what_is_wrong_and_what_to_do(stack: Stack) -> None:
    wrong = {"OUTPUT_BUCKET": "no-such-bucket", "COMPLETED_TOPIC": "no-such-topic"}
    done = dropfold(stack, "doctor", status=1, **wrong)
    bad = [line for line in done.stdout.splitlines() if "To do: " in line]
    assert any("no-such-bucket" in line and "compare OUTPUT_BUCKET" in line for line in bad)
    assert any("no-such-topic" in line and "compare COMPLETED_TOPIC" in line for line in bad)


def on_a_terminal(stack: Stack, *words: str, **more: str) -> str:
    """Run the command with a terminal of its own, and return all that this shows."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [DROPFOLD, *words],
        env=os.environ | stack.environment | {"TERM": "xterm-256color"} | more,
        stdout=its,
        stderr=its,
    )
    os.close(its)
    said = bytearray()
    try:
        while chunk := os.read(ours, 65536):
            said += chunk
    except OSError:
        pass  # Linux' way to say that nobody writes to a terminal any more
    process.wait(HANG)
    os.close(ours)
    return said.decode()


def test_a_terminal_has_colours_and_a_bar_unless_they_are_not_wanted(
    stack: Stack, folder: str, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("no input")
    words = ("drop", str(tmp_path / "a.txt"), "--no-check", "--wait", "--to", folder)
    coloured = re.compile(r"\x1b\[(\d+;)*3\d(;\d+)*m")
    shown = on_a_terminal(stack, *words, NO_COLOR="")
    assert coloured.search(shown)
    assert "rejected" in shown
    assert "━" in shown
    plain = on_a_terminal(stack, *words, NO_COLOR="1")
    assert not coloured.search(plain)
    assert "already there" in plain


def test_a_shell_completes_it() -> None:
    asked = {"PATH": os.environ["PATH"], "_DROPFOLD_COMPLETE": "bash_source"}
    script = subprocess.run([DROPFOLD], env=asked, check=True, capture_output=True, text=True).stdout
    assert "_dropfold_completion" in script
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=True).returncode == 0
