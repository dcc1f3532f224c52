"""Drop the examples into a local stack and show what comes back: ``make demo``.

Files under ``examples/rejected/`` must end REJECTED with a reason, every other SUCCEEDED. Results stay in
``.local/demo/`` to look at. Exit status: 0 when every file ended as it should, 1 when not.
"""

import argparse
import os
import queue
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from google.cloud import pubsub_v1, storage
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from local.emulators import MissingError
from local.parts import ROOT
from local.processes import PartError
from local.stack import Stack, running
from schemas.boltz_input import REFERENCE_SUFFIXES
from schemas.job import State
from schemas.messages import PredictionCompleted
from schemas.receipt import Receipt

EXAMPLES = ROOT / "examples"
RESULTS = ROOT / ".local" / "demo"
RUNS = ROOT / ".local" / "runs"
LOOK_SECONDS = 0.5
WIDTH = 120  # where no terminal tells its own
COLOURS = {State.SUCCEEDED: "green", State.REJECTED: "yellow"}


@dataclass(frozen=True)
class Ending:
    """How one dropped file ended, where its results lie, and how it should have ended."""

    file: str
    receipt: Receipt
    folder: Path

    @property
    def right(self) -> bool:
        """Whether it ended as its folder promises, a rejection with its reason."""
        wanted = State.REJECTED if self.file.startswith("rejected/") else State.SUCCEEDED
        return self.receipt.state == wanted and bool(self.receipt.error) == (wanted is State.REJECTED)


def main(arguments: list[str] | None = None) -> int:
    """Run the demo."""
    options = _parser().parse_args(arguments)
    console = Console(
        record=options.svg is not None, width=None if sys.stdout.isatty() and not options.svg else WIDTH
    )
    try:
        endings = _run(console, options.timeout)
    except (MissingError, PartError, TimeoutError) as error:
        console.print(f"[bold red]{error}")
        return 1
    _show(console, endings)
    if options.svg:
        console.save_svg(str(options.svg), title="make demo")
    return 0 if all(ending.right for ending in endings) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make demo ARGS='…'", description=__doc__)
    parser.add_argument("--timeout", type=float, default=240, help="seconds to wait for the results")
    parser.add_argument("--svg", type=Path, help="keep a picture of what the terminal shows")
    return parser


def _run(console: Console, timeout: float) -> list[Ending]:
    RUNS.mkdir(parents=True, exist_ok=True)
    run_dir = Path(tempfile.mkdtemp(prefix="demo-", dir=RUNS))
    with running(run_dir) as stack:
        os.environ.update(stack.env)
        with _completions(stack) as events, _progress(console) as bar:
            dropped = _drop(storage.Client().bucket(stack.env["INPUT_BUCKET"]))
            task = bar.add_task(f"{len(dropped)} files dropped", total=len(dropped))
            endings = []
            for event in _await(events, dropped, timeout, stack):
                endings.append(_fetch(event))
                bar.update(task, advance=1, description=f"{event.data.source.name} {event.state.lower()}")
            bar.update(task, description="all ended")
    return sorted(endings, key=lambda ending: ending.file)


@contextmanager
def _completions(stack: Stack) -> "Iterator[queue.SimpleQueue[PredictionCompleted]]":
    """Subscribe to the completion topic before anything is dropped."""
    events: queue.SimpleQueue[PredictionCompleted] = queue.SimpleQueue()
    project = stack.env["GOOGLE_CLOUD_PROJECT"]
    with pubsub_v1.SubscriberClient() as subscriber:
        subscription = subscriber.subscription_path(project, "demo")
        topic = subscriber.topic_path(project, stack.env["COMPLETED_TOPIC"])
        subscriber.create_subscription(name=subscription, topic=topic)

        def take(message: pubsub_v1.subscriber.message.Message) -> None:
            events.put(PredictionCompleted.decode(message.data, message.attributes))
            message.ack()

        stream = subscriber.subscribe(subscription, take)
        try:
            yield events
        finally:
            stream.cancel()
            stream.result()


def _progress(console: Console) -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn())
    return Progress(*columns, MofNCompleteColumn(), TimeElapsedColumn(), console=console)


def _drop(bucket: storage.Bucket) -> set[str]:
    """Upload every example under its own name; return the names that deserve a receipt."""
    files = sorted(path for path in EXAMPLES.rglob("*") if path.is_file())
    for path in files:
        bucket.blob(_name(path)).upload_from_filename(str(path))
    return {_name(path) for path in files if path.suffix not in REFERENCE_SUFFIXES}


def _name(path: Path) -> str:
    return str(path.relative_to(EXAMPLES))


def _await(
    events: "queue.SimpleQueue[PredictionCompleted]", dropped: set[str], timeout: float, stack: Stack
) -> Iterator[PredictionCompleted]:
    """Yield the first completion event of each dropped file. Raises TimeoutError, PartError."""
    missing, deadline = set(dropped), time.monotonic() + timeout
    while missing:
        stack.check()
        if time.monotonic() > deadline:
            raise TimeoutError(f"After {timeout:.0f} s nothing was heard of {', '.join(sorted(missing))}.")
        try:
            event = events.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            continue
        if event.data.source.name in missing:
            missing.remove(event.data.source.name)
            yield event


def _fetch(event: PredictionCompleted) -> Ending:
    """Download the receipt that an event names, and the outputs that the receipt names."""
    client = storage.Client()
    receipt = Receipt.model_validate_json(
        storage.Blob.from_string(event.data.receipt, client).download_as_bytes()
    )
    folder = RESULTS / event.data.source.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "receipt.json").write_bytes(receipt.encode())
    bucket = storage.Blob.from_string(event.data.receipt, client).bucket
    for output in receipt.outputs:
        bucket.blob(output.name).download_to_filename(str(folder / Path(output.name).name))
    return Ending(event.data.source.name, receipt, folder)


def _show(console: Console, endings: list[Ending]) -> None:
    table = Table(
        "file", "state", "confidence", "seconds", "output folder", "receipt", title="What became of it"
    )
    for ending in endings:
        table.add_row(*_row(ending))
    console.print(table)
    for ending in endings:
        if ending.receipt.error:
            error = ending.receipt.error
            console.print(f"[yellow]{error.code}[/] {error.message} [dim]{error.remedy}[/]", highlight=False)
    if any(ending.receipt.model and ending.receipt.model.random_weights for ending in endings):
        console.print(
            "[bold red]Random weights:[/] these structures mean nothing; README says how to use real ones."
        )


def _row(ending: Ending) -> tuple[str, ...]:
    receipt, colour = ending.receipt, COLOURS.get(ending.receipt.state, "red")
    confidence = receipt.scores.get("confidence_score")
    seconds = (receipt.finished_at - receipt.created_at).total_seconds()
    folder = ending.folder.relative_to(ROOT)
    return (
        f"{'[green]✓[/]' if ending.right else '[red]✗[/]'} {ending.file}",
        f"[{colour}]{receipt.state}[/]",
        "" if confidence is None else f"{confidence:.2f}",
        f"{seconds:.1f}",
        str(folder),
        receipt.job_id,
    )


if __name__ == "__main__":
    sys.exit(main())
