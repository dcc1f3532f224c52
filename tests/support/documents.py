"""Code blocks that README and docs/ mark as checked, and what their commands need around them.

An HTML comment before a code block, which no reader sees, says what its command lines are to be held to:

- ``<!-- runs -->``: they end with status 0;
- ``<!-- drops OBJECT -->``: so, and the object's prediction then succeeds;
- ``<!-- makes PATH -->``: the last ends with status 0, and then a file is there that the pattern PATH names;
- ``<!-- asks -->``: they end with status 0 where the stack runs the Service (``GPU_WORKER_MODE=sync``);
- ``<!-- follows -->``: they go on, and print the name of an object that ends meanwhile;
- ``<!-- receives -->``: they are a web application that takes what Pub/Sub pushes, and nothing else.

``, needs PROGRAM`` at the end skips the block where the program is missing.
"""

import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.stack import Stack

VERBS = {"runs", "drops", "makes", "asks", "follows", "receives"}
REPOSITORY = Path(__file__).parents[2]
AT_THE_DOOR = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "THIRD_PARTY_NOTICES.md")
DOCUMENTS = [*(REPOSITORY / name for name in AT_THE_DOOR), *sorted((REPOSITORY / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"^<!-- (?P<verb>\w+)(?: (?P<target>[^\s,]+))?(?:, needs (?P<program>\w+))? -->\n"
    r"```(?P<language>\w+)\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """A code block that its document marks."""

    document: str
    verb: str
    target: str | None
    program: str | None
    language: str
    code: str

    @property
    def command(self) -> list[str]:
        shell = ["sh", "-c" if self.verb == "makes" else "-ec"]
        return {"sh": shell, "python": [str(Path(".venv/bin/python")), "-c"]}[self.language] + [self.code]


BLOCKS = [
    Block(document=str(path.relative_to(REPOSITORY)), **match.groupdict())
    for path in DOCUMENTS
    for match in BLOCK.finditer(path.read_text())
]


def marked(verb: str) -> pytest.MarkDecorator:
    """Parametrise with the blocks of one verb; a document that lost its last one fails at collection."""
    blocks = [block for block in BLOCKS if block.verb == verb]
    assert blocks, f"no block is marked <!-- {verb} … -->"
    names = [f"{block.document}-{block.target or block.program or block.language}" for block in blocks]
    return pytest.mark.parametrize("block", blocks, ids=names)


def lay_out(stack: Stack, folder: Path) -> Path:
    """Make a folder look like the repository while `make up` runs, with this stack as its own."""
    (folder / ".local").mkdir()
    (folder / ".local" / "env").symlink_to(stack.run_dir / "env")
    (folder / ".venv").symlink_to(Path(sys.prefix))
    (folder / "examples").symlink_to(REPOSITORY / "examples")
    return folder


def need(program: str | None) -> None:
    if program and not (Path(sys.executable).with_name(program).exists() or shutil.which(program)):
        pytest.skip(f"NO {program.upper()} ON THIS MACHINE: what the documents do with it is not tested")


def environment(checkout: Path) -> dict[str, str]:
    return os.environ | {"CLOUDSDK_CONFIG": str(checkout / "gcloud"), "HOME": str(checkout)}
