"""A stack as a user starts it, and the clients that a user has. Nothing of ours is imported here."""

import os
import signal
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from support.patience import HANG, until
from support.stack import Completions, Stack, subscribed, using

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def stack(own_stack: Stack) -> Iterator[Stack]:
    """Use a stack: clients of the test find it by the environment."""
    with using(own_stack.environment):
        yield own_stack


@pytest.fixture(scope="package")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run a stack for this folder, in the mode that the caller's GPU_WORKER_MODE asks for."""
    with running(tmp_path_factory.mktemp("stack"), os.environ) as stack:
        yield stack


@pytest.fixture(scope="module")
def sync_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run another one, which pushes jobs to the Service; clients find it where a test says ``using``."""
    run_dir = tmp_path_factory.mktemp("sync")
    with running(run_dir, os.environ | {"GPU_WORKER_MODE": "sync"}) as stack:
        yield stack


@contextmanager
def running(run_dir: Path, variables: Mapping[str, str]) -> Iterator[Stack]:
    """Run `make up` as a user does, until Ctrl-C, which must end it cleanly."""
    with (run_dir / "terminal").open("wb") as terminal:
        up = subprocess.Popen(
            ["make", "up", f"ARGS=--run-dir {run_dir} --env-file {run_dir / 'env'}"],
            cwd=REPOSITORY,
            env=variables,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
    try:
        environment = source(run_dir, up)
        completions, topic = Completions(), environment["COMPLETED_TOPIC"]
        with ExitStack() as listener:
            with using(environment):
                heard = subscribed(environment["GOOGLE_CLOUD_PROJECT"], topic, completions.take)
                listener.enter_context(heard)
            yield Stack(environment, run_dir, completions)
        os.killpg(up.pid, signal.SIGINT)  # a terminal's Ctrl-C reaches the whole group
        up.wait(HANG)
        assert not (run_dir / "env").exists()
    finally:
        if up.poll() is None:
            os.killpg(up.pid, signal.SIGKILL)


def source(run_dir: Path, up: "subprocess.Popen[bytes]") -> dict[str, str]:
    """Wait for the environment file and read it as a shell does."""
    said = (run_dir / "terminal").read_text
    until(lambda: (run_dir / "env").exists() or up.poll() is not None, said)
    assert up.poll() is None, said()
    shell = ["bash", "-c", f". {run_dir / 'env'} && env -0"]
    result = subprocess.run(
        shell, env={"PATH": os.environ["PATH"]}, check=True, capture_output=True, text=True
    )
    return dict(line.split("=", 1) for line in result.stdout.split("\0") if line)


@pytest.fixture
def folder() -> str:
    """Return a folder name that no other test has."""
    return f"run-{uuid.uuid4().hex[:8]}"
