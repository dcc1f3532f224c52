"""What can be said of the worker's image without building it; `make image-test` builds it and runs it."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from worker.boltz2.fast.compiled import FOLDER
from worker.scratch import FALL_BACK

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile.production").read_text()
CPU, CUDA = "worker/requirements.cpu.lock", "worker/requirements.cuda.lock"
PIN = re.compile(r"^([\w.-]+)(?:\[\w+\])?==([^\s;]+)", re.MULTILINE)
LOCKED = re.compile(r"^([\w.-]+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n", re.MULTILINE)
TORCH_CUDA = "12.8."
"""What torch is built for; Cloud Run's driver for the L4 is of CUDA 12."""
WITHOUT_SUFFIX = {"nvidia-ml-py"}
"""NVIDIA's packages that are for any CUDA."""


def pins(*files: str) -> dict[str, str]:
    found = [pin for file in files for pin in PIN.findall((ROOT / file).read_text())]
    return {canonicalize_name(name): version for name, version in found}


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    command = [str(hadolint), "Dockerfile.production"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


@pytest.mark.parametrize("lock", [CPU, CUDA])
def test_everything_that_is_locked_has_hashes(lock: str) -> None:
    lines = (ROOT / lock).read_text().splitlines()
    required = [line.partition("==")[0] for line in lines if line and line[0] not in " #"]
    assert required == [name for name, _, _ in LOCKED.findall((ROOT / lock).read_text())]


@pytest.mark.parametrize("lock", [CPU, CUDA])
def test_a_lock_has_what_is_required_and_the_versions_that_are_tested(lock: str) -> None:
    """Where it fails, `make lock` writes the locks anew."""
    locked, tested = pins(lock), pins("worker/requirements.txt", "constraints.txt")
    assert pins("worker/requirements.txt").keys() - locked.keys() == set()
    differing = {name for name in locked.keys() & tested.keys() if locked[name] != tested[name]}
    assert differing == {"torch"}


def test_the_gpu_image_installs_what_is_required_for_it() -> None:
    assert pins("worker/requirements.cuda.txt").items() <= pins(CUDA).items()


def test_the_gpu_image_has_cuda_12_alone() -> None:
    locked = pins(CUDA)
    assert locked["nvidia-cuda-runtime-cu12"].startswith(TORCH_CUDA)
    of_cuda = {name for name in locked if name.startswith(("nvidia-", "cuequivariance-ops"))} - WITHOUT_SUFFIX
    assert len(of_cuda) > 10
    assert {name for name in of_cuda if not name.endswith("-cu12")} == set()


def test_the_image_of_the_tests_has_no_cuda() -> None:
    locked = pins(CPU)
    assert locked["torch"] == f"{pins('worker/requirements.txt')['torch']}+cpu"
    assert {name for name in locked if name.startswith(("nvidia-", "cuda-", "triton"))} == set()


def test_the_build_sees_what_it_copies_and_nothing_else() -> None:
    first, *others = [line for line in ignored() if not line.startswith("#")]
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
        for source in line.replace("${REQUIREMENTS}", CUDA).split()
    }
    assert first == "*"  # .git, .venv, .local, tests and whatever comes are out unless they are named
    assert {line.removeprefix("!") for line in others if line.startswith("!")} == {
        source.partition("/")[0] for source in copied
    }


def test_the_stage_that_bakes_has_all_that_baking_imports() -> None:
    """It has no more than that: a change elsewhere does not bake gigabytes anew."""
    stage = DOCKERFILE.partition(" AS baked\n")[2].partition("\nFROM ")[0].replace("\\\n", " ")
    sources = [
        ROOT / each for line in re.findall(r"^COPY (.+) \S+$", stage, re.MULTILINE) for each in line.split()
    ]
    there = {file for source in sources for file in ([source] if source.is_file() else source.rglob("*.py"))}
    needed = set(imported(ROOT / "worker" / "bake.py", set()))
    assert needed <= there
    assert {file for file in there - needed if file.parent.name != "schemas"} <= {
        ROOT / "worker" / "__init__.py",
        ROOT / "worker" / "boltz2" / "__init__.py",
    }


def imported(file: Path, seen: set[Path]) -> set[Path]:
    """Return a module and all of ours that it imports, wherever in it and however far."""
    seen.add(file)
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                found = ROOT / f"{name.replace('.', '/')}.py"
                if found.exists() and found not in seen:
                    imported(found, seen)
    return seen


def ignored() -> list[str]:
    return (ROOT / ".dockerignore").read_text().splitlines()


def test_compiled_layers_lie_where_workers_look_for_them() -> None:
    [cache] = re.findall(r"\bBOLTZ_CACHE=(\S+)", DOCKERFILE)
    [(source, target)] = re.findall(r"^ +cp -R (/compiled) (\S+?);", DOCKERFILE, re.MULTILINE)
    assert target == f"{cache}/{FOLDER}"
    assert f"from=compiled,target={source} " in DOCKERFILE


def test_the_worker_is_the_default_command_and_not_root() -> None:
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]
    assert re.findall(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE) == ['["python", "-m", "worker"]']


def test_what_is_written_to_lies_where_cloud_run_lets_that_user_write() -> None:
    """A volume at WORK_DIR may be another user's; /tmp is anybody's, in memory."""
    written = dict(re.findall(r"\b(HOME|NUMBA_CACHE_DIR)=(\S+)", DOCKERFILE.rpartition("\nFROM ")[2]))
    assert written["HOME"] == "/tmp"  # noqa: S108  Cloud Run's
    assert all(Path(each).is_relative_to(written["HOME"]) for each in (written["NUMBA_CACHE_DIR"], FALL_BACK))


def test_base_and_weights_are_pinned_by_digest() -> None:
    assert re.search(
        r"^ARG BASE_IMAGE=python:3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}$", DOCKERFILE, re.MULTILINE
    )
    weights = re.findall(r"(\S+)=[0-9a-f]{64}\b", DOCKERFILE)
    assert weights == ["boltz2_conf.ckpt", "boltz2_aff.ckpt", "mols.tar"]


def test_children_of_the_worker_are_forks_of_it() -> None:
    """Without it they come from a second Python that imports all again: worker/child_server.py."""
    assert "\nENV PYTHONHASHSEED=0\n" in DOCKERFILE
