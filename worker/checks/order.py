"""Which comes first: of samples those that failed no check, of pairs of chains those with the best ipSAE."""

from collections.abc import Iterable

from schemas.checks import ChecksReport, Interface, Verdict


def best_first(report: ChecksReport) -> ChecksReport:
    """Return the samples with new ranks: those that have not failed first, else by Boltz-2's confidence."""
    ordered = sorted(report.samples, key=lambda sample: (sample.verdict == Verdict.FAILED, sample.boltz_rank))
    ranked = tuple(sample.model_copy(update={"rank": rank}) for rank, sample in enumerate(ordered))
    return report.model_copy(update={"samples": ranked})


def best_pairs_first(interfaces: Iterable[Interface]) -> list[Interface]:
    """Return pairs of chains by ipSAE; those that have none come last, the smallest error first."""
    return sorted(interfaces, key=lambda pair: (pair.ipsae is None, -(pair.ipsae or 0), pair.mean_pae))
