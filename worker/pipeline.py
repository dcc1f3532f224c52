"""One attempt at one job: prepare, predict, check, upload. Failures raise; no state is decided here."""

import logging
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from pydantic import ValidationError

from inputs.read import MAX_TOKENS
from schemas.checks import Checks, ChecksReport
from schemas.job import Job, Output, Result
from schemas.outputs import CHECKS, INPUTS, input_copy
from schemas.stages import Stage
from worker.alignments import Alignments, aligned
from worker.cache import Ledger, copied, find_cached, fingerprint
from worker.examination import BEFORE, Check, Examination, Examined, unchecked
from worker.lease import LeasedJob
from worker.potentials import decided
from worker.predictor import Predictor
from worker.prepare import Call, Prepared, Uploads, here, prepare
from worker.repair.references import repaired
from worker.report.prediction import Prediction
from worker.stopwatch import Stopwatch
from worker.upload import Destination, upload

Renderer = Callable[[Prediction, Path], None]
"""Writes a page or picture of a prediction to a path."""

logger = logging.getLogger(__name__)


class Results(Destination, Protocol):
    """The output bucket."""

    def download(self, name: str, to: Path, limit: int) -> object:
        """Fetch an object. Raises ObjectGoneError, ObjectTooLargeError."""

    def copy(self, output: Output, name: str) -> Output:
        """Copy an object on the server's side. Raises ObjectGoneError, ContentDiffersError."""


class Attempt(NamedTuple):
    """What an attempt works on: the job, its input, a fresh folder for what comes of it, its stopwatch."""

    leased: LeasedJob
    prepared: Prepared
    folder: Path
    watch: Stopwatch


