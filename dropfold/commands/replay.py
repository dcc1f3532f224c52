"""Compute results once more and compare: ``dropfold replay``."""

import json
import secrets
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import click
from rich.progress import track

from dropfold import download, wait
from dropfold.cloud import Cloud, pass_cloud
from dropfold.commands.results import read
from dropfold.commands.stats import Since
from dropfold.names import is_id, prefix
from dropfold.replay.agreement import Agreement, Comparison
from dropfold.replay.repetition import FOLDER, Repeater, Repetition, UnrepeatableError
from dropfold.replay.rerun import HEADS, Rerun, record, row
from dropfold.terminal import ERR, table, tell, write
from dropfold.upload import Outcome, Uploader
from schemas.job import Job, Output, State, job_id
from schemas.receipt import Receipt

EPILOG = """\b
Examples:
  dropfold replay 0123456789abcdef                 one result, by its job
  dropfold replay run42/foo.yaml                   those of an input
  dropfold replay gs://IN/ --since 7d --sample 20  20 of all results of the last week, as after an upgrade
  dropfold replay run42/ --json | jq '.[] | select(.agreement != "EXACT")'

\b
What it says of each:
  EXACT         structures, scores and arrays are equal byte by byte
  CLOSE         each sample within 1 angstrom, scores within 0.05, affinity within 0.2 (log10 of IC50)
  DIFFERS       else, or it did not succeed this time
  UNREPEATABLE  it was not computed again, or not compared, and why: an input, an MSA or a template is gone,
                or another one by now

\b
RMSD is the largest of all samples, in angstrom: superposed by backbone, over all atoms by name; then that of
the ligands where this puts them. Atoms that symmetry exchanges count as different. In the last column stands
what else differs: model, weights, device, driver, precision, the verdict of the checks.
It computes, and does not copy: that costs what each result cost. Inputs go to gs://IN/replay/TIME/, results
to gs://OUT/replay/TIME/; the first ones stay as they are. Ctrl-C changes nothing for the jobs.
Exit status: 0 all are EXACT or CLOSE, 1 one is not, or nothing is there, 2 wrong usage, 130 after Ctrl-C.
"""
MOST_READ = 10_000


@click.command("replay", epilog=EPILOG)
@click.argument("target", metavar="JOB|PREFIX")
@click.option(
    "--sample",
    type=click.IntRange(1, 1000),
    default=10,
    show_default=True,
    help="Most results that are computed again; of more, always the same, chosen by their ids.",
)
@click.option("--since", type=Since(), help="Only what ended within a time, such as 7d.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON, with all that differs.")
@pass_cloud
def command(cloud: Cloud, target: str, *, sample: int, since: timedelta | None, as_json: bool) -> None:
    """Compute results once more, and say whether the same comes out.

    From the same input, files, options and seed, as the receipts name them, on the workers and the model of
    today.
    """
    chosen = _sample(_results(cloud, target, since), sample)
    there = f"{FOLDER}/{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    sending = track(chosen, "sending", console=ERR, transient=True, disable=not ERR.is_terminal)
    reruns = [_start(cloud, there, receipt) for receipt in sending]
    _follow(cloud, there, [rerun.again for rerun in reruns if rerun.again])
    comparing = track(reruns, "comparing", console=ERR, transient=True, disable=not ERR.is_terminal)
    compared = [(rerun, _compared(cloud, rerun)) for rerun in comparing]
    if as_json:
        write(json.dumps([record(*each) for each in compared], indent=2))
    else:
        table(HEADS, (row(*each) for each in compared))
    raise SystemExit(_conclude(comparison.agreement for _, comparison in compared))


def _results(cloud: Cloud, target: str, since: timedelta | None) -> list[Receipt]:
    """Return the receipts of results; those of earlier replays only where they are meant by name."""
    job = cloud.ledger.get(target) if is_id(target) else None
    if job:
        return [Receipt.of(_with_result(job))]
    named = prefix(cloud.inputs.name, target)
    after = datetime.now(UTC) - since if since else None
    return [
        receipt
        for receipt in read(cloud.outputs, named, MOST_READ)
        if receipt.state is State.SUCCEEDED
        and (after is None or receipt.finished_at > after)
        and (named.startswith(FOLDER) or not receipt.source.name.startswith(f"{FOLDER}/"))
    ]


