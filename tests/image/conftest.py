"""The worker's image, built once, in container storage of this run's own that goes when the run ends."""

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from image.containers import IMAGE

from local.small_model import DEFAULT, ensure

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("buildah", "podman", "runc")


FIGURES = list[str]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was measured."""
    for figure in FIGURES:
        terminalreporter.write_line(figure)


@pytest.fixture(scope="session")
def figures() -> list[str]:
    """Return the list of what was measured, one line each."""
    return FIGURES


@pytest.fixture(scope="session")
def builder() -> str:
    """Return the command that builds; skip where this machine cannot build or run an image."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing or os.geteuid() != 0 or "IMAGE_BUILD" not in os.environ:
        pytest.skip(
            "NO IMAGE WAS BUILT: that needs root, apt-get install buildah podman runc mmdebstrap, and "
            "IMAGE_BUILD=COMMAND (docs/image.md)."
        )
    return os.environ["IMAGE_BUILD"]


@pytest.fixture(scope="session")
def storage(builder: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield the folder of a container storage; IMAGE_STORAGE names one to keep, for a faster second run."""
    assert builder
    kept = os.environ.get("IMAGE_STORAGE")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("containers")
    folder.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("W", str(folder))
        patch.setenv("CONTAINERS_STORAGE_CONF", str(folder / "storage.conf"))
        yield folder
        subprocess.run(["podman", "rm", "--all", "--force"], check=True, stdout=subprocess.DEVNULL)
        if not kept:
            remove(folder)


def remove(storage: Path) -> None:
    """Remove a container storage; what is mounted there keeps nothing but its folder from going."""
    subprocess.run(["buildah", "rm", "--all"], check=True, stdout=subprocess.DEVNULL)
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in reversed([each for each in mounts if Path(each).is_relative_to(storage)]):
        subprocess.run(["umount", "--lazy", mount], check=True)
    shutil.rmtree(storage)


@pytest.fixture(scope="session")
def image(builder: str, storage: Path, figures: list[str]) -> str:
    """Return the name of the image, built with the small model and torch for the CPU."""
    weights = ensure(DEFAULT)
    arguments = {
        "--build-arg=REQUIREMENTS": "worker/requirements.cpu.lock",
        "--build-arg=WEIGHTS_SHA256": " ".join(map(pin, sorted(weights.glob("*.ckpt")))),
        "--build-context=weights": str(weights),
    }
    options = [f"{name}={value}" for name, value in arguments.items()]
    environment = os.environ | {"SMOKE": "python -m worker.bake --help"}
    started = time.monotonic()
    with (storage / "build.log").open("w") as log:
        subprocess.run(
            [builder, "Dockerfile.production", ".", *options],
            cwd=ROOT,
            env=environment,
            check=True,
            stdout=log,
            stderr=log,
        )
    figures.append(f"built in {time.monotonic() - started:.0f} s")
    return IMAGE


def pin(checkpoint: Path) -> str:
    """Return what a build is told about a checkpoint; those of the released weights are the default."""
    return f"{checkpoint.name}={hashlib.sha256(checkpoint.read_bytes()).hexdigest()}"
