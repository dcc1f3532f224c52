"""What checks found, in few sentences: for receipt, event, report and terminal."""

from collections.abc import Mapping

from inputs.grammar import BoltzInput
from schemas.checks import CheckedSample, Checks, ChecksReport, SampleVerdict, Verdict
from schemas.options import Options


def summary(report: ChecksReport, options: Options) -> Checks:
    """Return the verdict on the sample of rank 0, what it rests on, and what helps."""
    first = next(sample for sample in report.samples if sample.rank == 0)
    return Checks(
        verdict=first.verdict,
        best=None if first.verdict == Verdict.FAILED else first.boltz_rank,
        samples=tuple(
            SampleVerdict(
                rank=sample.rank, boltz_rank=sample.boltz_rank, verdict=sample.verdict, counts=sample.counts
            )
            for sample in report.samples
        ),
        affinity=report.affinity,
    )


def affinity_caveats(
    affinity: Mapping[str, float], document: BoltzInput, options: Options, checked: CheckedSample
) -> tuple[str, ...]:
    """Return what to mind about an affinity, in sentences.

    ``affinity`` is what Boltz-2 wrote, ``checked`` the sample that it was computed on.
    """
    return ()
