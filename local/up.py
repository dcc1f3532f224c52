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
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Never

from rich.console import Console
from rich.markup import escape

from gcp.shutdown import InterruptError, raise_on
from local import runs
from local.emulators import MissingError
from local.parts import BUCKETS, CALLERS_TO_CHOOSE, CHECKPOINT, PROJECT, url
from local.processes import PartError
from local.stack import Stack, running

ENV_FILE = Path(".local/env")
CHECK_SECONDS = 0.1
EPILOG = f"""\
While it runs, another terminal finds it with the environment file:

  . .local/env
  python my_script.py      # Google's own clients follow these variables

These variables of your environment replace the local defaults:
{", ".join(f"{name}={default}" for name, default in CALLERS_TO_CHOOSE.items())}.

Exit status: 0 after Ctrl-C, SIGTERM or SIGHUP, 1 when a part died or something is missing on this machine.
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
LEAVING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that end the stack: Ctrl-C, kill, and the terminal's window closed."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a stack in the foreground; return the exit status."""
    started = time.monotonic()
    options = _parser().parse_args(argv)
    warnings.filterwarnings("ignore", category=FutureWarning)  # Google's clients: the end of Python 3.11
    raise_on(InterruptError, *LEAVING)
    own = runs.given(options.run_dir) if options.run_dir else runs.fresh("up")
    try:
        with own as run:
            return _run(run, options.env_file, started)
    except InterruptError:
        return 0
    except OSError as error:
        print(error, file=sys.stderr)
        return 1


def _run(run: runs.Run, env_file: Path, started: float) -> int:
    """Run a stack until a signal asks for its end, or a part dies; return the exit status."""
    try:
        with running(run.folder) as stack, _env_file(env_file, stack.env):
            _print_ready(run, stack, env_file, time.monotonic() - started)
            _watch(stack)
    except InterruptError:
        run.ended_well = True
        _say("Stopped. Nothing of it runs any more.")
        return 0
    except (MissingError, PartError, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def _watch(stack: Stack) -> Never:
    """Raise PartError when a part dies, InterruptError when a signal asks for the end."""
    try:
        while True:
            stack.check()
            time.sleep(CHECK_SECONDS)
    except InterruptError:
        _say("\nStopping …")
        raise


def _say(text: str) -> None:
    with suppress(OSError):  # a terminal that was closed takes nothing
        print(text, flush=True)


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
        help="folder for objects, logs and scratch (default: a new one in .local/runs, removed at the end)",
    )
    parser.add_argument(
        "--env-file",
        type=Path,
        default=ENV_FILE,
        help="where to write the variables that clients need, while the stack runs (default: %(default)s)",
    )
    return parser


@contextmanager
def _env_file(path: Path, env: Mapping[str, str]) -> Iterator[None]:
    """Keep a file for a shell to source while the block runs; another stack may take it over."""
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
    """Return a value in a shell's quotes, needed or not: readers of the file meet one form only."""
    return "'" + value.replace("'", "'\\''") + "'"


def _print_ready(run: runs.Run, stack: Stack, env_file: Path, seconds: float) -> None:
    console = Console(highlight=False, emoji=False, soft_wrap=True)
    console.print(f"[bold green]Ready[/] after {seconds:.1f} s. Ctrl-C ends it.", end="\n\n")
    for title, command in _recipes(stack, env_file).items():
        console.print(f"[bold]{title}[/]")
        console.print(f"  {command}\n", markup=False, style="cyan")
    console.print(
        f"Objects and logs: {run.folder}{', removed at the end' if run.temporary else ''}", markup=False
    )
    if stack.random_weights:
        console.print(f"[bold yellow]Weights are random:[/] {escape(_why_random())}")


def _why_random() -> str:
    folder = os.environ.get("BOLTZ_CACHE")
    reason = f"BOLTZ_CACHE={folder} holds no {CHECKPOINT}" if folder else "BOLTZ_CACHE is not set"
    return f"{reason}. Every step is real, no result means anything."


def _recipes(stack: Stack, env_file: Path) -> dict[str, str]:
    """Return next steps for a person, each with its command line."""
    inputs, outputs = (f"gs://{stack.env[name]}/" for name in ("INPUT_BUCKET", "OUTPUT_BUCKET"))
    gsutil, gcloud = _gsutil(stack), _gcloud(stack)
    sourced = f". {shlex.quote(str(env_file))} &&"
    python = f"{sourced} {_beside_python('python')} -c"
    dropfold = f"{sourced} {_beside_python('dropfold')}"
    return {
        "Drop a folder, and wait for it": f"{dropfold} drop FOLDER --wait",
        "See the results": f"{dropfold} results --download results/",
        "or drop it with gsutil": f"{gsutil} -m cp -r FOLDER {inputs}",
        "or with gcloud": f"{gcloud} cp -r FOLDER {inputs}",
        "or a file with Python": f"{python} '{DROP}'",
        "Read the completion events": f"{python} '{READ}'",
        "List the results": f"{gsutil} ls -r {outputs}",
        "or a folder's page, in a browser": f"{url(stack.ports.storage)}/{outputs[5:]}FOLDER/index.html",
    } | _asking(stack)


def _asking(stack: Stack) -> dict[str, str]:
    service = stack.env.get("SERVICE_URL")
    ask = f"curl --data-binary @FILE.yaml -H content-type:application/yaml {service}/predict"
    return {"Ask the Service": ask} if service else {}


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
    """Return the path of a command of this Python's environment, relative to here, or its name for PATH."""
    path = Path(sys.executable).with_name(command)
    near = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return shlex.quote(str(near)) if path.exists() else command


if __name__ == "__main__":
    sys.exit(main())
