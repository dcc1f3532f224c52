"""Between structures and affinity: the samples are proven whole, checked, and put in order, the best first.

A prediction is never lost to its checker: one that raises, hangs, dies or asks for too much memory leaves the
verdict ``unchecked`` with the reason, and a line in the log.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, TypeVar

from inputs.grammar import BoltzInput
from schemas.checks import CheckedSample, Checks, ChecksReport, SampleVerdict, Verdict
from schemas.failure import Code, FailedError
from schemas.job import ComputeDevice
from schemas.options import Options
from schemas.outputs import AFFINITY, CHECKS
from schemas.stages import Stage
from worker import outputs
from worker.checks.order import best_first
from worker.checks.run import Asking
from worker.checks.words import affinity_caveats, summary
from worker.outputs import Expected
from worker.predictor import Written
from worker.prepare import Call
from worker.stopwatch import Stopwatch

Check = Callable[[Asking], ChecksReport]
"""Checks the samples of a prediction, in the model's order."""

REASONS = {
    Code.TIMEOUT: "the checks took longer than they may",
    Code.OUT_OF_MEMORY: "the checks needed more memory than there is for them",
    Code.WORKER_LOST: "the process that checks died",
}
REASON = "the checks themselves failed; the worker's log says why"
BEFORE = "computed before structures were checked"
"""Of a copy whose original is from a release without checks."""

T = TypeVar("T")
_OF_A_SAMPLE = set(SampleVerdict.model_fields)
logger = logging.getLogger(__name__)


class Examined(NamedTuple):
    """A proven prediction: its files by public name, checks.json among them, and what is said of it.

    ``device`` is what computed it, as far as that is known.
    """

    files: Mapping[str, Path]
    scores: dict[str, float]
    report: ChecksReport
    checks: Checks
    device: ComputeDevice | None = None


@dataclass
class Examination:
    """The examination of one prediction.

    ``call`` calls what checks. ``about`` has the fields of log lines about the job.
    """

    document: BoltzInput
    options: Options
    check: Check
    call: Call
    watch: Stopwatch
    about: dict[str, object]
    _report: ChecksReport = field(init=False)

    def order(self, written: Written) -> Sequence[int]:
        """Prove and check samples; return their ranks by the model's confidence, those that failed last.

        Raises FailedError where they are not whole.
        """
        with self.watch.stage(Stage.CHECK):
            files = outputs.checked(written.files, replace(self._expected, affinity=False))
            asking = Asking(self.document, self.options, files, written.molecules, written.components)
            self._report = self._guarded(lambda: self._checked(asking), self._unchecked)
        return [sample.boltz_rank for sample in self._report.samples]

    def conclude(self, files: Mapping[str, Path], folder: Path) -> Examined:
        """Prove the affinity, and sum up what the checks found; ``files`` have the order that was returned.

        Writes checks.json into the folder. Raises FailedError.
        """
        outputs.checked(files, replace(self._expected, samples=0))
        report = self._guarded(lambda: self._with_caveats(files), lambda _why: self._report)
        checks = self._guarded(lambda: summary(report, self.options), lambda why: unchecked(why, report))
        (folder / CHECKS).write_text(report.model_dump_json(indent=2) + "\n")
        whole = {name: files[name] for name in outputs.names(self._expected)} | {CHECKS: folder / CHECKS}
        return Examined(whole, outputs.scores(whole, report.samples[0].interfaces), report, checks)

    @property
    def _expected(self) -> Expected:
        return outputs.expected(self.document, self.options)

    def _checked(self, asking: Asking) -> ChecksReport:
        """Check all samples. Raises ValueError where the checker left one out."""
        report = best_first(self.call(self.check, asking))
        if sorted(sample.boltz_rank for sample in report.samples) != list(range(self.options.samples)):
            raise ValueError(f"not a report on {self.options.samples} samples: {report.samples}")
        return report

    def _unchecked(self, why: str) -> ChecksReport:
        ranks = range(self.options.samples)
        verdict = {"verdict": Verdict.UNCHECKED, "unchecked": why}
        return ChecksReport(samples=tuple(CheckedSample(rank=n, boltz_rank=n, **verdict) for n in ranks))

    def _with_caveats(self, files: Mapping[str, Path]) -> ChecksReport:
        """Return the report with what to mind about the affinity, where there is one."""
        if AFFINITY not in files:
            return self._report
        affinity = json.loads(files[AFFINITY].read_text())
        caveats = affinity_caveats(affinity, self.document, self.options, self._report.samples[0])
        return self._report.model_copy(update={"affinity": caveats})

    def _guarded(self, work: Callable[[], T], otherwise: Callable[[str], T]) -> T:
        """Return what the work returns; where it fails, tell, and return what else to do by the reason."""
        try:
            return work()
        except Exception as error:
            logger.exception(
                "structures not checked", extra=self.about | {"action": "structures.not_checked"}
            )
            return otherwise(_reason(error))


def unchecked(why: str, report: ChecksReport | None = None) -> Checks:
    """Return the summary of what could not be checked, or of a report that could not be summed up."""
    samples = report.samples if report else ()
    judged = (SampleVerdict(**sample.model_dump(include=_OF_A_SAMPLE)) for sample in samples)
    return Checks(verdict=Verdict.UNCHECKED, reasons=(f"Not checked: {why}.",), samples=tuple(judged))


def _reason(error: Exception) -> str:
    """Return in words why nothing was checked; the log has the rest."""
    code = error.failure.code if isinstance(error, FailedError) else None
    return REASONS.get(code, REASON) if code else REASON
