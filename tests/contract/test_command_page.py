"""What is said of the command elsewhere is what its own help says, and what it needs is there."""

import re
import tomllib
from pathlib import Path

from dropfold.__main__ import main
from tools import command_page

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_the_help_says() -> None:
    # Breaks when a command or an option changed: run `make schemas`.
    assert (ROOT / "docs" / "command.md").read_text() == command_page.page()


def test_every_command_tells_its_exit_status_and_has_examples() -> None:
    epilogs = {name: command.epilog or "" for name, command in main.commands.items()}
    assert [name for name, text in epilogs.items() if "Exit status: 0" not in text] == []
    assert [name for name, text in epilogs.items() if f"  dropfold {name}" not in text] == []


def test_every_command_that_documents_name_exists() -> None:
    documents = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    named = {
        word for path in documents for word in re.findall(r"(?:bin/|`)dropfold ([a-z]+)", path.read_text())
    }
    assert named <= main.commands.keys()
    assert named >= {"drop", "results", "doctor", "stats"}


def test_what_builds_the_package_is_pinned_as_it_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    [backend] = project["build-system"]["requires"]
    assert re.search(rf"^{re.escape(backend)}  # for ", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert project["project"]["scripts"] == {"dropfold": "dropfold.__main__:main"}
