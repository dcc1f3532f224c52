"""What errors of libraries say to people, in receipts above all: no name of a Python exception."""

import ast
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import torch
from google.api_core.exceptions import RetryError, ServiceUnavailable
from urllib3.exceptions import MaxRetryError, NewConnectionError

from functions.alignments.colabfold import _cause
from gcp.errors import said
from schemas.failure import FailedError
from schemas.reason import LONGEST, reason
from worker.boltz2 import errors
from worker.job_runner import _why
from worker.outputs import Expected, checked

ROOT = Path(__file__).parents[2]


def exceptions(of: type[BaseException] = BaseException) -> Iterator[str]:
    """Yield the names of all exceptions that are loaded, but for those that are plain words."""
    for each in of.__subclasses__():
        if sum(letter.isupper() for letter in each.__name__) > 1:
            yield each.__name__
        yield from exceptions(each)


NAMES = frozenset(exceptions())
BROKEN = requests.ConnectionError(
    "Connection aborted.", ConnectionResetError(104, "Connection reset by peer")
)
UNREACHABLE = requests.ConnectionError(
    MaxRetryError(None, "/x", NewConnectionError(None, "Failed: [Errno 111] Connection refused"))  # type: ignore[arg-type]
)
RAISED: tuple[Exception, ...] = (
    *(
        KeyError("A"),
        KeyError(),
        IndexError("list index out of range"),
        AssertionError(),
        ValueError("1 != 2"),
    ),
    *(
        OSError(28, "No space left on device", "/dev/full"),
        RuntimeError("torch.OutOfMemoryError: CUDA is full"),
    ),
    *(zipfile.BadZipFile("File is not a zip file"), json.JSONDecodeError("Expecting value", "x", 0)),
    *(BROKEN, UNREACHABLE, ServiceUnavailable("try later"), RetryError("Timeout of 120.0s exceeded", BROKEN)),
    *(requests.exceptions.ChunkedEncodingError("broken: IncompleteRead(0 bytes read)"), requests.HTTPError()),
    RuntimeError(f"one: {ValueError('two')!r}\nthree: concurrent.futures.process.BrokenProcessPool('four')"),
)


def named(text: str) -> set[str]:
    """Return the names of exceptions in a text."""
    return {name for name in NAMES if name in text}


@pytest.mark.parametrize("error", RAISED, ids=repr)
def test_no_name_of_an_exception_is_said(error: Exception) -> None:
    told = [reason(error), reason(said(error)), _why(error).message, unusable(error)]
    if isinstance(error, requests.RequestException):
        told.append(_cause(error))
    assert not named(" ".join(told))
    assert all(text.isprintable() and text.strip() for text in told)


def unusable(error: Exception) -> str:
    found = errors.unusable(error)
    return found.failure.message if isinstance(found, FailedError) else reason(found)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("A"), "there is no 'A'"),
        (AssertionError(), "it gives no reason"),
        (ValueError("a line\n of two. "), "a line of two"),
        (ValueError("KeyError: 'A'"), "'A'"),
        (ValueError("torch.cuda.OutOfMemoryError: full"), "full"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (
            ValueError("CUDA Error: the MyError.a3m of AnError.py, an Error"),
            "CUDA Error: the MyError.a3m of AnError.py, an Error",
        ),
        (ValueError("x" * 2 * LONGEST), "x" * LONGEST),
    ],
)
def test_what_an_error_says_is_kept(error: Exception, words: str) -> None:
    assert reason(error) == words


PRINTED = """Traceback (most recent call last):
  File "schema.py", line 1, in parse
{kind}: {text}
Failed to process x.yaml. Skipping. Error: {text}.
"""


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("KeyError", "'A'", "Boltz-2 cannot read the input: there is no 'A' (it refers to a.cif)."),
        ("IndexError", "list index out of range", "the input: list index out of range (it refers to a.cif)."),
        ("numpy.linalg.LinAlgError", "Singular", "the input: Singular (it refers to a.cif)."),
        (
            "ValueError",
            "CCD component QQQ not found!",
            "Boltz-2 has no component QQQ: its Chemical",
        ),
    ],
)
def test_what_boltz_prints_is_told_without_the_name_of_its_error(kind: str, text: str, message: str) -> None:
    found = errors.unreadable(PRINTED.format(kind=kind, text=text), ["a.cif"])
    assert isinstance(found, FailedError)
    assert message in found.failure.message
    assert not named(found.failure.message)


def test_a_component_that_boltz_lacks_is_to_be_written_as_smiles() -> None:
    found = errors.unreadable(PRINTED.format(kind="ValueError", text="CCD component QQQ not found!"))
    assert isinstance(found, FailedError)
    assert found.failure.value == "QQQ"
    assert found.failure.remedy.startswith("Write a ligand as SMILES instead.")


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA out of memory: OutOfMemoryError"),
        RuntimeError("CUDA error: AcceleratorError"),
    ],
)
def test_what_a_device_raises_is_told_in_its_words(error: Exception) -> None:
    with pytest.raises(FailedError) as caught, errors.failures_of(torch.device("cpu")):
        raise error
    assert not named(caught.value.failure.message)


@pytest.mark.parametrize("content", [b"", b"data_x", b"data_x loop_ _a.b", bytes(100)])
def test_a_file_that_a_reader_cannot_read_is_told_in_its_words(content: bytes, tmp_path: Path) -> None:
    (path := tmp_path / "model_0.cif").write_bytes(content)
    with pytest.raises(FailedError, match=r"model_0\.cif is not usable: ") as caught:
        checked({path.name: path}, Expected({"A": 1}))
    assert not named(caught.value.failure.message)


SPEAKING = ("inputs", "schemas", "worker", "functions")
"""Rooms whose words reach receipts; the command and the local stack speak to who runs them."""

SILENT = {
    "schemas/messages.py": "logged, and kept by the dead-letter topic",
    "schemas/upload.py": "logged, and kept by the dead-letter topic",
    "functions/dead_letters.py": "logged",
    "functions/folder_page/rows.py": "logged",
    "worker/bake.py": "to who bakes an image",
    "worker/boltz2/conversion.py": "to who bakes an image",
    "worker/boltz2/predictor.py": "logged, and the worker ends",
    "worker/boltz2/errors.py": "looked at",
}
"""Files in which words of libraries go elsewhere, or are compared."""


def test_the_words_of_libraries_reach_receipts_by_reason_alone() -> None:
    trees = {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text())
        for room in SPEAKING
        for path in (ROOT / room).rglob("*.py")
    }
    ours = {node.name for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    found = {path for path, tree in trees.items() if any(told_as_it_is(tree, ours))}
    assert found == set(SILENT)


def told_as_it_is(tree: ast.AST, ours: set[str]) -> Iterator[ast.AST]:
    """Yield the texts that hold what an error says, or its class, though it may not be ours."""
    for handler in ast.walk(tree):
        if isinstance(handler, ast.ExceptHandler) and handler.name and not caught(handler) <= ours:
            yield from texts_of(handler, handler.name)
    for part in ast.walk(tree):
        if isinstance(part, ast.FormattedValue) and "__name__" in ast.unparse(part):
            yield part


def caught(handler: ast.ExceptHandler) -> set[str]:
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return {ast.unparse(each) for each in types if each}


def texts_of(tree: ast.AST, name: str) -> Iterator[ast.AST]:
    """Yield where the error of this name is put into a text without `reason`."""
    for part in ast.walk(tree):
        if isinstance(part, ast.FormattedValue) and ast.unparse(part.value) == name:
            yield part
        if isinstance(part, ast.Call) and ast.unparse(part) == f"str({name})":
            yield part