@dataclass(frozen=True)
class Pipeline:
    """The steps of an attempt, and its collaborators: both buckets, the warm model, a folder to work in.

    ``check`` checks the structures. ``cache`` is where results of earlier jobs are found; without it
    everything is computed. ``renderers`` are for pages and pictures, by public name. ``usd_per_hour`` is the
    worker's price, ``max_tokens`` what its memory holds: intake may have had another limit when it took a job
    in. ``call`` calls what reads the input and what it names, and ``check``. ``alignments`` are those that
    were made for jobs.
    """

    uploads: Uploads
    results: Results
    predictor: Predictor
    check: Check
    work_dir: Path
    started_at: datetime
    cache: Ledger | None = None
    renderers: Mapping[str, Renderer] = field(default_factory=dict)
    usd_per_hour: float | None = None
    max_tokens: int = MAX_TOKENS
    call: Call = here
    alignments: Alignments | None = None

    def run(self, leased: LeasedJob) -> Result:
        """Attempt a job, and take it when the device is free for it; one that is suspect, before it is read.

        Raises FailedError, StorageUnavailableError, LeaseLostError, TooLateError, DeviceLostError.
        """
        if leased.suspect:
            self._take_first(leased)
        watch, job, model = Stopwatch(), leased.job, self.predictor.model
        self.work_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.work_dir, prefix=f"{job.job_id}-") as folder:
            with watch.stage(Stage.DOWNLOAD):
                prepared = self._prepared(job, Path(folder) / "input")
            leased.turns = 2 if prepared.document.properties else 1
            self._decide(leased, prepared)
            identity = fingerprint(prepared, leased.job.options, model)
            attempt = Attempt(leased, prepared, Path(folder) / "output", watch)
            if cached := self._cached(identity, attempt):
                return cached
            done = self._predict(attempt)
            with watch.stage(Stage.UPLOAD):
                uploaded = self._uploaded({**done.files, **_input_copy(prepared)}, leased)
        watch.seconds |= self._waited(leased.job)
        return Result(
            outputs=uploaded,
            scores=done.scores,
            timings=watch.seconds,
            model=model,
            fingerprint=identity,
            alignments=prepared.alignments,
            files=prepared.files,
            device=done.device,
            checks=done.checks,
            warnings=prepared.warnings,
        )

    def _prepared(self, job: Job, folder: Path) -> Prepared:
        prepared = prepare(job, self.uploads, folder, self.call, self.max_tokens)
        return aligned(repaired(prepared, self.call), self.call, self.alignments)

    def _decide(self, leased: LeasedJob, prepared: Prepared) -> None:
        """Decide on options that were left to us, before anything depends on them."""
        options, reasons = decided(leased.job.options, prepared.document, self.predictor.model, self.call)
        if reasons:
            leased.decide(options=options, decided=reasons)

    def _take_first(self, leased: LeasedJob) -> None:
        """Claim before reading, once the model is there: a death over it counts as an attempt."""
        logger.info(
            "its message came before: claimed before it is read",
            extra=leased.job.about | {"action": "job.suspected"},
        )
        self.predictor.ready_at  # noqa: B018  waits for the model
        leased.claim()

    def _cached(self, identity: str, attempt: Attempt) -> Result | None:
        """Copy the result of a job that was the same in everything, if there is one and it is whole."""
        leased, watch = attempt.leased, attempt.watch
        found = find_cached(self.cache, identity) if self.cache and not leased.job.fresh else None
        if found is None or found.model is None:
            return None
        leased.claim()
        with watch.stage(Stage.COPY):
            own = {*self.renderers, *INPUTS}
            outputs = copied(found, leased.job.output_prefix, self.results, besides=own)
        if outputs is None:
            return None
        checks = found.checks or unchecked(BEFORE)
        rendered = self._rendered_anew(attempt, outputs, checks)
        outputs += self._uploaded(rendered | _input_copy(attempt.prepared), leased)
        watch.seconds |= self._waited(leased.job)
        return Result(
            outputs=outputs,
            scores=found.scores,
            timings=watch.seconds,
            model=found.model,
            fingerprint=identity,
            cached_from=found.job_id,
            alignments=attempt.prepared.alignments,
            files=attempt.prepared.files,
            device=found.device,
            warnings=attempt.prepared.warnings,
            checks=checks,
        )

    def _rendered_anew(self, attempt: Attempt, copies: Iterable[Output], checks: Checks) -> dict[str, Path]:
        """Write page and picture of this job: the other's show its file's name and text."""
        if not self.renderers:
            return {}
        leased, folder = attempt.leased, attempt.folder
        names = {output: output.name.removeprefix(leased.job.output_prefix) for output in copies}
        with attempt.watch.stage(Stage.REPORT):
            for output, name in names.items():
                self.results.download(output.name, folder / name, output.size)
            files = {name: folder / name for name in names.values()}
            return self._rendered(attempt, files, _report_in(files), checks)

    def _predict(self, attempt: Attempt) -> Examined:
        """Predict, prove, check, render; the files of what is returned are what there is to upload."""
        job, prepared, out = attempt.leased.job, attempt.prepared, attempt.folder
        options, claim = job.options, attempt.leased.claim
        examination = Examination(prepared.document, options, self.check, self.call, attempt.watch, job.about)
        predicted = self.predictor.predict(
            prepared.input_file, options, options.seed or 0, out, claim, examine=examination.order
        )
        attempt.watch.add(predicted.timings)
        done = examination.conclude(predicted.files, out)
        with attempt.watch.stage(Stage.REPORT):
            rendered = self._rendered(attempt, done.files, done.report, done.checks)
        return done._replace(files={**done.files, **rendered}, device=predicted.device)

    def _rendered(
        self, attempt: Attempt, files: Mapping[str, Path], report: ChecksReport | None, checks: Checks
    ) -> dict[str, Path]:
        """Write page and picture. A prediction is delivered without one rather than not at all."""
        prediction = self._prediction(attempt, files, report, checks)
        written = {}
        for name, render in self.renderers.items():
            try:
                render(prediction, attempt.folder / name)
            except Exception:
                logger.exception(
                    "output not rendered",
                    extra=prediction.job.about | {"action": "output.not_rendered", "output": name},
                )
            else:
                written[name] = attempt.folder / name
        return written

    def _prediction(
        self, attempt: Attempt, files: Mapping[str, Path], report: ChecksReport | None, checks: Checks
    ) -> Prediction:
        return Prediction(
            attempt.leased.job,
            self.predictor.model,
            attempt.prepared.document,
            attempt.prepared.text,
            files,
            dict(attempt.watch.seconds),
            self.usd_per_hour,
            attempt.prepared.alignments,
            report,
            checks,
            attempt.prepared.warnings,
        )

    def _uploaded(self, files: Mapping[str, Path], leased: LeasedJob) -> tuple[Output, ...]:
        leased.renew()
        return tuple(upload(path, name, leased, self.results) for name, path in files.items())

    def _waited(self, job: Job) -> dict[str, float]:
        """Return the seconds from the job's creation to its claim, and those of them spent on starting up."""
        claimed_at = job.history[-1].at
        starting = self.predictor.ready_at - max(self.started_at, job.created_at)
        return {
            Stage.QUEUED: round((claimed_at - job.created_at).total_seconds(), 3),
            Stage.START_UP: round(max(0.0, starting.total_seconds()), 3),
        }


def _report_in(files: Mapping[str, Path]) -> ChecksReport | None:
    """Return the checks that a copied result has with it, if any can be read here."""
    try:
        return ChecksReport.decode(files[CHECKS].read_bytes()) if CHECKS in files else None
    except ValidationError:
        return None


def _input_copy(prepared: Prepared) -> dict[str, Path]:
    """Return the input as Boltz read it, by its public name."""
    return {input_copy(prepared.input_file.suffix): prepared.input_file}
