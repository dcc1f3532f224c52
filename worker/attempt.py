"""One attempt at one job: prepare, predict, prove, upload. Failures raise; no state is decided here."""

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from jobs.objects import ContentDiffersError
from schemas.job import Job, Model, Output, Result
from schemas.options import Options
from worker import outputs
from worker.lease import HeldJob
from worker.prepare import Prepared, Uploads, prepare

CONTENT_TYPES = {".cif": "chemical/x-cif", ".pdb": "chemical/x-pdb", ".json": "application/json"}


class Predictor(Protocol):
    """The model, loaded once."""

    @property
    def model(self) -> Model:
        """What computes, for receipts."""

    def predict(self, input_file: Path, options: Options, seed: int, out: Path) -> Mapping[str, float]:
        """Write the prediction under ``out``; return seconds by stage. Raises FailedError."""


class Results(Protocol):
    """The output bucket."""

    def upload(self, path: Path, name: str, content_type: str) -> Output:
        """Upload a file as a new object. Raises ContentDiffersError, StorageUnavailableError."""

    def replace(self, path: Path, name: str, content_type: str) -> Output:
        """Upload a file over the object of this name. Raises StorageUnavailableError."""


@dataclass
class Stopwatch:
    """Seconds by stage of one attempt."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block."""
        start = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - start, 3)


@dataclass(frozen=True)
class Bench:
    """Where attempts are made: input and output bucket, the warm model, a folder to work in."""

    uploads: Uploads
    results: Results
    predictor: Predictor
    work_dir: Path

    def attempt(self, mine: HeldJob) -> Result:
        """Attempt a held job. Raises FailedError, StorageUnavailableError, LeaseLostError."""
        watch, job = Stopwatch(), mine.job
        watch.seconds["queued"] = round((datetime.now(UTC) - job.created_at).total_seconds(), 3)
        self.work_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.work_dir, prefix=f"{job.job_id}-") as folder:
            with watch.stage("download"):
                prepared = prepare(job, self.uploads, Path(folder) / "input")
            files, scores = self._predict(job, prepared, Path(folder) / "output", watch)
            mine.renew()
            with watch.stage("upload"):
                uploaded = tuple(self._upload(path, name, mine) for name, path in files.items())
        return Result(outputs=uploaded, scores=scores, timings=watch.seconds, model=self.predictor.model)

    def _predict(
        self, job: Job, prepared: Prepared, out: Path, watch: Stopwatch
    ) -> tuple[Mapping[str, Path], dict[str, float]]:
        seed = job.options.seed or 0
        watch.seconds.update(self.predictor.predict(prepared.input_file, job.options, seed, out))
        expected = outputs.expected(prepared.document, job.options)
        files = outputs.collect(job.job_id, out, expected)
        return files, outputs.scores(files)

    def _upload(self, path: Path, public_name: str, mine: HeldJob) -> Output:
        name = mine.job.output_prefix + public_name
        content_type = CONTENT_TYPES.get(path.suffix, "application/octet-stream")
        try:
            return self.results.upload(path, name, content_type)
        except ContentDiffersError:
            mine.renew()  # an earlier attempt left it; whoever holds the lease, and nobody else, replaces it
            return self.results.replace(path, name, content_type)
