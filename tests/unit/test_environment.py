"""The program that makes `.venv`, run as the Makefile runs it, in folders of its own, without a network."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "local" / "environment.py"
# A backend without a network: it makes a package with one command, as setuptools does of the real project.
PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
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


def test_it_is_made_once_and_again_where_the_folder_has_moved(project: Path, tmp_path: Path) -> None:
    assert make(project).stdout.endswith("Environment ready in .venv\n")
    again = make(project)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    moved = project.rename(tmp_path / "moved")
    assert make(moved).returncode == 0
    assert str(moved) in (moved / ".venv" / "bin" / "pip").read_text()


def test_it_has_the_project_s_own_command_and_is_made_again_where_its_definition_changed(
    project: Path,
) -> None:
    assert make(project).returncode == 0
    assert (project / ".venv" / "bin" / "small").exists()
    (project / "pyproject.toml").write_text(f"{PYPROJECT}\n[tool.ruff]\nline-length = 110\n")
    assert make(project).stdout == ""
    (project / "pyproject.toml").write_text(f'{PYPROJECT}[project]\nname = "small"\nversion = "1"\n')
    assert make(project).stdout.endswith("Environment ready in .venv\n")


def test_a_package_that_pip_does_not_get_is_named_with_what_to_do_and_tried_again(project: Path) -> None:
    (project / "requirements.txt").write_text("dropfold-nowhere==1\n")
    for _ in range(2):
        line = refusal(project)
        assert "`pip install --progress-bar=off` failed" in line
        assert "No matching distribution found for dropfold-nowhere==1" in line
        assert "let pip reach its package index" in line
        assert line.endswith("Log: .local/environment.log")


def test_an_index_that_does_not_answer_is_told_as_no_connection(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "requirements.txt").write_text("dropfold-nowhere==1\n")
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # the port of "discard": nobody listens
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_RETRIES", "1")
    assert "(no connection; ERROR: " in refusal(project)


def test_a_python_without_ensurepip_is_told_what_to_install(project: Path) -> None:
    # As Debian's is without python3.11-venv.
    without = (
        "import runpy, sys; sys.modules['ensurepip'] = None; runpy.run_path(sys.argv[1], None, '__main__')"
    )
    line = refusal(project, "-c", without)
    assert line == "dropfold needs Python's venv module: apt-get install python3.11-venv"


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
