import logging
from pathlib import Path

import pytest

from worker import scratch


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
