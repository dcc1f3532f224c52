"""What a demo shows and keeps, and which folders of runs it leaves."""

import fcntl
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote, urlsplit

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from rich.console import Console
from support.fakes import NOW, a_job
from support.http_server import Quiet, answered_by
from support.patience import HANG

from local import demo, runs
from local.emulators import MissingError
from schemas.checks import Checks, Verdict
from schemas.failure import Code, Failure
from schemas.job import Job, Output, State
from schemas.messages import PredictionCompleted
from schemas.receipt import Receipt

REPOSITORY = Path(__file__).parents[2]


def shown(*endings: demo.Ending) -> str:
    """Return what a terminal shows, without the breaks of lines."""
    console = Console(file=io.StringIO(), width=300)
    demo.show(console, list(endings))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def rejected(message: str, remedy: str = "Change it.", file: str = "rejected/a.yaml") -> demo.Ending:
    failure = Failure(code=Code.INVALID_INPUT, message=message, remedy=remedy)
    job = a_job(State.REJECTED, errors=(failure,))
    return demo.Ending(file, Receipt.of(job), Path("results") / file)


@pytest.mark.parametrize(
    "message",
    [
        "sequences[0].protein.msa is missing",
        "expected ',' or ']', but got ':'",
        "[bold]not markup[/bold]",
        "a [/] that closes nothing, and [/red] too",
        "ends with \\",
    ],
)
def test_brackets_in_messages_and_remedies_are_shown_as_they_are(message: str) -> None:
    text = shown(rejected(message, remedy=f"Not {message}, but [x]."))
    assert f"INVALID_INPUT {message} Not {message}, but [x]." in text


def test_a_structure_that_failed_a_check_is_called_so() -> None:
    job = a_success().evolve(checks=Checks(verdict=Verdict.FAILED))
    line = next(
        each
        for each in shown(demo.Ending("a.yaml", Receipt.of(job), Path("a"))).splitlines()
        if "a.yaml" in each
    )
    assert line.split()[:4] == ["✓", "a.yaml", "SUCCEEDED", "failed"]


def test_each_reason_names_its_file_once() -> None:
    named = rejected("rejected/[b].yaml, line 4: no", file="rejected/[b].yaml")
    lines = shown(rejected("says nothing of the file"), named).splitlines()
    assert [line.rstrip() for line in lines if "INVALID_INPUT" in line] == [
        "rejected/a.yaml    INVALID_INPUT says nothing of the file Change it.",
        "rejected/[b].yaml  INVALID_INPUT line 4: no Change it.",
    ]


def test_an_error_of_the_stack_is_shown_with_its_brackets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def missing(*_: object) -> list[demo.Ending]:
        raise MissingError("java [/17] is missing: see [docs]")

    console = Console(file=io.StringIO(), width=300)
    monkeypatch.setattr(demo, "_run", missing)
    assert demo._demo(console, tmp_path, timeout=HANG) is False
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == "java [/17] is missing: see [docs]\n"


@contextmanager
def serving(objects: Mapping[str, bytes]) -> Iterator[storage.Client]:
    """Serve objects as Cloud Storage does, by GET /download/storage/v1/b/BUCKET/o/NAME, to its own client."""

    class Handler(Quiet):
        def respond(self) -> None:
            self.answer(200, objects[unquote(urlsplit(self.path).path.rpartition("/")[2])])

    with answered_by(Handler) as address:
        yield storage.Client(
            project="p", credentials=AnonymousCredentials(), client_options={"api_endpoint": address}
        )


def a_success() -> Job:
    output = Output(name="run42/50% #1/model_0.cif", size=4, crc32c="AAAAAA==")
    return a_job(State.SUCCEEDED, outputs=(output,), output_prefix="run42/50% #1/", created_at=NOW)


