"""Write constraints.txt: the version of everything that requirements.txt brings along, and for whom.

``make lock`` runs it. uv resolves for each Python that is allowed, and keeps the versions that are there.
"""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from local.environment import ROOT, versions

HEAD = "# Written by `make lock`: what the requirement files bring along, and for whom.\n"
UV = Path(sys.executable).with_name("uv")
GPU = ("cuda-", "nvidia-", "triton")
"""Prefixes of torch's requirements for a GPU, which it pins itself; the worker's image has another torch."""


def main() -> None:
    """Write the file, or exit with the packages whose versions differ between Pythons."""
    pins = {pin: users for python in versions() for pin, users in _brought_along(python).items()}
    names = Counter(name for name, _ in pins)
    if several := [name for name, count in names.items() if count > 1]:
        sys.exit(f"{', '.join(several)}: another version for each Python; pin one in requirements.txt")
    lines = [f"{name}=={version}  # for {users}\n" for (name, version), users in sorted(pins.items())]
    (ROOT / "constraints.txt").write_text(HEAD + "".join(lines))


def _brought_along(python: str) -> dict[tuple[str, str], str]:
    """Return, for a version of Python, names and versions that no requirement file has, and for whom."""
    what = [f"--python-version={python}", "--python-platform=x86_64-manylinux_2_28", "requirements.txt"]
    how = ["--quiet", "--no-config", "--no-header", "--annotation-style=line"]
    resolved = subprocess.check_output([UV, "pip", "compile", *how, *what], cwd=ROOT, text=True)
    kept = resolved.replace(", -c constraints.txt", "")
    found = re.findall(r"^(\S+)==(\S+) +# via (.+)$", kept, re.MULTILINE)
    return {
        (name, version): users
        for name, version, users in found
        if not ("-r " in users or name.startswith(GPU))
    }


if __name__ == "__main__":
    main()
