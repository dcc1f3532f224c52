"""One attempt at one job: prepare, predict, prove, upload. Failures raise; no state is decided here."""

import logging
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from inputs.read import MAX_TOKENS
from schemas.job import Job, Output, Result
from schemas.stages import Stage
from worker import outputs
from worker.alignments import Alignments, aligned
from worker.cache import Ledger, copied, find_cached, fingerprint
from worker.lease import LeasedJob
from worker.predictor import Predictor
from worker.prepare import Call, Prepared, Uploads, here, prepare
from worker.report.prediction import Prediction
from worker.upload import Destination, upload

Renderer = Callable[[Prediction, Path], None]
"""Writes a page or picture of a prediction to a path."""

logger = logging.getLogger(__name__)


class Results(Destination, Protocol):
    """The output bucket."""

    def download(self, name: str, to: Path, limit: int) -> None:
        """Fetch an object. Raises ObjectGoneError, ObjectTooLargeError."""

    def copy(self, output: Output, name: str) -> Output:
        """Copy an object on the server's side. Raises ObjectGoneError, ContentDiffersError."""


@dataclass
class Stopwatch:
    """Seconds by stage of one attempt."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block."""
        start = time.monotonic()
        yield
        self.add({name: time.monotonic() - start})

    def add(self, timings: Mapping[str, float]) -> None:
        """Take over seconds by stage that were measured elsewhere."""
        self.seconds |= {stage: round(taken, 3) for stage, taken in timings.items()}


@dataclass(frozen=True)
class Pipeline:
    """The steps of an attempt, and its collaborators: both buckets, the warm model, a folder to work in.

    ``cache`` is where results of earlier jobs are found; without it everything is computed. ``renderers`` are
    for pages and pictures, by public name. ``usd_per_hour`` is the worker's price, ``max_tokens`` what its
    memory holds: intake may have had another limit when it took a job in. ``call`` calls what reads the input
    and what it names. ``alignments`` are those that were made for jobs.
    """

    uploads: Uploads
    results: Results
    predictor: Predictor
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
            identity = fingerprint(prepared, job.options, model)
            if cached := self._cached(identity, leased, prepared, Path(folder) / "output", watch):
                return cached
            files, scores = self._predict(leased, prepared, Path(folder) / "output", watch)
            leased.renew()
            with watch.stage(Stage.UPLOAD):
                uploaded = tuple(upload(path, name, leased, self.results) for name, path in files.items())
        watch.seconds |= self._waited(leased.job)
        return Result(
            outputs=uploaded,
            scores=scores,
            timings=watch.seconds,
            model=model,
            fingerprint=identity,
            alignments=prepared.alignments,
        )

    def _prepared(self, job: Job, folder: Path) -> Prepared:
        prepared = prepare(job, self.uploads, folder, self.call, self.max_tokens)
        return aligned(prepared, self.call, self.alignments)

    def _take_first(self, leased: LeasedJob) -> None:
        """Claim before reading, once the model is there: a death over it counts as an attempt."""
        logger.info(
            "its message came before: claimed before it is read",
            extra=leased.job.about | {"action": "job.suspected"},
        )
        self.predictor.ready_at  # noqa: B018  waits for the model
        leased.claim()

    def _cached(
        self, identity: str, leased: LeasedJob, prepared: Prepared, folder: Path, watch: Stopwatch
    ) -> Result | None:
        """Copy the result of a job that was the same in everything, if there is one and it is whole."""
        found = find_cached(self.cache, identity) if self.cache else None
        if found is None or found.model is None:
            return None
        leased.claim()
        with watch.stage(Stage.COPY):
            outputs = copied(found, leased.job.output_prefix, self.results, besides=self.renderers)
        if outputs is None:
            return None
        outputs += self._rendered_anew(leased, prepared, outputs, folder, watch)
        watch.seconds |= self._waited(leased.job)
        return Result(
            outputs=outputs,
            scores=found.scores,
            timings=watch.seconds,
            model=found.model,
            fingerprint=identity,
            cached_from=found.job_id,
            alignments=prepared.alignments,
        )

    def _rendered_anew(
        self, leased: LeasedJob, prepared: Prepared, copies: Iterable[Output], folder: Path, watch: Stopwatch
    ) -> tuple[Output, ...]:
        """Upload page and picture of this job: the other's show its file's name and text."""
        if not self.renderers:
            return ()
        names = {output: output.name.removeprefix(leased.job.output_prefix) for output in copies}
        with watch.stage(Stage.REPORT):
            for output, name in names.items():
                self.results.download(output.name, folder / name, output.size)
            files = {name: folder / name for name in names.values()}
            rendered = self._rendered(leased.job, prepared, files, watch, folder)
        leased.renew()
        return tuple(upload(path, name, leased, self.results) for name, path in rendered.items())

    def _predict(
        self, leased: LeasedJob, prepared: Prepared, out: Path, watch: Stopwatch
    ) -> tuple[Mapping[str, Path], dict[str, float]]:
        options = leased.job.options
        predicted = self.predictor.predict(prepared.input_file, options, options.seed or 0, out, leased.claim)
        watch.add(predicted.timings)
        files = outputs.checked(predicted.files, outputs.expected(prepared.document, options))
        with watch.stage(Stage.REPORT):
            rendered = self._rendered(leased.job, prepared, files, watch, out)
        return files | rendered, outputs.scores(files)

    def _rendered(
        self, job: Job, prepared: Prepared, files: Mapping[str, Path], watch: Stopwatch, folder: Path
    ) -> dict[str, Path]:
        """Write page and picture. A prediction is delivered without one rather than not at all."""
        text, seconds = prepared.text, dict(watch.seconds)
        model, price = self.predictor.model, self.usd_per_hour
        made = prepared.alignments
        prediction = Prediction(job, model, prepared.document, text, files, seconds, price, made)
        written = {}
        for name, render in self.renderers.items():
            try:
                render(prediction, folder / name)
            except Exception:
                logger.exception(
                    "output not rendered",
                    extra=job.about | {"action": "output.not_rendered", "output": name},
                )
            else:
                written[name] = folder / name
        return written

    def _waited(self, job: Job) -> dict[str, float]:
        """Return the seconds from the job's creation to its claim, and those of them spent on starting up."""
        claimed_at = job.history[-1].at
        starting = self.predictor.ready_at - max(self.started_at, job.created_at)
        return {
            Stage.QUEUED: round((claimed_at - job.created_at).total_seconds(), 3),
            Stage.START_UP: round(max(0.0, starting.total_seconds()), 3),
        }
