"""Containers of the worker's image as Cloud Run would run them, and stricter: they may do nothing.

Run as a program it is a task of the job: a container with the variables that Cloud Run and the job's owner
set, and this program's arguments as its command.
"""

import os
import resource
import sys
from collections.abc import Sequence
from fnmatch import fnmatch

IMAGE = "localhost/ci:latest"
JOBS_OWN = (
    "CLOUD_RUN_*",
    "GOOGLE_CLOUD_PROJECT",
    "*_EMULATOR_HOST",
    "*_BUCKET",
    "*_TOPIC",
    "*_SUBSCRIPTION",
    "IDLE_SECONDS",
    "OMP_NUM_THREADS",
)
"""Names of what the job is deployed with; the image knows itself where its weights and its scratch lie."""


def command(network: str, variables: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """Return the command that runs a container: read-only but for /tmp, without any capability."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # podman's own defaults may be above what is allowed
    ulimits = [f"--ulimit={name}={most}:{most}" for name in ("nofile", "nproc")]
    return [
        *("podman", "--runtime=runc", "--cgroup-manager=cgroupfs", "run", "--rm", f"--network={network}"),
        *("--read-only", "--tmpfs=/tmp", "--cap-drop=all", "--security-opt=no-new-privileges", *ulimits),
        *(f"--env={name}" for name in variables),
        IMAGE,
        *arguments,
    ]


def main(arguments: Sequence[str]) -> None:
    """Become a task. The emulators listen on the host's loopback, so the container shares its network."""
    variables = [name for name in os.environ if any(fnmatch(name, pattern) for pattern in JOBS_OWN)]
    task = command("host", variables, arguments)
    os.execvp(task[0], task)  # noqa: S606  it is to get the signals that are meant for the task


if __name__ == "__main__":
    main(sys.argv[1:])
