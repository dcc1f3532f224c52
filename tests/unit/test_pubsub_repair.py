import zipfile
from pathlib import Path

import pytest

from local.emulators import MissingError
from local.pubsub_repair import CALLED, CLASSES, class_path


def a_jar(path: Path, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as jar:
        for name in CLASSES:
            jar.writestr(name, content)
    return path


def test_an_emulator_that_lacks_the_method_gets_the_classes_of_one_that_has_it(tmp_path: Path) -> None:
    broken, whole = a_jar(tmp_path / "broken.jar", b"other"), a_jar(tmp_path / "whole.jar", b"x" + CALLED)
    mended, original = class_path(broken, whole, tmp_path / "cache").split(":")
    assert original == str(broken)
    with zipfile.ZipFile(mended) as jar:
        assert {jar.read(name) for name in CLASSES} == {b"x" + CALLED}


def test_an_emulator_that_is_whole_is_left_as_it_is(tmp_path: Path) -> None:
    whole = a_jar(tmp_path / "whole.jar", CALLED)
    assert class_path(whole, whole, tmp_path) == str(whole)


def test_without_a_donor_the_emulator_runs_as_it_is(tmp_path: Path) -> None:
    broken = a_jar(tmp_path / "broken.jar", b"other")
    assert class_path(broken, broken, tmp_path) == str(broken)


def test_an_emulator_without_the_class_is_left_as_it_is(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.jar", "w") as jar:
        jar.writestr("shaded/io/grpc/InternalStatus.class", b"")
    whole = a_jar(tmp_path / "whole.jar", CALLED)
    assert class_path(tmp_path / "other.jar", whole, tmp_path) == str(tmp_path / "other.jar")


def test_a_jar_that_is_cut_off_is_named_with_what_to_do(tmp_path: Path) -> None:
    cut, whole = a_jar(tmp_path / "cut.jar", b"other"), a_jar(tmp_path / "whole.jar", CALLED)
    cut.write_bytes(cut.read_bytes()[:-30])
    with pytest.raises(MissingError, match=r"cut\.jar cannot be read .*: remove it") as caught:
        class_path(cut, whole, tmp_path)
    assert "\n" not in str(caught.value)
