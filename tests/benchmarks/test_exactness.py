"""That the comparison of two predictions sees what differs."""

from pathlib import Path

import pytest

from benchmarks.exactness import differences


def test_a_byte_or_a_file_that_differs_is_named(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, content in ((first, b"0.5"), (second, b"0.6")):
        folder.mkdir()
        (folder / "same").write_bytes(b"1.0")
        (folder / "other").write_bytes(content)
    assert differences(first, first) == []
    assert differences(first, second) == ["other"]
    (second / "same").unlink()
    assert differences(first, second) == differences(second, first) == ["other", "same"]


def test_two_predictions_without_a_file_are_not_equal(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no file"):
        differences(tmp_path, tmp_path)
