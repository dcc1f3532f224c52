"""What README and docs/ tell a reader to do works, and what they name is there. Nothing of ours is imported.

What a code block is held to is said in a comment before it; ``documents`` says how.
"""

import json
import os
import re
import signal
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.documents import BLOCKS, DOCUMENTS, REPOSITORY, VERBS, Block, environment, lay_out, marked, need
from support.patience import HANG, until
from support.stack import Stack

LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"[\w-][\w.-]*(/[\w.-]+)*/?")


@pytest.fixture
def checkout(stack: Stack, tmp_path: Path) -> Path:
    """Return a folder that looks like the repository while `make up` runs, with this stack as its own."""
    return lay_out(stack, tmp_path)


def ran(block: Block, checkout: Path, where: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Run a block as if in a checkout, which is also where, unless it is told."""
    return subprocess.run(
        block.command,
        cwd=where or checkout,
        env=environment(checkout),
        timeout=HANG,
        capture_output=True,
        text=True,
        check=False,
    )


@marked("drops")
def test_a_drop_in_the_documents_is_predicted(block: Block, stack: Stack, checkout: Path) -> None:
    need(block.program)
    assert block.target
    done = ran(block, checkout)
    assert done.returncode == 0, done.stderr
    folder = block.target.partition("/")[0]
    [event] = stack.completions.wait(folder, 1)[block.target]
    receipt = stack.receipt(event)
    assert (receipt["state"], receipt["options"]["samples"]) == ("SUCCEEDED", 2)
    structures = [output["name"] for output in receipt["outputs"] if output["name"].endswith(".cif")]
    assert len(structures) == 2


@pytest.mark.extra
@marked("makes")
def test_what_the_documents_make_is_there(block: Block, checkout: Path) -> None:
    need(block.program)
    assert block.target
    done = ran(block, checkout)
    assert done.returncode == 0, done.stderr
    assert list(checkout.glob(block.target)), done.stdout


@contextmanager
def started(block: Block, checkout: Path) -> Iterator[Callable[[], str]]:
    """Run a block beside; the function tells what it has printed, and fails once it has ended."""
    said = checkout / "said"
    with said.open("wb") as terminal:
        process = subprocess.Popen(
            block.command,
            cwd=checkout,
            env=environment(checkout),
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )

    def printed() -> str:
        assert process.poll() is None, said.read_text()
        return said.read_text()

    try:
        yield printed
    finally:
        if process.poll() is None:  # Ctrl-C may not be enough: a client's threads may hold it
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(HANG)


@marked("follows")
def test_a_subscriber_in_the_documents_hears_of_an_end(block: Block, stack: Stack, checkout: Path) -> None:
    need(block.program)
    folder = f"run-{uuid.uuid4().hex[:8]}"
    with started(block, checkout) as printed:

        def is_heard_of() -> bool:
            """Upload again and again: what ended before the subscription was made is not heard of."""
            stack.inputs.blob(f"{folder}/{uuid.uuid4().hex}.txt").upload_from_string("is rejected at once")
            return folder in printed()

        until(is_heard_of, printed, pause=1)
        assert re.search(rf"\bREJECTED\b.*{folder}/\w+\.txt", printed()), printed()


@marked("runs")
def test_other_commands_in_the_documents_work(block: Block, checkout: Path) -> None:
    need(block.program)
    done = ran(block, checkout, REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_comment_before_a_code_block_is_understood() -> None:
    comments = sum(len(re.findall(r"^<!--.*-->\n```", path.read_text(), re.MULTILINE)) for path in DOCUMENTS)
    assert comments == len(BLOCKS)
    assert {block.verb for block in BLOCKS} <= VERBS


def names_a_file(code: str) -> bool:
    """Tell a path of this repository from an object's name, an address, a word, and what `make` makes."""
    top = {path.name for path in REPOSITORY.iterdir() if path.name not in {".local", ".venv"}}
    folder, slash, name = code.partition("/")
    return bool(PATH.fullmatch(code) and slash) and (folder in top or name.endswith((".py", ".md", ".toml")))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_what_a_document_links_and_names_is_there(path: Path) -> None:
    text = path.read_text()
    links = [link.partition("#")[0] for link in LINK.findall(text) if "://" not in link]
    named = [code for code in CODE.findall(text) if names_a_file(code)]
    assert [link for link in links if not (path.parent / link).exists()] == []
    assert [
        name for name in named if not ((REPOSITORY / name).exists() or (path.parent / name).exists())
    ] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_target_of_make_that_a_document_names_exists(path: Path) -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    named = re.findall(r"(?:^|`)make ([a-z-]+)", path.read_text(), re.MULTILINE)
    assert [name for name in named if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []


def limits(field: dict[str, object]) -> str:
    """Write a field of the published schema as README writes its values."""
    if "anyOf" in field:
        [field] = [kind for kind in field["anyOf"] if kind["type"] != "null"]  # type: ignore[attr-defined]
    if "enum" in field:
        return ", ".join(map(str, field["enum"]))  # type: ignore[call-overload]
    return "true, false" if field["type"] == "boolean" else f"{field['minimum']} to {field['maximum']}"


def test_readme_s_table_has_every_option_with_its_limits_and_default() -> None:
    schema = json.loads((REPOSITORY / "schemas" / "v1" / "receipt.schema.json").read_text())
    rows = re.findall(
        r"^\| `dropfold-([\w-]+)` \| (.*?) \| (.*?) \|", (REPOSITORY / "README.md").read_text(), re.MULTILINE
    )
    told = {name.replace("-", "_"): (values, default) for name, values, default in rows}
    assert told.pop("batch")
    assert told.pop("fresh") == ("true, false", "false")
    options = schema["$defs"]["Options"]["properties"]
    assert told.pop("potentials") == (f"{limits(options.pop('potentials'))}, auto", "auto")
    defaults = {"None": "from the file", "False": "false"}
    assert told == {
        name: (limits(field), defaults.get(str(field["default"]), str(field["default"])))
        for name, field in options.items()
    }


def test_the_event_shown_in_the_documents_is_the_published_example() -> None:
    [shown] = re.findall(r"```json\n(.*?)```", (REPOSITORY / "docs" / "events.md").read_text(), re.DOTALL)
    example = REPOSITORY / "schemas" / "examples" / "prediction-completed" / "valid" / "succeeded.json"
    assert json.loads(shown) == json.loads(example.read_text())["data"]
