"""The program that makes `.venv`, run as the Makefile runs it, in folders of its own, without a network."""

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile, ZipInfo

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "local" / "environment.py"
MINOR = sys.version_info[1]
# A backend without a network: it makes a package with one command, as setuptools does of the real project.
PYPROJECT = f"""
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "small"
version = "1"
requires-python = ">=3.{MINOR},<3.{MINOR + 1}"
"""
BACKEND = """
import zipfile

def build_editable(folder, *_):
    name = "small-1-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        for file, text in {
            "METADATA": "Metadata-Version: 2.1\\nName: small\\nVersion: 1\\n",
            "WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
            "entry_points.txt": "[console_scripts]\\nsmall = small:main\\n",
            "RECORD": "",
        }.items():
            wheel.writestr(f"small-1.dist-info/{file}", text)
    return name
"""
FILES = ("requirements.txt", "constraints.txt", "functions/requirements.txt", "worker/requirements.txt")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that needs no packages, and where pip has no package index."""
    root = tmp_path / "project"
    for name in (*FILES, "local/environment.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "local" / "environment.py").write_bytes(PROGRAM.read_bytes())
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "backend.py").write_text(BACKEND)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return root


def make(project: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, *options, str(project / "local" / "environment.py")]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def refusal(project: Path, *options: str) -> str:
    """See it fail with one line, return the line."""
    run = make(project, *options)
    assert run.returncode == 1
    [line] = run.stderr.splitlines()
    return line


@pytest.mark.extra
def test_it_is_made_once_over_another_python_s_and_again_where_the_folder_has_moved(
    project: Path, tmp_path: Path
) -> None:
    programs = project / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "pip").write_text(f"#!{programs}/python\n")
    for name in ("python", "python3.10"):
        (programs / name).symlink_to(sys.executable)
    assert make(project).stdout.endswith("Environment ready in .venv\n")
    assert not (programs / "python3.10").is_symlink()
    again = make(project)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    moved = project.rename(tmp_path / "moved")
    assert make(moved).returncode == 0
    assert str(moved) in (moved / ".venv" / "bin" / "pip").read_text()


@pytest.mark.extra
def test_it_has_the_project_s_own_command_and_is_made_again_where_its_definition_changed(
    project: Path,
) -> None:
    assert make(project).returncode == 0
    assert (project / ".venv" / "bin" / "small").exists()
    (project / "pyproject.toml").write_text(f"{PYPROJECT}\n[tool.ruff]\nline-length = 110\n")
    assert make(project).stdout == ""
    (project / "pyproject.toml").write_text(f'{PYPROJECT}description = "another"\n')
    assert make(project).stdout.endswith("Environment ready in .venv\n")


@pytest.mark.extra
def test_a_package_that_pip_does_not_get_is_named_with_what_to_do_and_tried_again(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "requirements.txt").write_text("dropfold-nowhere==1\n")
    line = refusal(project)
    assert "`pip install --progress-bar=off` failed (ERROR: " in line
    assert "No matching distribution found for dropfold-nowhere==1" in line
    assert "let pip reach its package index" in line
    assert line.endswith("Log: .local/environment.log")
    # Now with an index that does not answer: the port is that of "discard", where nobody listens.
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_RETRIES", "1")
    assert "`pip install --progress-bar=off` failed (no connection; ERROR: " in refusal(project)


def under(version: str, also: str = "") -> tuple[str, str]:
    """Return options that show the program another version of Python, and do what else is asked for."""
    seen = f"import runpy, sys; sys.version_info = {(*map(int, version.split('.')), 0)}"
    return "-c", f"{seen}\n{also}\nrunpy.run_path(sys.argv[1], None, '__main__')"


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_a_python_without_ensurepip_is_told_what_to_install(project: Path, version: str) -> None:
    # As Debian's is without python3.11-venv.
    line = refusal(project, *under(version, "sys.modules['ensurepip'] = None"))
    assert line == f"dropfold needs Python's venv module: apt-get install python{version}-venv"


@pytest.fixture
def downloads(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have pip find the uv that is here; return the file that says what uv can download: nothing."""
    with ZipFile(tmp_path / "uv-1-py3-none-any.whl", "w") as wheel:
        program = ZipInfo("uv-1.data/scripts/uv")
        program.external_attr = 0o100755 << 16  # its mode
        real = Path(sys.executable).with_name("uv")
        wheel.writestr(program, f'#!/bin/sh\nexec "{real}" "$@"\n')
        wheel.writestr("uv-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: uv\nVersion: 1\n")
        wheel.writestr("uv-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
        wheel.writestr("uv-1.dist-info/RECORD", "")
    (project / "requirements.txt").write_text("uv==1  # gets a Python\n")
    file = tmp_path / "downloads.json"
    file.write_text("{}")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS_JSON_URL", str(file))
    return file


def offer(downloads: Path) -> None:
    """Pack what runs this Python as a Python for uv to download."""
    major, minor, patch = sys.version_info[:3]
    packed = downloads.parent / "python"
    program = packed / "bin" / f"python{major}.{minor}"
    compiled_how = packed / "lib" / program.name / "_sysconfigdata_.py"
    for file in (program, compiled_how):
        file.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec "{os.path.realpath(sys.executable)}" "$@"\n')
    program.chmod(0o755)
    compiled_how.write_text(
        "# system configuration generated and used by the sysconfig module\nbuild_time_vars = {}\n"
    )
    described = {
        "name": "cpython",
        "os": "linux",
        "libc": "gnu",
        "arch": {"family": platform.machine(), "variant": None},
        "major": major,
        "minor": minor,
        "patch": patch,
        "prerelease": "",
        "variant": None,
        "build": "1",
        "sha256": None,
        "url": Path(shutil.make_archive(str(packed), "gztar", packed.parent, packed.name)).as_uri(),
    }
    downloads.write_text(
        json.dumps({f"cpython-{platform.python_version()}-linux-{platform.machine()}-gnu": described})
    )


@pytest.mark.extra
def test_where_python_is_of_another_version_uv_gets_one_once(project: Path, downloads: Path) -> None:
    offer(downloads)
    first = make(project, *under("3.13"))
    assert (first.returncode, first.stderr) == (0, "")
    told, *_, ready = first.stdout.splitlines()
    assert told == f"dropfold needs Python 3.{MINOR}, and this is 3.13: getting one into .local."
    assert ready == "Environment ready in .venv"
    assert (project / ".venv" / "bin" / "small").exists()
    downloads.unlink()
    again = make(project, *under("3.13"))
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


@pytest.mark.extra
@pytest.mark.usefixtures("downloads")
def test_a_python_that_uv_does_not_get_is_told_with_what_to_install(project: Path) -> None:
    # What uv got for requirements of before does not count.
    left = project / ".local" / "python" / "bin" / "python"
    left.parent.mkdir(parents=True)
    left.symlink_to(os.path.realpath(sys.executable))
    (project / "pyproject.toml").write_text(PYPROJECT.replace(f">=3.{MINOR},<3.{MINOR + 1}", ">=3.98,<3.100"))
    line = refusal(project)
    assert "`uv venv --python=3.99` failed (" in line
    assert "or install Python 3.98 or 3.99 (Ubuntu 22.04: apt-get install python3.11-venv)" in line
    assert line.endswith("make PYTHON=PATH. Log: .local/environment.log")


def test_a_disk_that_takes_no_more_is_told_with_what_to_do(project: Path) -> None:
    limit = 'ulimit -f 64 && exec "$@"'
    command = ["bash", "-c", limit, "bash", sys.executable, str(project / "local" / "environment.py")]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    [line] = run.stderr.splitlines()
    assert run.returncode == 1
    assert "-m venv` failed (Error: Command " in line
    assert "free some disk space" in line


def test_a_folder_that_cannot_be_written_is_named(project: Path) -> None:
    (project / ".local").write_text("a file where a folder should be")
    assert ".local" in refusal(project)


def test_an_environment_that_is_a_link_to_another_is_left_alone(project: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "kept").touch()
    (project / ".venv").symlink_to(tmp_path / "other")
    assert "remove the link" in refusal(project)
    assert (tmp_path / "other" / "kept").exists()


def make_environment(programs: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run the real Makefile where no other programs are found."""
    command = [shutil.which("make") or "make", *options, "environment"]
    return subprocess.run(
        command, cwd=ROOT, env={"PATH": str(programs)}, check=False, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        ({"python3.11": 0, "python3.12": 0, "python3": 0}, "python3.11"),
        ({"python3.11": 127, "python3.12": 0, "python3": 0}, "python3.12"),  # as pyenv's shims end
        ({"python3.12": 127, "python3": 0}, "python3"),
    ],
)
def test_make_takes_the_first_python_that_runs(tmp_path: Path, there: dict[str, int], taken: str) -> None:
    for name, status in there.items():
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {status}\n")
        (tmp_path / name).chmod(0o755)
    run = make_environment(tmp_path, "--dry-run")
    assert run.stdout.splitlines()[-1] == f"{tmp_path / taken} local/environment.py"


def test_a_machine_without_a_python_is_told_what_to_install(tmp_path: Path) -> None:
    run = make_environment(tmp_path)
    assert run.returncode != 0
    assert run.stdout == "dropfold needs Python 3: apt-get install python3 python3-venv\n"
