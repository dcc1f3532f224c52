"""Make the virtual environment `.venv` that the Makefile's targets run in; nothing to do when it is current.

Runs before anything is installed, under any Python 3: standard library only. Where pyproject.toml requires
another version, uv gets it. Says in one line what the machine lacks.
"""

import fcntl
import hashlib
import importlib.util
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "dropfold-requirements"
LOCAL = ROOT / ".local"
LOG = LOCAL / "environment.log"
PYTHON = LOCAL / "python" / "bin" / "python"
"""Python that uv installed, if the machine has no suitable one."""
FILES = ("requirements.txt", "constraints.txt", "functions/requirements.txt", "worker/requirements.txt")


def main() -> None:
    """Create or update the environment, one process at a time."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
    try:
        LOCAL.mkdir(exist_ok=True)
        with (LOCAL / "environment.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if here() not in versions():
                go_on_under_another()
            if not (is_usable() and STAMP.exists() and STAMP.read_text() == digest()):
                check_machine()
                install()
    except OSError as error:
        sys.exit(f"dropfold cannot make .venv and .local in its own folder: {error}")


def here() -> str:
    """Return the version of Python that this runs under."""
    return "{}.{}".format(*sys.version_info)


def versions() -> "list[str]":
    """Return the versions of Python that pyproject.toml allows."""
    definition = (ROOT / "pyproject.toml").read_text()
    [(first, end)] = re.findall(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', definition)
    return [f"3.{minor}" for minor in range(int(first), int(end))]


def go_on_under_another() -> None:
    """Restart under a suitable Python; uv installs it if it is missing or not suitable any more."""
    if not PYTHON.exists() or sys.executable == str(PYTHON):
        check_venv_module()
        get_python()
    os.execv(PYTHON, [str(PYTHON), __file__])


def get_python() -> None:
    """Install a suitable Python into `.local` with uv, and uv itself beside it."""
    wanted = " or ".join(versions())
    print(f"dropfold needs Python {wanted}, and this is {here()}: getting one into .local.", flush=True)
    [uv] = re.findall(r"^uv==\S+", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    programs = LOCAL / "uv" / "bin"
    remedy = (
        f"let pip reach its package index, and uv github.com; or install Python {wanted} (Ubuntu 22.04: "
        "apt-get install python3.11-venv), and name it where make does not find it: make PYTHON=PATH"
    )
    os.environ["UV_PYTHON_INSTALL_DIR"] = str(LOCAL / "pythons")
    with LOG.open("w") as log:
        run([sys.executable, "-m", "venv", "--clear", str(LOCAL / "uv")], log, remedy)
        run([str(programs / "pip"), "install", "--quiet", uv], log, remedy)
        venv = ["venv", f"--python={versions()[-1]}", "--managed-python", "--clear"]
        run([str(programs / "uv"), *venv, str(PYTHON.parent.parent)], log, remedy)


def is_usable() -> bool:
    """Return whether `.venv` was made in this folder, which its scripts name, by a Python like this."""
    pip = VENV / "bin" / "pip"
    made_here = pip.is_file() and f"{VENV}/bin/python" in pip.read_text()
    return made_here and (VENV / "bin" / f"python{here()}").exists()


def digest() -> str:
    """Return a digest of the requirements and of this Python."""
    content = b"".join((ROOT / name).read_bytes() for name in FILES)
    package = (ROOT / "pyproject.toml").read_text().partition("\n[tool.ruff]")[0]
    return hashlib.sha256(content + package.encode() + sys.version.encode()).hexdigest()


def check_machine() -> None:
    """Exit with one line if this Python cannot make the environment."""
    if VENV.is_symlink():
        sys.exit(f"dropfold makes .venv in its own folder, and {VENV} leads to another: remove the link")
    check_venv_module()


def check_venv_module() -> None:
    """Exit with one line if Python lacks the module that Debian packages separately."""
    if importlib.util.find_spec("ensurepip") is None:
        sys.exit(f"dropfold needs Python's venv module: apt-get install python{here()}-venv")


def install() -> None:
    """Create the environment and install the requirements, with a counter on the terminal."""
    venv = [sys.executable, "-m", "venv", *([] if is_usable() else ["--clear"]), str(VENV)]
    # Not compiled, which takes as long as the rest: Python does it with what is imported, when it first is.
    pip = [str(VENV / "bin" / "pip"), "install", "--progress-bar=off", "--no-compile"]
    # The command `dropfold`, which runs this folder as it is; the backend is among what was just installed.
    own = [*pip, "--no-index", "--no-deps", "--no-build-isolation", "--editable", "."]
    STAMP.unlink(missing_ok=True)
    print("First run: installing into .venv takes some minutes.", end="", flush=True)
    with LOG.open("w") as log:
        run(venv, log, f"apt-get install python{here()}-venv, or free some disk space")
        remedy = "let pip reach its package index (`pip config list` names it); 10 GB of disk are needed"
        run([*pip, "-r", "requirements.txt"], log, remedy)
        run(own, log, "free some disk space, or `make clean` and try again")
    STAMP.write_text(digest())
    print("\nEnvironment ready in .venv", flush=True)


def run(command: "list[str]", log: TextIO, remedy: str) -> None:
    """Run a command with its output in the log; if it fails, exit with one line that has the remedy."""
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=log) as process:
        show(process, log)
    if process.returncode:
        what = " ".join(Path(word).name for word in command[:3])
        print(flush=True)  # the counter's line ends here
        sys.exit(f"`{what}` failed ({reason(LOG.read_text())}): {remedy}. Log: {LOG.relative_to(ROOT)}")


def show(process: "subprocess.Popen[str]", log: TextIO) -> None:
    """Copy the output to the log, and on a terminal count the packages that pip has looked at."""
    packages = 0
    for line in process.stdout or ():
        log.write(line)
        packages += line.startswith("Collecting")
        step = "installing" if line.startswith("Installing") else "collecting"
        if packages and sys.stdout.isatty():
            print(f"\rFirst run: {step} {packages} packages into .venv …{' ' * 20}", end="", flush=True)
    log.flush()


def reason(said: str) -> str:
    """Return the most telling line: pip's last error, which never names the network, else the last line."""
    lines = said.split("\n")
    told = [line for line in lines if line.startswith("ERROR:")] or [line for line in lines if line.strip()]
    offline = "no connection; " if "after connection broken" in said else ""
    return offline + (told[-1].strip() if told else "it said nothing")


if __name__ == "__main__":
    main()
