"""One version of each package across all requirement files, and a reason beside each."""

import re
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from local import environment
from tools.lock import GPU

ROOT = Path(__file__).parents[2]
FUNCTIONS = "functions/requirements.txt"
FILES = ("requirements.txt", FUNCTIONS, "worker/requirements.txt", "constraints.txt")
PIN = re.compile(r"^([\w.-]+)==(\S+)(\s+# \S.*)?$", re.MULTILINE)


def pins(file: str) -> list[tuple[str, str, str]]:
    return PIN.findall((ROOT / file).read_text())


def test_every_file_pins_the_same_version() -> None:
    versions: dict[str, set[str]] = {}
    for file in FILES:
        assert pins(file)
        for name, version, _ in pins(file):
            versions.setdefault(name.lower(), set()).add(version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_every_pin_says_why_it_is_there() -> None:
    assert [(file, name) for file in FILES for name, _, reason in pins(file) if not reason] == []


def bring_along(name: str, extra: str, found: set[tuple[str, str]]) -> None:
    """Add a package, with an extra or with none, and what its installed version requires, to those found."""
    if (name, extra) not in found:
        found.add((name, extra))
        for needed in map(Requirement, metadata.requires(name) or ()):
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                for wanted in ("", *needed.extras):
                    bring_along(canonicalize_name(needed.name), wanted, found)


def installed(*files: str) -> dict[str, str]:
    """Return the version that is here of all that the files bring along."""
    found: set[tuple[str, str]] = set()
    for file in files:
        for name, _, _ in pins(file):
            bring_along(canonicalize_name(name), "", found)
    return {name: Version(metadata.version(name)).public for name, _ in found}  # torch may be "+cpu"


def test_the_functions_bring_no_model_along() -> None:
    heavy = {"torch", "boltz", "numba", "scipy"}  # numpy comes with RDKit
    assert installed(FUNCTIONS).keys() & heavy == set()


def test_what_is_installed_is_what_is_pinned() -> None:
    """Under each Python that will do. Where it fails, `make lock` writes constraints.txt anew."""
    pinned = {(canonicalize_name(name), version) for file in FILES for name, version, _ in pins(file)}
    here = {pin for pin in installed(*FILES[:-1]).items() if not pin[0].startswith(GPU)}
    assert here - pinned == set()


def test_make_looks_for_each_python_that_will_do() -> None:
    [names] = re.findall(r"for name in (.*?);", (ROOT / "Makefile").read_text())
    assert names.split() == [*(f"python{version}" for version in environment.versions()), "python3"]


def test_types_are_checked_for_the_oldest_python() -> None:
    assert f'python_version = "{environment.versions()[0]}"' in (ROOT / "pyproject.toml").read_text()
