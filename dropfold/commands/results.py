"""Show the receipts of inputs: ``dropfold results``."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

import click
from pydantic import ValidationError
from rich.progress import Progress, track

from dropfold import download
from dropfold.cloud import Cloud, pass_cloud
from dropfold.names import of_outputs, prefix
from dropfold.terminal import ERR, table, tell, write
from schemas.checks import Verdict
from schemas.receipt import MAX_RECEIPT_BYTES, RECEIPT, Receipt
from schemas.scores import AFFINITY, BINDER, CONFIDENCE, Score
from schemas.spreadsheet import guarded
from schemas.storage import ObjectGoneError, ObjectTooLargeError

EPILOG = """\b
Examples:
  dropfold results                                   all, best confidence first
  dropfold results run42/ --sort affinity --csv > run42.csv
  dropfold results run42/ --checks passed --checks warnings   those whose best structure failed no check
  dropfold results run42/ --json | jq '.[].scores'
  dropfold results run42/ --download results/        with structures and reports; open results/.../report.html
  dropfold results run42/ --download results/ --msa  and alignments that were made: results/.../msa_A.a3m

\b
Exit status: 0 it is told (and downloaded), 1 nothing is there or a download failed, 2 wrong usage.
"""
THREADS = 8
Fetch = TypeVar("Fetch")
COLUMNS = ("input", "state", "checks", "confidence", "affinity", "binder", "seconds", "job", "results")


class Outputs(download.Objects, Protocol):
    """The output bucket."""

    name: str

    def named(self, prefix: str, ending: str) -> Iterator[str]:
        """Yield the names with a prefix and an ending, in their order."""

    def read(self, name: str, generation: int | None, limit: int) -> bytes:
        """Return an object's content. Raises ObjectGoneError, ObjectTooLargeError."""


def _by(score: Score) -> Callable[[Receipt], tuple[float, str]]:
    """Return the sort key of a score, the best first; receipts without the score come last."""
    sign = -1 if score.higher_is_better else 1

    def key(receipt: Receipt) -> tuple[float, str]:
        value = score.of(receipt.scores)
        return float("inf") if value is None else sign * value, receipt.source.name

    return key


ORDERS: Mapping[str, Callable[[Receipt], tuple[float, str]]] = {
    "confidence": _by(CONFIDENCE),
    "affinity": _by(AFFINITY),
    "binder": _by(BINDER),
    "name": lambda receipt: (0, receipt.source.name),
}
"""Sort keys, the best first: strong binders have a low affinity, log10 of the IC50 in micromolar."""


@click.command("results", epilog=EPILOG)
@click.argument("target", metavar="[PREFIX]", default="")
@click.option(
    "--sort",
    type=click.Choice(list(ORDERS)),
    default="confidence",
    show_default=True,
    help="The best first; affinity is the predicted log10 of IC50 in uM, binder the probability to bind.",
)
@click.option(
    "--checks",
    "verdicts",
    type=click.Choice(list(Verdict)),
    multiple=True,
    help="Only results with this verdict on their structures; may be given more than once.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Write CSV, with all scores.")
@click.option("--json", "as_json", is_flag=True, help="Write the receipts as a JSON array.")
@click.option(
    "--download",
    "folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Fetch structures and reports, and compare them with the digests in the receipts.",
)
@click.option(
    "--msa",
    "with_alignments",
    is_flag=True,
    help="With --download: fetch the alignments that were made, too; msa_A.a3m is that of chain A.",
)
@click.option(
    "--limit", type=click.IntRange(1), default=10_000, show_default=True, help="Most receipts that are read."
)
@pass_cloud
def command(
    cloud: Cloud,
    target: str,
    *,
    sort: str,
    verdicts: Sequence[str],
    as_csv: bool,
    as_json: bool,
    folder: Path | None,
    with_alignments: bool,
    limit: int,
) -> None:
    """Show what came of inputs.

    A row for each receipt of a folder: the verdict on its best structure and scores, or why there are none.
    """
    if as_csv and as_json:
        raise click.UsageError("Choose --csv or --json.")
    if with_alignments and not folder:
        raise click.UsageError("--msa needs --download DIR: alignments are files beside the others.")
    receipts = sorted(read(cloud.outputs, prefix(cloud.inputs.name, target), limit), key=ORDERS[sort])
    if not receipts:
        raise click.ClickException(
            f"No receipt lies under {target or 'the bucket'}: nothing has ended there."
        )
    receipts = _with(verdicts, receipts)
    failed = _download(cloud.outputs, receipts, folder) if folder else 0
    if folder and with_alignments:
        failed += _download_alignments(cloud, receipts, folder)
    where = str(folder) if folder else f"gs://{cloud.outputs.name}"
    if as_json:
        write(json.dumps([receipt.model_dump(mode="json") for receipt in receipts], indent=2))
    elif as_csv:
        write(_csv(receipts, where).rstrip("\n"))
    else:
        table(COLUMNS, (_row(receipt, where) for receipt in receipts))
    _warn(receipts)
    raise SystemExit(1 if failed else 0)