def _with_result(job: Job) -> Job:
    if job.state is not State.SUCCEEDED:
        raise click.ClickException(f"{job.job_id} is {job.state}: it has no result to compute again.")
    return job


def _sample(receipts: Sequence[Receipt], most: int) -> list[Receipt]:
    """Return some of the results, by name: ids are digests, so that their order has to do with nothing."""
    if not receipts:
        raise click.ClickException("No result lies there (or none is as new as --since asks).")
    if len(receipts) > most:
        tell(f"{most} of {len(receipts)} results are computed again; --sample takes more.", "yellow")
    chosen = sorted(receipts, key=lambda receipt: receipt.job_id)[:most]
    return sorted(chosen, key=lambda receipt: receipt.source.name)


def _start(cloud: Cloud, there: str, receipt: Receipt) -> Rerun:
    """Send the input of a result, and what it names."""
    try:
        with tempfile.TemporaryDirectory() as here:
            repeater = Repeater(cloud, Path(here), there, cloud.rules.max_tokens)
            return Rerun(receipt, _sent(cloud, repeater.lay(receipt)))
    except UnrepeatableError as error:
        return Rerun(receipt, why=str(error))


def _sent(cloud: Cloud, repetition: Repetition) -> str:
    """Send the files, the input last, and return its job. Raises UnrepeatableError."""
    uploader = Uploader(cloud.inputs, repetition.metadata, overwrite=False)
    for file in (*repetition.references, repetition.input):
        upload = uploader.send(file)
        if upload.outcome is Outcome.DIFFERS:
            raise UnrepeatableError(f"{upload.source.uri} is there already, and differs.")
    return job_id(upload.source.bucket, upload.source.name, upload.source.generation)


def _follow(cloud: Cloud, there: str, jobs: Sequence[str]) -> None:
    """Show how far jobs are until all have ended."""
    if not jobs:
        return
    tell(f"Computed again: {len(jobs)}, as gs://{cloud.inputs.name}/{there}/")
    try:
        wait.follow(wait.Jobs(cloud.ledger, jobs), cloud.workers)
    except KeyboardInterrupt:
        tell(f"The jobs go on; their results come to gs://{cloud.outputs.name}/{there}/")
        raise


def _compared(cloud: Cloud, rerun: Rerun) -> Comparison:
    job = cloud.ledger.get(rerun.again) if rerun.again else None
    if job is None:
        return Comparison(Agreement.UNREPEATABLE, why=(rerun.why,))
    if job.state is not State.SUCCEEDED:
        reasons = (f"{failure.code}: {failure.message}" for failure in job.errors)
        return Comparison(Agreement.DIFFERS, why=(f"{job.state} this time", *reasons))
    from dropfold.replay.comparison import compare  # noqa: PLC0415  numpy and gemmi, which nothing else here needs

    with tempfile.TemporaryDirectory() as folder:
        fetch = partial(_fetched, cloud.outputs, Path(folder))
        try:
            return compare(rerun.first, Receipt.of(job), fetch)
        except UnrepeatableError as error:
            return Comparison(Agreement.UNREPEATABLE, why=(str(error),))


def _fetched(outputs: download.Objects, folder: Path, output: Output) -> Path:
    """Fetch a file of a result. Raises UnrepeatableError."""
    fetch = download.Fetch(output, folder)
    if trouble := download.fetched(outputs, fetch):
        raise UnrepeatableError(trouble)
    return fetch.path


def _conclude(agreements: Iterable[Agreement]) -> int:
    """Tell how many agree how; return the exit status."""
    counts = Counter(agreements)
    tell(f"{', '.join(f'{counts[each]} {each}' for each in Agreement if counts[each])}.")
    return 1 if counts[Agreement.DIFFERS] or counts[Agreement.UNREPEATABLE] else 0
