"""Puts the samples that failed a check behind those that did not."""

from schemas.checks import ChecksReport, Verdict


def best_first(report: ChecksReport) -> ChecksReport:
    """Return the samples with new ranks: those that have not failed first, else by Boltz-2's confidence."""
    ordered = sorted(report.samples, key=lambda sample: (sample.verdict == Verdict.FAILED, sample.boltz_rank))
    ranked = tuple(sample.model_copy(update={"rank": rank}) for rank, sample in enumerate(ordered))
    return report.model_copy(update={"samples": ranked})
