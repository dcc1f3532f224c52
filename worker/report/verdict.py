"""What checks found in the structures of a prediction, as its page and picture show it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from schemas.checks import (
    MAX_CONSTRAINTS,
    MAX_INTERFACES,
    CheckedSample,
    Checks,
    ConstraintCheck,
    Interface,
    Outlier,
    Verdict,
)
from worker.checks.order import best_pairs_first
from worker.report.prediction import Prediction

LISTED = 20
"""Outliers of a sample that a page lists, failed ones first; checks.json has more."""

NAMED = 3
"""Checks that one line names."""

SENTENCES = {
    Verdict.PASSED: "nothing is wrong with stereochemistry, geometry, or what the input asked for.",
    Verdict.WARNINGS: "something is unusual, and may be right.",
    Verdict.FAILED: "something is chemically impossible, or not what the input asked for.",
    Verdict.UNCHECKED: "something could not be checked; nothing that was is wrong.",
}
"""What a verdict says of the best sample; one of a later release says nothing more."""


class Reason(NamedTuple):
    """A reason of the verdict, and the outlier in the best sample that it is about, where that is known."""

    text: str
    of: Outlier | None


class Shown(NamedTuple):
    """A sample as a page shows it: what was found, and which outliers, constraints and pairs are listed."""

    of: CheckedSample
    outliers: Sequence[Outlier]
    unlisted: int
    constraints: Sequence[ConstraintCheck]
    interfaces: Sequence[Interface]


def section(prediction: Prediction) -> dict[str, Any] | None:
    """Return what a page says of the checks; None for a result of the time before there were any."""
    summary = prediction.summary
    if summary is None:
        return None
    samples = sorted(prediction.checks.samples if prediction.checks else (), key=lambda each: each.rank)
    return {
        "verdict": summary.verdict,
        "sentence": SENTENCES.get(summary.verdict, ""),
        "reasons": [_reason(text, samples) for text in summary.reasons],
        "affinity": summary.affinity,
        "samples": [_shown(each) for each in samples],
        "interfaces": any(each.interfaces for each in samples),
        "names": list(
            dict.fromkeys(name for each in samples for name, count in each.counts.items() if count)
        ),
        "reordered": any(each.rank != each.boltz_rank for each in samples),
    }


def in_short(summary: Checks) -> str:
    """Return the verdict on the best sample in one line, with the checks that found the most."""
    counts = next((each.counts for each in summary.samples if each.rank == 0), {})
    found = sorted(((name, count) for name, count in counts.items() if count), key=lambda each: -each[1])
    named = [f"{name} {count:,}" for name, count in found[:NAMED]] + ["…"] * (len(found) > NAMED)
    return f"checks: {summary.verdict}" + (f" ({', '.join(named)})" if named else "")


def _reason(text: str, samples: Sequence[CheckedSample]) -> Reason:
    """Find what a reason is about: its words are those of an outlier, or name the worst of several."""
    outliers, said = samples[0].outliers if samples else (), text.casefold()
    return Reason(text, next((each for each in outliers if each.what.casefold() in said), None))


def _shown(sample: CheckedSample) -> Shown:
    listed = sample.outliers[:LISTED]
    unlisted = max(len(sample.outliers), sum(sample.counts.values())) - len(listed)
    constraints = sorted(sample.constraints, key=lambda each: each.met)[:MAX_CONSTRAINTS]
    return Shown(sample, listed, unlisted, constraints, best_pairs_first(sample.interfaces)[:MAX_INTERFACES])