def test_receipt_and_outputs_are_kept_byte_for_byte(tmp_path: Path) -> None:
    job = a_success()
    written = json.dumps(json.loads(Receipt.of(job).encode()), indent=7).encode()  # not as we would write it
    objects = {"run42/50% #1/receipt.json": written, "run42/50% #1/model_0.cif": b"data"}
    (tmp_path / "run42" / "foo.yaml").mkdir(parents=True)
    (tmp_path / "run42" / "foo.yaml" / "of-the-last-demo").touch()
    with serving(objects) as client:
        ending = demo.fetch(client, PredictionCompleted.of(job, "out"), tmp_path)
    assert ending.receipt == Receipt.of(job)
    kept = {path.name: path.read_bytes() for path in (tmp_path / "run42" / "foo.yaml").iterdir()}
    assert kept == {"receipt.json": written, "model_0.cif": b"data"}


@pytest.mark.parametrize(
    ("file", "state", "right"),
    [
        ("a.yaml", State.SUCCEEDED, True),
        ("a.yaml", State.FAILED, False),
        ("rejected/a.yaml", State.REJECTED, False),  # it has no reason
        ("rejected/a.yaml", State.SUCCEEDED, False),
    ],
)
def test_an_ending_is_right_where_its_folder_promises_it(file: str, state: State, right: bool) -> None:
    assert demo.Ending(file, Receipt.of(a_job(state)), Path(file)).right is right


def test_the_picture_fetches_nothing() -> None:
    console = Console(file=io.StringIO(), record=True, width=80)
    console.print("[red]text[/]")
    picture = demo._picture(console)
    assert "text" in picture
    assert "url(http" not in picture
    assert "@font-face" not in picture


def test_a_run_that_ended_well_leaves_nothing(tmp_path: Path) -> None:
    with runs.fresh("demo", tmp_path) as run:
        (run.folder / "logs").mkdir()
        run.ended_well = True
    assert not run.folder.exists()


def test_a_run_that_did_not_says_where_its_logs_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with runs.fresh("demo", tmp_path) as run:
        (run.folder / "logs").mkdir()
    assert capsys.readouterr().err == f"This run's logs are kept in {run.folder}/logs\n"
    assert (run.folder / "logs").is_dir()


def test_a_run_that_raises_keeps_its_folder(tmp_path: Path) -> None:
    def fail(folder: Path) -> NoReturn:
        (folder / "logs").mkdir()
        raise KeyError(folder)

    with pytest.raises(KeyError), runs.fresh("up", tmp_path) as run:
        fail(run.folder)
    assert run.folder.is_dir()


def old(folder: Path, seconds: int) -> Path:
    folder.mkdir()
    os.utime(folder, (seconds, seconds))
    return folder


def test_of_old_runs_the_newest_are_kept(tmp_path: Path) -> None:
    folders = [old(tmp_path / f"demo-{age}", 1_000_000 - age) for age in range(8)]
    with runs.fresh("demo", tmp_path) as run:
        run.ended_well = True
    assert [folder.exists() for folder in folders] == [True] * runs.KEPT + [False] * (8 - runs.KEPT)


def test_a_folder_is_never_pruned_while_another_process_owns_it(tmp_path: Path) -> None:
    code = f"""
import sys; from pathlib import Path; from local import runs
with runs.fresh("up", Path({str(tmp_path)!r})) as run:
    (run.folder / "logs").mkdir(); print(run.folder, flush=True); sys.stdin.read()
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": REPOSITORY}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as owner:  # type: ignore[call-overload]
        folder = Path(owner.stdout.readline().strip())
        try:
            os.utime(folder, (0, 0))
            for number in range(runs.KEPT):
                old(tmp_path / f"demo-{number}", 1000 + number)
            runs.prune(tmp_path)
            assert folder.is_dir()
        finally:
            owner.kill()
    os.utime(folder, (0, 0))
    runs.prune(tmp_path)  # killed by SIGKILL, it owns nothing any more
    assert not folder.exists()


def test_two_stacks_cannot_have_one_folder(tmp_path: Path) -> None:
    with (
        runs.given(tmp_path / "mine"),
        pytest.raises(BlockingIOError, match=r"running stack owns this folder.*mine"),
        runs.given(tmp_path / "mine"),
    ):
        raise AssertionError
    with (tmp_path / "mine" / runs.OWNER).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # free again, and the folder is there
