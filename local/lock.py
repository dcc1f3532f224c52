"""Write constraints.txt: the version of everything that requirements.txt brings along, and for whom.

``make lock`` runs it in an environment that has been installed and tested.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
DIRECT = ("requirements.txt", "functions/requirements.txt", "worker/requirements.txt")
HEAD = "# Written by `make lock`: what the requirement files bring along, and for whom.\n"


def main() -> None:
    """Write the file."""
    installed = {canonicalize_name(found.metadata["Name"]): found for found in distributions()}
    users = _users(installed.values())
    direct = {name for file in DIRECT for name in _named(ROOT / file)}
    lines = [
        f"{name}=={found.version}  # for {', '.join(sorted(users[name]))}\n"
        for name, found in sorted(installed.items())
        if name not in direct and users[name]
    ]
    (ROOT / "constraints.txt").write_text(HEAD + "".join(lines))


def _named(file: Path) -> set[str]:
    return {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)==", file.read_text(), re.MULTILINE)}


def _users(found: Iterable[Distribution]) -> dict[str, set[str]]:
    users: dict[str, set[str]] = defaultdict(set)
    for distribution in found:
        for text in distribution.requires or ():
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                users[canonicalize_name(needed.name)].add(distribution.metadata["Name"])
    return users


if __name__ == "__main__":
    main()
