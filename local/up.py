"""Run the product on this machine until Ctrl-C, for your own files.

Starts Google's Pub/Sub and Firestore emulators, fake-gcs-server, the functions and their triggers, and a
stand-in for Cloud Run that runs the worker here. Nothing leaves the machine. Without BOLTZ_CACHE, or where
it holds no Boltz-2 weights, a small model with random weights predicts: every step is real, no result means
anything.
"""

import argparse
import os
import shlex
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from rich.console import Console

from local.emulators import MissingError
from local.parts import BUCKETS, CHECKPOINT, PROJECT, ROOT, url
from local.processes import PartError
from local.stack import Stack, running

ENV_FILE = Path(".local/env")
CHECK_SECONDS = 0.1
EPILOG = """\
While it runs, another terminal finds it with the environment file:

  . .local/env
  python my_script.py      # Google's own clients follow these variables

MAX_WORKERS, JOBS_PER_WORKER and IDLE_SECONDS from your environment replace the local defaults 2, 4 and 10.
Exit status: 0 after Ctrl-C or SIGTERM, 1 when a part died or something is missing on this machine.
"""
DROP = (
    "from google.cloud import storage; "
    f'storage.Client().bucket("{BUCKETS["input"]}").blob("run42/a.yaml").upload_from_filename("a.yaml")'
)
READ = f"""
import os
from google.cloud import pubsub_v1
subscriber = pubsub_v1.SubscriberClient()
mine = subscriber.subscription_path("{PROJECT}", f"mine-{{os.getpid()}}")
subscriber.create_subscription(name=mine, topic="projects/{PROJECT}/topics/predictions-completed")
def show(message):
    print(dict(message.attributes), message.data.decode(), flush=True)
    message.ack()
subscriber.subscribe(mine, show).result()
"""
LEAVING = {signal.SIGINT, signal.SIGTERM}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a stack in the foreground; the exit status."""
    started = time.monotonic()
    options = _parser().parse_args(argv)
    warnings.filterwarnings("ignore", category=FutureWarning)  # Google's clients: the end of Python 3.11
    for number in LEAVING:
        signal.signal(number, _leave)
    try:
        with running(options.run_dir or _fresh_run_dir()) as stack, _env_file(options.env_file, stack.env):
            _print_ready(stack, options.env_file, time.monotonic() - started)
            while True:
                stack.check()
                time.sleep(CHECK_SECONDS)
    except KeyboardInterrupt:
        return 0
    except (MissingError, PartError, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.up",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--run-dir",
        type=Path,
        help="folder for objects, logs and scratch (default: a new one in .local/runs)",
    )
    parser.add_argument(
        "--env-file",
        type=Path,
        default=ENV_FILE,
        help="where to write the variables that clients need, while the stack runs (default: %(default)s)",
    )
    return parser


def _leave(_number: int, _frame: FrameType | None) -> None:
    for number in LEAVING:
        signal.signal(number, signal.SIG_IGN)  # leaving once is enough
    raise KeyboardInterrupt


def _fresh_run_dir() -> Path:
    runs = ROOT / ".local" / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"{datetime.now(UTC):%Y%m%d-%H%M%S}-", dir=runs))


@contextmanager
def _env_file(path: Path, env: Mapping[str, str]) -> Iterator[None]:
    """Keep a file that a shell can source while the block runs; another stack may take it over."""
    text = "".join(f"export {name}={_quoted(value)}\n" for name, value in env.items())
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        file.write(text)
    Path(file.name).replace(path)
    try:
        yield
    finally:
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            path.unlink()


def _quoted(value: str) -> str:
    """Quote for a shell, also what needs no quotes: readers of the file then meet one form only."""
    return "'" + value.replace("'", "'\\''") + "'"


def _print_ready(stack: Stack, env_file: Path, seconds: float) -> None:
    console = Console(highlight=False, emoji=False, soft_wrap=True)
    console.print(f"[bold green]Ready[/] after {seconds:.1f} s. Ctrl-C ends it.\n")
    for title, command in _recipes(stack, env_file).items():
        console.print(f"[bold]{title}[/]")
        console.print(f"  {command}\n", markup=False, style="cyan")
    console.print(f"Logs: {stack.run_dir / 'logs'}", markup=False)
    if stack.random_weights:
        console.print("[bold yellow]Weights are random:[/] " + _why_random())


def _why_random() -> str:
    folder = os.environ.get("BOLTZ_CACHE")
    reason = f"BOLTZ_CACHE={folder} holds no {CHECKPOINT}" if folder else "BOLTZ_CACHE is not set"
    return f"{reason}. Every step is real, no result means anything."


def _recipes(stack: Stack, env_file: Path) -> dict[str, str]:
    """Return what a person may want to do next, and the command line for it."""
    inputs, outputs = (f"gs://{stack.env[name]}/" for name in ("INPUT_BUCKET", "OUTPUT_BUCKET"))
    gsutil, gcloud = _gsutil(stack), _gcloud(stack)
    python = f". {shlex.quote(str(env_file))} && {_beside_python('python')} -c"
    return {
        "Drop a folder with gsutil": f"{gsutil} -m cp -r FOLDER {inputs}",
        "or with gcloud": f"{gcloud} cp -r FOLDER {inputs}",
        "or a file with Python": f"{python} '{DROP}'",
        "Read the completion events": f"{python} '{READ}'",
        "See the results": f"{gsutil} ls -r {outputs}",
    }


def _gsutil(stack: Stack) -> str:
    return (
        f"{_beside_python('gsutil')} -o Credentials:gs_json_host=127.0.0.1 "
        f"-o Credentials:gs_json_port={stack.ports.storage_https} "
        "-o Boto:https_validate_certificates=False -o GSUtil:prefer_api=json"
    )


def _gcloud(stack: Stack) -> str:
    return (
        f"CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE={url(stack.ports.gcloud)}/storage/v1/ "
        f"CLOUDSDK_AUTH_DISABLE_CREDENTIALS=true CLOUDSDK_CORE_PROJECT={PROJECT} gcloud storage"
    )


def _beside_python(command: str) -> str:
    """Name a command of this Python's environment as it is called from here, or leave it to PATH."""
    path = Path(sys.executable).with_name(command)
    near = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return shlex.quote(str(near)) if path.exists() else command


if __name__ == "__main__":
    sys.exit(main())
