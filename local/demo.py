"""Drop the examples into a local stack and show what comes back: ``make demo``.

Files under ``examples/rejected/`` must end REJECTED with a reason, every other SUCCEEDED. Results stay in
``.local/demo/`` to look at. Exit status: 0 when every file ended as it should, 1 when not, 130 after Ctrl-C
or SIGTERM.
"""

import argparse
import os
import queue
import re
import shutil
import signal
import sys
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
from rich.text import Text

from gcp.shutdown import INTERRUPTED, InterruptError, raise_on
from inputs.suffixes import SIDECARS
from local import runs
from local.emulators import MissingError
from local.parts import ROOT
from local.processes import PartError
from local.stack import Stack, running
from schemas.checks import Verdict
from schemas.job import State
from schemas.messages import PredictionCompleted
from schemas.receipt import Receipt
from schemas.scores import CONFIDENCE

EXAMPLES = ROOT / "examples"
RESULTS = ROOT / ".local" / "demo"
POLL_SECONDS = 0.5
WIDTH = 116  # where no terminal tells its own
COLOURS = {State.SUCCEEDED: "green", State.REJECTED: "yellow"}
VERDICTS: dict[str, str] = {Verdict.PASSED: "green", Verdict.FAILED: "red"}


@dataclass(frozen=True)
class Ending:
    """The end of one dropped file: its receipt, the folder of its results, and the state expected."""

    file: str
    receipt: Receipt
    folder: Path

    @property
    def right(self) -> bool:
        """Whether it ended as expected, a rejection with its reason."""
        wanted = State.REJECTED if self.file.startswith("rejected/") else State.SUCCEEDED
        return self.receipt.state == wanted and bool(self.receipt.error) == (wanted is State.REJECTED)


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; return the exit status."""
    options = _parser().parse_args(arguments)
    width = None if sys.stdout.isatty() and not options.svg else WIDTH
    console = Console(record=options.svg is not None, width=width)
    raise_on(InterruptError, signal.SIGINT, signal.SIGTERM)
    try:
        with runs.fresh("demo") as run:
            run.ended_well = _demo(console, run.folder, options.timeout)
    except InterruptError:
        return INTERRUPTED
    if options.svg:
        options.svg.write_text(_picture(console), encoding="utf-8")
    return 0 if run.ended_well else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make demo ARGS='…'", description=__doc__)
    parser.add_argument("--timeout", type=float, default=600, help="seconds to wait for the results")
    parser.add_argument("--svg", type=Path, help="keep a picture of what the terminal shows")
    return parser


def _demo(console: Console, run_dir: Path, timeout: float) -> bool:
    """Run the demo, show the endings, and return whether all are as expected."""
    try:
        endings = _run(console, run_dir, timeout)
    except (MissingError, PartError, OSError) as error:  # TimeoutError is an OSError
        console.print(Text(str(error), "bold red"), soft_wrap=True)
        return False
    show(console, endings)
    return all(ending.right for ending in endings)


def _run(console: Console, run_dir: Path, timeout: float) -> list[Ending]:
    with running(run_dir) as stack:
        os.environ.update(stack.env)
        with _completions(stack) as events, _progress(console) as bar:
            client = storage.Client()
            dropped = _drop(client.bucket(stack.env["INPUT_BUCKET"]))
            task = bar.add_task(f"{len(dropped)} files dropped", total=len(dropped))
            endings = []
            for event in _await(events, dropped, timeout, stack):
                endings.append(fetch(client, event, RESULTS))
                bar.update(task, advance=1, description=f"{event.data.source.name} {event.state.lower()}")
            bar.update(task, description=f"{len(dropped)} files dropped, all ended")
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
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn())
    return Progress(*columns, MofNCompleteColumn(), TimeElapsedColumn(), console=console)


def _drop(bucket: storage.Bucket) -> set[str]:
    """Upload every example under its own name; return the names that deserve a receipt."""
    files = sorted(path for path in EXAMPLES.rglob("*") if path.is_file())
    for path in files:
        bucket.blob(_name(path)).upload_from_filename(str(path))
    return {_name(path) for path in files if path.suffix not in SIDECARS}


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
            event = events.get(timeout=POLL_SECONDS)
        except queue.Empty:
            continue
        if event.data.source.name in missing:
            missing.remove(event.data.source.name)
            yield event


def fetch(client: storage.Client, event: PredictionCompleted, results: Path) -> Ending:
    """Download the receipt that an event names, and the outputs that the receipt names, byte for byte."""
    folder = results / event.data.source.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    blob = storage.Blob.from_uri(event.data.receipt, client)
    content = blob.download_as_bytes()
    (folder / "receipt.json").write_bytes(content)
    receipt = Receipt.model_validate_json(content)
    for output in receipt.outputs:
        blob.bucket.blob(output.name).download_to_filename(str(folder / Path(output.name).name))
    return Ending(event.data.source.name, receipt, folder)


def show(console: Console, endings: list[Ending]) -> None:
    """Print how each file ended, and the reason of each that did not succeed."""
    console.print("", _table(endings), "", _reasons(endings), "", sep="\n")
    if any(ending.receipt.model and ending.receipt.model.random_weights for ending in endings):
        warning = (
            ("Random weights: ", "bold red"),
            "these structures mean nothing. README says how to use real ones.",
        )
        console.print(Text.assemble(*warning))


def _table(endings: list[Ending]) -> Table:
    table = Table("file", "state", "checks", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("confidence", "seconds"):
        table.add_column(title, justify="right")
    table.add_column("structures, scores, receipt.json", overflow="fold")
    for ending in endings:
        table.add_row(*_row(ending))
    return table


def _row(ending: Ending) -> tuple[Text, ...]:
    receipt = ending.receipt
    seconds = (receipt.finished_at - receipt.created_at).total_seconds()
    folder = ending.folder.relative_to(ROOT) if ending.folder.is_relative_to(ROOT) else ending.folder
    return (
        Text.assemble(("✓ ", "green") if ending.right else ("✗ ", "red"), ending.file),
        Text(receipt.state, COLOURS.get(receipt.state, "red")),
        _verdict(receipt),
        Text(CONFIDENCE.shown(receipt.scores)),
        Text(f"{seconds:.1f}"),
        Text(f"{folder}/", "dim"),
    )


def _verdict(receipt: Receipt) -> Text:
    verdict = receipt.checks.verdict if receipt.checks else ""
    return Text(verdict, VERDICTS.get(verdict, ""))


def _reasons(endings: list[Ending]) -> Table:
    """Return a row for each file that has an error; brackets in messages must not be read as markup."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for ending in endings:
        if error := ending.receipt.error:
            message = error.message.removeprefix(ending.file).lstrip(":, ")  # the row has named the file
            why = Text.assemble((error.code, "yellow"), " ", message, " ", (error.remedy, "dim"))
            table.add_row(Text(ending.file), why)
    return table


def _picture(console: Console) -> str:
    """Return what the terminal showed as SVG, in the reader's own font instead of a downloaded one."""
    drawn = console.export_svg(title="make demo")
    return re.sub(r"\s*@font-face \{.*?\}", "", drawn, flags=re.DOTALL)


if __name__ == "__main__":
    sys.exit(main())
