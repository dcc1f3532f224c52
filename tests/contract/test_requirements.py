"""One version of each package across all requirement files, and a reason beside each."""

import re
from pathlib import Path

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
