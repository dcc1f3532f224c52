"""Make the virtual environment `.venv` that the Makefile's targets run in; nothing to do when it is current.

Runs before anything is installed: standard library only. Says in one line what the machine lacks.
"""

import fcntl
import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "dropfold-requirements"
LOG = ROOT / ".local" / "environment.log"
FILES = ("requirements.txt", "constraints.txt", "functions/requirements.txt", "worker/requirements.txt")


def main() -> None:
    """Create or update the environment, one process at a time."""
    LOG.parent.mkdir(exist_ok=True)
    with (LOG.parent / "environment.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not STAMP.exists() or STAMP.read_text() != digest():
            check_machine()
            install()


def digest() -> str:
    """Identify what should be installed, and by which Python."""
    content = b"".join((ROOT / name).read_bytes() for name in FILES)
    return hashlib.sha256(content + sys.version.encode()).hexdigest()


def check_machine() -> None:
    """Stop with one line where Python cannot do it."""
    if sys.version_info[:2] != (3, 11):
        sys.exit(f"dropfold needs Python 3.11, this is {sys.version.split()[0]}: make PYTHON=python3.11 …")
    if importlib.util.find_spec("ensurepip") is None:
        sys.exit("dropfold needs Python's venv module: apt-get install python3-venv")


def install() -> None:
    """Create the environment and install the requirements, with a counter on the terminal."""
    STAMP.unlink(missing_ok=True)
    subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    pip: list[str | Path] = [VENV / "bin" / "pip", "install", "--progress-bar=off", "-r", "requirements.txt"]
    with (
        LOG.open("w") as log,
        subprocess.Popen(pip, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=log) as run,
    ):
        show(run, log)
    if run.returncode:
        sys.exit(f"Installing the requirements failed, see {LOG.relative_to(ROOT)}")
    STAMP.write_text(digest())
    print("\nEnvironment ready in .venv", flush=True)


def show(run: "subprocess.Popen[str]", log: TextIO) -> None:
    """Copy pip's output to the log, and on a terminal count the packages it has looked at."""
    packages = 0
    print("First run: installing into .venv takes a minute or two.", end="", flush=True)
    for line in run.stdout or ():
        log.write(line)
        packages += line.startswith("Collecting")
        step = "installing" if line.startswith("Installing") else "collecting"
        if sys.stdout.isatty():
            print(f"\rFirst run: {step} {packages} packages into .venv …{' ' * 20}", end="", flush=True)


if __name__ == "__main__":
    main()
