"""Send inputs, with what they refer to, to be predicted: ``dropfold drop``."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn, track

from dropfold import wait
from dropfold.cloud import Cloud, pass_cloud
from dropfold.commands.status import SHOWN, show_jobs
from dropfold.commands.watch import conclude
from dropfold.files import Checked, LocalFile, check, found, to_align
from dropfold.metadata import BATCH, FRESH, flags, metadata
from dropfold.names import prefix
from dropfold.terminal import ERR, complain, say, tell
from dropfold.upload import Inputs, Outcome, Upload, Uploader
from inputs.examine import Rules
from schemas.job import Source, State, job_id

EPILOG = """\b
Examples:
  dropfold drop foo.yaml                             one file, as gs://IN/foo.yaml
  dropfold drop screen/ --wait                       a folder, as gs://IN/screen/..., until all have ended
  dropfold drop screen/ --to run42 --samples 5       its files as gs://IN/run42/..., five structures of each
  dropfold drop screen/ --wait --strict              and fail where a structure is wrong in something
  dropfold drop foo.yaml --overwrite                 in place of another foo.yaml, whose job ends

\b
The same command again sends what is not there yet, and makes no job twice.
Exit status: 0 all is sent (with --wait: and succeeded; with --strict: and no check of a structure failed),
1 some is not, 2 wrong usage, 130 after Ctrl-C.
"""


class Bucket(Inputs, wait.Inputs, Protocol):
    """The input bucket."""


@dataclass
class Plan:
    """Files to send, and those that are refused or skipped, wait, lack alignments, or have caveats."""

    references: list[LocalFile] = field(default_factory=list)
    inputs: list[LocalFile] = field(default_factory=list)
    refused: list[Checked] = field(default_factory=list)
    skipped: list[LocalFile] = field(default_factory=list)
    waiting: list[Checked] = field(default_factory=list)
    unaligned: list[Checked] = field(default_factory=list)
    doubtful: list[Checked] = field(default_factory=list)


@dataclass
class SentCount:
    """Jobs of the inputs sent, and the number of files by outcome."""

    jobs: list[str] = field(default_factory=list)
    inputs: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    references: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))


@click.command("drop", epilog=EPILOG)
@click.argument(
    "paths", nargs=-1, required=True, metavar="FILE|DIR...", type=click.Path(exists=True, path_type=Path)
)
@click.option("--to", metavar="PREFIX", help="Folder of the bucket; a directory's own name if absent.")
@click.option("--wait", "waits", is_flag=True, help="Wait until all have ended, and show how far it is.")
@click.option(
    "--strict", is_flag=True, help="With --wait: exit with 1 also where the checks of a structure failed."
)
@click.option("--overwrite", is_flag=True, help="Replace objects of the same name that differ.")
@click.option("--check/--no-check", "checks", default=True, help="Check each file before it is sent.")
@flags
@click.option("--batch", help=BATCH)
@click.option("--fresh", is_flag=True, default=None, help=FRESH)
@pass_cloud
def command(
    cloud: Cloud,
    /,
    paths: tuple[Path, ...],
    to: str | None,
    *,
    waits: bool,
    strict: bool,
    overwrite: bool,
    checks: bool,
    **options: object,
) -> None:
    """Send inputs to be predicted.

    The MSA and template files that they name go along. Each input is checked as the intake checks it; one
    that will not do is told with every reason, and not sent. What is no input in a directory is left out.
    Prints each input's job id as soon as it is there. Where proteins name no MSA, it says to which host their
    sequences go before it sends anything.
    """
    if strict and not waits:
        raise click.UsageError("--strict needs --wait: structures are checked once they are predicted.")
    files = found(paths, None if to is None else prefix(cloud.inputs.name, to))
    asked = metadata(options)
    seen = track(files, "checking", console=ERR, transient=True, disable=not (checks and ERR.is_terminal))
    planned = plan(seen, asked, cloud.rules) if checks else unchecked(files)
    _tell(planned)
    if server := cloud.settings.msa_server:
        _tell_of_alignment(planned, server.host, checked=checks)
    sent = SentCount()
    try:
        _send(planned, Uploader(cloud.inputs, asked, overwrite), sent)
    except KeyboardInterrupt:
        _conclude(sent)
        tell("What was sent stays; the same command sends the rest.")
        raise
    _conclude(sent)
    whole = not (planned.refused or sent.inputs[Outcome.DIFFERS] or sent.references[Outcome.DIFFERS])
    if waits and sent.jobs:
        whole &= _wait(cloud, sent.jobs, strict=strict)
    if planned.refused:
        tell(f"Not sent, for the reasons above: {len(planned.refused)}. Mend and drop them again.")
    raise SystemExit(0 if whole else 1)


def plan(files: Iterable[LocalFile], asked: Mapping[str, str], rules: Rules) -> Plan:
    """Return the plan for these files: inputs checked, and the files that they refer to."""
    planned, along = Plan(), dict[str, LocalFile]()
    for file in files:
        if file.is_reference and file.named:
            along[file.name] = file
        elif file.is_input or (file.named and not file.is_reference):
            _sort(planned, check(file, dict(asked), rules), along)
        elif not file.is_reference:
            planned.skipped.append(file)
    planned.references = list(along.values())
    return planned


def unchecked(files: Iterable[LocalFile]) -> Plan:
    """Return the plan that sends every file as it is."""
    planned = Plan()
    for file in files:
        (planned.references if file.is_reference else planned.inputs).append(file)
    return planned


def _sort(planned: Plan, checked: Checked, along: dict[str, LocalFile]) -> None:
    if checked.failures:
        planned.refused.append(checked)
        return
    planned.inputs.append(checked.file)
    if checked.caveats:
        planned.doubtful.append(checked)
    along |= {file.name: file for file in checked.references}
    if checked.missing:
        planned.waiting.append(checked)
    if checked.unaligned:
        planned.unaligned.append(checked)


def _tell(planned: Plan) -> None:
    for checked in planned.refused:
        tell(f"Not sent: {checked.file.path}", "bold")
        complain(checked.failures)
    for file in planned.skipped:
        tell(f"Left out, since it is no input: {file.path}", "dim")
    for checked in planned.doubtful:
        tell(f"{checked.file.path}: {' '.join(checked.caveats)}", "yellow")
    for checked in planned.waiting:
        what = ", ".join(checked.missing)
        tell(f"{checked.file.path} waits until the bucket has what is not here: {what}", "yellow")


def _tell_of_alignment(planned: Plan, host: str, *, checked: bool) -> None:
    """Say what leaves the project; where no file was read, that something may."""
    unread = f"Sequences of proteins without `msa` go to {host} for alignment: --no-check counts none."
    if told := to_align(planned.unaligned, host) if checked else unread:
        tell(told, "yellow")


def _send(planned: Plan, uploader: Uploader, sent: SentCount) -> None:
    """Send the files that inputs refer to, then the inputs, so that no job has to wait."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bars = Progress(
        *columns, console=ERR, redirect_stdout=False, redirect_stderr=False, disable=not ERR.is_terminal
    )
    with bars:
        for what, files in (("files beside them", planned.references), ("inputs", planned.inputs)):
            for upload in bars.track(uploader.send_all(files), len(files), description=what) if files else ():
                _note(sent, upload)