def _with(verdicts: Sequence[str], receipts: list[Receipt]) -> list[Receipt]:
    chosen = [receipt for receipt in receipts if _verdict(receipt) in verdicts] if verdicts else receipts
    if not chosen:
        raise click.ClickException(f"No structure there has this verdict: {', '.join(verdicts)}.")
    return chosen


def read(outputs: Outputs, named: str, limit: int) -> list[Receipt]:
    """Return the receipts of a prefix of inputs, at most ``limit``; many are read at once."""
    names = list(islice(outputs.named(of_outputs(named), f"/{RECEIPT}"), limit + 1))
    if len(names) > limit:
        tell(f"Only {limit} receipts are read, more are there: --limit, or name a folder.", "yellow")
    with ThreadPoolExecutor(THREADS) as pool:
        read = pool.map(partial(_receipt, outputs), names[:limit])
        quiet = not ERR.is_terminal
        shown = track(
            read, "reading receipts", total=len(names[:limit]), console=ERR, transient=True, disable=quiet
        )
        return [receipt for receipt in shown if receipt]


def _receipt(outputs: Outputs, name: str) -> Receipt | None:
    try:
        return Receipt.decode(outputs.read(name, None, MAX_RECEIPT_BYTES))
    except (ObjectGoneError, ObjectTooLargeError, ValidationError) as error:
        tell(f"{name} is no receipt that can be read: {str(error).splitlines()[0]}", "yellow")
        return None


def _download(outputs: Outputs, receipts: Sequence[Receipt], folder: Path) -> int:
    """Download the receipts' files; return the number of those that failed."""
    wanted = [fetch for receipt in receipts for fetch in download.wanted(receipt, folder)]
    failed = _fetch_all(partial(download.fetched, outputs), wanted)
    tell(f"{len(wanted) - failed} of {len(wanted)} files are in {folder} and are what their receipts say.")
    return failed


def _download_alignments(cloud: Cloud, receipts: Sequence[Receipt], folder: Path) -> int:
    """Download the alignments that receipts name, if any; return the number of those that failed."""
    wanted = [fetch for receipt in receipts for fetch in download.wanted_alignments(receipt, folder)]
    failed = _fetch_all(partial(download.fetched_alignment, cloud.alignments), wanted) if wanted else 0
    tell(f"{len(wanted) - failed} of {len(wanted)} alignments are in {folder}.")
    return failed


def _fetch_all(fetch: Callable[[Fetch], str | None], wanted: Sequence[Fetch]) -> int:
    """Download files, many at once; return the number of those that failed."""
    failed = 0
    with Progress(console=ERR, disable=not ERR.is_terminal) as bars, ThreadPoolExecutor(THREADS) as pool:
        for trouble in bars.track(pool.map(fetch, wanted), len(wanted) or None, description="downloading"):
            if trouble:
                failed += 1
                tell(trouble, "red")
    return failed


def _row(receipt: Receipt, where: str) -> tuple[object, ...]:
    seconds = (receipt.finished_at - receipt.created_at).total_seconds()
    shown = (score.shown(receipt.scores) for score in (CONFIDENCE, AFFINITY, BINDER))
    lies = f"{where}/{download.folder_of(receipt)}"
    result = (
        lies
        if receipt.outputs
        else f"{receipt.error.code}: {receipt.error.message}"
        if receipt.error
        else lies
    )
    return (
        receipt.source.name,
        receipt.state,
        _verdict(receipt),
        *shown,
        f"{seconds:.1f}",
        receipt.job_id,
        result,
    )


def _verdict(receipt: Receipt) -> Verdict | None:
    return receipt.checks.verdict if receipt.checks else None


def _csv(receipts: Sequence[Receipt], where: str) -> str:
    scores = sorted({name for receipt in receipts for name in receipt.scores})
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    facts = ("tokens", "seed", "job_id", "finished_at", "results", "error", "msa_rows", "checks", "reasons")
    writer.writerow(["input", "state", *scores, *facts])
    for receipt in receipts:
        values = (receipt.scores.get(name, "") for name in scores)
        lies = f"{where}/{download.folder_of(receipt)}"
        about = (receipt.tokens, receipt.options.seed, receipt.job_id, receipt.finished_at.isoformat(), lies)
        error = f"{receipt.error.code}: {receipt.error.message}" if receipt.error else ""
        rows = min((alignment.rows for alignment in receipt.alignments), default="")  # of the poorest
        said = (error, rows, _verdict(receipt), " ".join(receipt.checks.reasons) if receipt.checks else "")
        writer.writerow(map(_cell, (receipt.source.name, receipt.state, *values, *about, *said)))
    return text.getvalue()


def _cell(value: object) -> object:
    return guarded(value) if isinstance(value, str) else value


def _warn(receipts: Sequence[Receipt]) -> None:
    if any(receipt.model and receipt.model.random_weights for receipt in receipts):
        tell("Random weights: these structures mean nothing. README says how to use real ones.", "bold red")
