"""Stage what the functions are deployed with: ``python3 -m tools.functions_bundle FOLDER``.

Cloud Functions wants ``main.py`` and ``requirements.txt`` at the root of what it is given, which is also on
the import path. So the folder gets the packages that the entry points import, requirements with each version
that they bring along pinned, and a ``main.py`` that has nothing but the entry points. Needs no environment:
the Terraform plan runs it.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("functions", "gcp", "inputs", "jobs", "schemas")
LEFT_OUT = ("__pycache__", "requirements.txt", "examples", "v1")
MAIN = '''"""Entry points, where Cloud Functions looks for them; they are in functions/main.py."""

from functions.main import on_align, on_compare, on_dead, on_delete, on_request, on_sweep, on_upload, on_wake

__all__ = ["on_align", "on_compare", "on_dead", "on_delete", "on_request", "on_sweep", "on_upload", "on_wake"]
'''


def stage(folder: Path) -> None:
    """Write the bundle into ``folder``, in place of an older one. Raises FileExistsError on anything else."""
    if folder.exists() and not _is_bundle(folder):
        raise FileExistsError(f"{folder} is there and is no bundle: name a folder that may be replaced.")
    shutil.rmtree(folder, ignore_errors=True)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns(*LEFT_OUT))
    shutil.copyfile(ROOT / "constraints.txt", folder / "constraints.txt")
    direct = (ROOT / "functions" / "requirements.txt").read_text()
    (folder / "requirements.txt").write_text(f"-c constraints.txt\n{direct}")
    (folder / "main.py").write_text(MAIN)


def _is_bundle(folder: Path) -> bool:
    return {path.name for path in folder.iterdir()} <= {
        *PACKAGES,
        "main.py",
        "requirements.txt",
        "constraints.txt",
    }


def main() -> None:
    """Stage; with ``--json`` say where, as Terraform's external data source reads it."""
    parser = argparse.ArgumentParser(
        prog="python3 -m tools.functions_bundle", description=__doc__.splitlines()[0]
    )
    parser.add_argument("folder", type=Path, help="is replaced if it holds an older bundle")
    parser.add_argument("--json", action="store_true", help="print the folder as a JSON object")
    asked = parser.parse_args()
    try:
        stage(asked.folder)
    except FileExistsError as error:
        sys.exit(str(error))
    if asked.json:
        print(json.dumps({"folder": str(asked.folder)}))


if __name__ == "__main__":
    main()