def _note(sent: SentCount, upload: Upload) -> None:
    counts = sent.references if upload.file.is_reference else sent.inputs
    counts[upload.outcome] += 1
    if upload.outcome is Outcome.DIFFERS:
        tell(f"Not sent: {upload.source.uri} is there and differs; --overwrite replaces it.", "yellow")
    elif not upload.file.is_reference:
        identity = _job(upload.source)
        sent.jobs.append(identity)
        say(identity, f"{upload.outcome:<13}", upload.source.uri)


def _wait(cloud: Cloud, ids: Sequence[str], *, strict: bool) -> bool:
    jobs = wait.Jobs(cloud.ledger, ids)
    succeeded = conclude(wait.follow(jobs, cloud.workers))
    wrong = wait.wrong(cloud.ledger, jobs.in_states(State.SUCCEEDED))
    _tell_of_wrong(cloud, wrong)
    ended_badly = map(cloud.ledger.get, jobs.in_states(State.FAILED, State.REJECTED)[:SHOWN])
    show_jobs(job for job in ended_badly if job)
    return succeeded and not (strict and wrong)


def _tell_of_wrong(cloud: Cloud, ids: Sequence[str]) -> None:
    """Write a line for each of the first jobs whose structures failed a check, and how to see the others."""
    for job in filter(None, map(cloud.ledger.get, ids[:SHOWN])):
        say(f"succeeded, checks failed: {job.source.name}", *(job.checks.reasons[:1] if job.checks else ()))
    if len(ids) > SHOWN:
        say(f"succeeded, checks failed: {len(ids) - SHOWN} more, see `dropfold results --checks failed`")


def _job(source: Source) -> str:
    return job_id(source.bucket, source.name, source.generation)


def _conclude(sent: SentCount) -> None:
    counts = [f"{count} {outcome}" for outcome, count in sent.inputs.items() if count]
    tell(f"Inputs: {', '.join(counts) or 'none sent'}.")
