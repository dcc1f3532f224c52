"""One version of each package across all requirement files, and a reason beside each."""

import re
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
FILES = ("requirements.txt", "functions/requirements.txt", "worker/requirements.txt", "constraints.txt")
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


def brought_along(name: str, found: set[str]) -> set[str]:
    """Add a package, and what its installed version requires, to those found."""
    if name not in found:
        found.add(name)
        for needed in map(Requirement, requires(name) or ()):
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                brought_along(canonicalize_name(needed.name), found)
    return found


def test_the_functions_bring_no_model_along_and_pin_all_that_they_bring() -> None:
    found: set[str] = set()
    for name, _, _ in pins("functions/requirements.txt"):
        brought_along(canonicalize_name(name), found)
    pinned = {canonicalize_name(name) for file in FILES for name, _, _ in pins(file)}
    assert found & {"torch", "boltz", "numba", "scipy"} == set()  # numpy comes with RDKit
    assert found - pinned == set()
