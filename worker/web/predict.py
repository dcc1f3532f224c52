"""One request's prediction, in a folder of its own that is gone afterwards."""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, TypeVar

from inputs.read import BoltzInput, normalised, references
from schemas.checks import Checks
from schemas.failure import Code
from schemas.job import Model
from schemas.options import Options
from schemas.stages import Stage
from worker.alignments import Alignments, aligned
from worker.errors import UnalignedError
from worker.examination import Check, Examination, Examined
from worker.potentials import Decided, decided
from worker.predictor import Predictor
from worker.prepare import Call, Prepared, Uploads, check_all, explained, fetch_all, here
from worker.repair.references import repaired
from worker.stopwatch import Stopwatch
from worker.web.errors import AbandonedError, RefusedError
from worker.web.problems import refusal
from worker.web.queue import Wanted

T = TypeVar("T")


@dataclass(frozen=True)
class PredictionRequest:
    """A checked document, its bytes, and files by the names that the document has for them.

    ``beside`` is the folder of the input bucket where the other files lie, with a slash at its end.
    """

    job_id: str
    content: bytes
    suffix: str
    document: BoltzInput
    options: Options
    files: Mapping[str, BinaryIO]
    beside: str | None


@dataclass(frozen=True)
class Predicted:
    """A proven prediction: its files by public name, in a folder that will go."""

    job_id: str
    model: Model
    options: Options
    decided: Mapping[str, str]
    warnings: tuple[str, ...]
    scores: Mapping[str, float]
    timings: Mapping[str, float]
    checks: Checks
    files: Mapping[str, Path]


@dataclass(frozen=True)
class Predictions:
    """The predictor of requests: the warm model, the checks, the input bucket, a folder to work in."""

    predictor: Predictor
    check: Check
    uploads: Uploads
    work_dir: Path
    call: Call = here
    alignments: Alignments | None = None

    def predict(self, request: PredictionRequest, render: Callable[[Predicted], T], wanted: Wanted) -> T:
        """Predict, and return what ``render`` makes of it.

        Raises FailedError, RefusedError, StorageUnavailableError, DeviceLostError; AbandonedError where it is
        not ``wanted`` any more when the device is free for it.
        """
        _check(wanted)
        self.work_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.work_dir, prefix=f"{request.job_id}-") as folder:
            watch = Stopwatch()
            with watch.stage(Stage.DOWNLOAD):
                prepared = self._aligned(request, self._laid_out(request, Path(folder) / "input"))
            out, seed = Path(folder) / "output", request.options.seed or 0
            begin = lambda: _check(wanted)  # noqa: E731
            chosen = decided(request.options, request.document, self.predictor.model, self.call)
            examination = self._examination(request, chosen.options, watch)
            predicted = self.predictor.predict(
                prepared.input_file, chosen.options, seed, out, begin, examine=examination.order
            )
            watch.add(predicted.timings)
            done = examination.conclude(predicted.files, out)
            return render(self._predicted(request.job_id, chosen, prepared, done, watch))

    def _examination(self, request: PredictionRequest, options: Options, watch: Stopwatch) -> Examination:
        about: dict[str, object] = {"job_id": request.job_id}
        return Examination(request.document, options, self.check, self.call, watch, about)

    def _predicted(
        self, job_id: str, chosen: Decided, prepared: Prepared, done: Examined, watch: Stopwatch
    ) -> Predicted:
        return Predicted(
            job_id,
            self.predictor.model,
            chosen.options,
            chosen.reasons,
            prepared.warnings,
            done.scores,
            watch.seconds,
            done.checks,
            done.files,
        )

    def _aligned(self, request: PredictionRequest, input_file: Path) -> Prepared:
        """Return the input with the alignments that it lacks, all of which have to be there already."""
        prepared = repaired(Prepared(input_file, request.document, request.content.decode()), self.call)
        try:
            return aligned(prepared, self.call, self.alignments)
        except UnalignedError as error:
            raise _unaligned() from error

    def _laid_out(self, request: PredictionRequest, folder: Path) -> Path:
        """Lay the input and its files into a fresh folder; the checks have let pass every name in it."""
        folder.mkdir()
        names = references(request.document)
        _lay_inline({name: request.files[name] for name in names if name in request.files}, folder)
        if missing := [name for name in names if name not in request.files]:
            if request.beside is None:
                raise _missing(missing)
            with explained():
                fetch_all(missing, request.beside, self.uploads, folder)
        self.call(check_all, request.document, folder)
        input_file = folder / f"{request.job_id}{request.suffix}"
        input_file.write_bytes(normalised(request.content))
        return input_file


def _check(wanted: Wanted) -> None:
    if not wanted():
        raise AbandonedError


def _lay_inline(files: Mapping[str, BinaryIO], folder: Path) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            shutil.copyfileobj(content, file)


def _unaligned() -> RefusedError:
    return refusal(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        Code.MISSING_REFERENCE,
        "A protein names no MSA, and no alignment of it is there yet.",
        "Drop the file into the input bucket, which has alignments made; or add `msa: NAME.a3m` and send "
        "that file; or add `msa: empty` for single-sequence mode.",
        field="body.sequences",
    )


def _missing(names: list[str]) -> RefusedError:
    return refusal(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        Code.MISSING_REFERENCE,
        f"The input names {', '.join(names)}, which the request does not hold.",
        "Send each as a part `files` under this name, or name their folder of the input bucket: `beside`.",
        field="body.files",
        value=names[0],
    )
