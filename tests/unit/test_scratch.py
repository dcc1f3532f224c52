import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fakes import NOW
from support.paper import PaperPredictor

from gcp.clients import Clients
from worker import compose, scratch
from worker.settings import WorkerSettings


def test_a_folder_that_can_be_written_to_is_made_and_left_empty(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "work"
    assert scratch.writable(folder) == folder
    assert list(folder.iterdir()) == []


def test_work_goes_on_elsewhere_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(scratch, "FALL_BACK", tmp_path / "there")
    (tmp_path / "mounted").write_text("no folder, so that root cannot write in it either")
    assert scratch.writable(tmp_path / "mounted" / "work") == tmp_path / "there"
    [line] = caplog.records
    assert line.levelno == logging.CRITICAL
    assert f"WORK_DIR={tmp_path}/mounted/work" in line.getMessage()


def test_a_process_that_can_write_nowhere_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(scratch, "FALL_BACK", tmp_path / "file" / "there")
    with pytest.raises(NotADirectoryError):
        scratch.writable(tmp_path / "file" / "work")


WORKER = 10001
"""The image's user: Dockerfile.production."""


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """Yield a folder that any user may enter, as pytest's own are not."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


def test_a_volume_that_is_root_s_is_not_worked_in_by_the_image_s_user(
    open_to_all: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() != 0:
        pytest.skip("NOT ROOT HERE: that another user's volume is not worked in is not checked")
    mounted, there = open_to_all / "work", open_to_all / "there"
    mounted.mkdir(mode=0o755)
    there.mkdir()
    there.chmod(0o777)
    monkeypatch.setattr(scratch, "FALL_BACK", there)
    assert chosen_by(WORKER, mounted) == there
    mounted.chmod(0o777)
    assert chosen_by(WORKER, mounted) == mounted


def chosen_by(user: int, folder: Path) -> Path:
    """Return where a process of a user works."""
    reader, writer = os.pipe()
    if not (child := os.fork()):
        try:
            os.setuid(user)
            os.write(writer, bytes(scratch.writable(folder)))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader) as said:
        return Path(said.read())


def test_a_worker_s_jobs_lie_where_it_can_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "FALL_BACK", tmp_path / "there")
    (tmp_path / "mounted").touch()
    settings = WorkerSettings(
        google_cloud_project="p",
        input_bucket="in",
        output_bucket="out",
        boltz_cache=tmp_path,
        work_dir=tmp_path / "mounted" / "work",
        cloud_run_execution="e",
    )
    for service in ("FIRESTORE", "PUBSUB"):
        monkeypatch.setenv(f"{service}_EMULATOR_HOST", "127.0.0.1:1")  # nobody; nothing is asked
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    runner = compose.job_runner(settings, Clients(settings), PaperPredictor(), NOW)
    assert runner.pipeline.work_dir == tmp_path / "there"
