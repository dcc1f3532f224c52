"""What checks found, in few sentences: for receipt, event, report and terminal."""

from collections.abc import Iterator, Mapping

from inputs import caveats
from inputs.grammar import BoltzInput
from schemas.checks import (
    MAX_CONSTRAINTS,
    MAX_INTERFACES,
    MAX_REASON,
    MAX_REASONS,
    CheckedSample,
    Checks,
    ChecksReport,
    Outlier,
    SampleVerdict,
    Verdict,
)
from schemas.options import Options
from worker.checks.order import best_pairs_first

NAMED = 3
"""Outliers of a check that are named in its sentence."""

THINGS = {
    "stereocentre": "stereocentres",
    "double bond": "double bonds",
    "open stereocentre": "open stereocentres",
    "bond": "bonds",
    "angle": "angles",
    "ring": "rings",
    "double bond plane": "double bonds",
    "inner clash": "pairs of a ligand's atoms",
    "backbone": "bonds along the backbone",
    "peptide twisted": "peptide bonds",
    "peptide cis": "peptide bonds",
    "clash": "overlaps",
    "alone": "chains",
    "bond asked": "bonds asked for",
    "contact": "contacts asked for",
    "pocket": "contacts of pockets",
}
"""What a check looks at, in the plural."""

COUNTED = frozenset({"clash"})
"""Checks that look at no definite number of things."""

STEREO = frozenset({"stereocentre", "double bond"})
ASKED = frozenset({"contact", "pocket"})

DIFFERENT_MODELS = 1.0
"""Difference of the two affinity models past which it is said: a factor of ten."""


def summary(report: ChecksReport, options: Options) -> Checks:
    """Return the verdict on the sample of rank 0, what it rests on, and what helps."""
    best = next(sample for sample in report.samples if sample.rank == 0)
    return Checks(
        verdict=best.verdict,
        best=None if best.verdict == Verdict.FAILED else best.boltz_rank,
        reasons=tuple(_reasons(best, options))[:MAX_REASONS],
        samples=tuple(
            SampleVerdict(
                rank=sample.rank, boltz_rank=sample.boltz_rank, verdict=sample.verdict, counts=sample.counts
            )
            for sample in report.samples
        ),
        interfaces=tuple(best_pairs_first(best.interfaces)[:MAX_INTERFACES]),
        constraints=best.constraints[:MAX_CONSTRAINTS],
        affinity=report.affinity,
    )


def _reasons(sample: CheckedSample, options: Options) -> Iterator[str]:
    """Yield what failed, what could not be checked, and what is unusual; a remedy is given once."""
    said: set[str] = set()
    unchecked = [_cut(f"Not checked: {sample.unchecked}.")] if sample.unchecked else []
    by_check: dict[str, list[Outlier]] = {}
    for outlier in sample.outliers:  # failed ones first
        by_check.setdefault(outlier.check, []).append(outlier)
    for check, outliers in by_check.items():
        if outliers[0].level != "failed":
            yield from unchecked
            unchecked = []
        remedy = _remedy(outliers[0], options)
        advice = "" if remedy in said else f" {remedy}"
        said.add(remedy)
        found = sample.counts.get(check, 0), sample.looked_at.get(check, 0)
        yield _sentence(check, outliers, found, MAX_REASON - len(advice)) + advice
    yield from unchecked


def _sentence(check: str, outliers: list[Outlier], found: tuple[int, int], most: int) -> str:
    """Return what a check found: the one thing, or how many of how many and the worst of them."""
    count, looked_at = found
    if count == 1:
        return _cut(f"{_capital(outliers[0].what)}.", most)
    of = "" if check in COUNTED else f" of {looked_at:,}"
    begin = f"{count:,}{of} {THINGS.get(check, check)}: "
    named = [outlier.what for outlier in outliers[:NAMED]]
    while len(named) > 1 and len(begin) + len("; ".join(named)) + len(", …") > most:
        named.pop()
    more = ", …" if count > len(named) else "."
    return _cut(begin + "; ".join(named) + more, most)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _cut(text: str, most: int = MAX_REASON) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _remedy(outlier: Outlier, options: Options) -> str:
    if outlier.check in STEREO and not options.potentials:
        return "Ask for dropfold-potentials:true, which steers stereochemistry, or for more samples."
    if outlier.check in ASKED and outlier.level == "warning":
        return "With `force: true` a potential enforces it."
    if outlier.check == "open stereocentre":
        return "Write @ or @@ in the SMILES to ask for one."
    if outlier.level == "failed":
        return "Ask for more samples (dropfold-samples) or another seed."
    return "It may be right: look at it."


def affinity_caveats(
    affinity: Mapping[str, float], document: BoltzInput, options: Options, checked: CheckedSample
) -> tuple[str, ...]:
    """Return what to mind about an affinity, in sentences.

    ``affinity`` is what Boltz-2 wrote, ``checked`` the sample that it was computed on.
    """
    return tuple(_caveats(affinity, document, options, checked))


def _caveats(
    affinity: Mapping[str, float], document: BoltzInput, options: Options, checked: CheckedSample
) -> Iterator[str]:
    both = affinity.get("affinity_pred_value1"), affinity.get("affinity_pred_value2")
    if both[0] is not None and both[1] is not None and (apart := abs(both[0] - both[1])) > DIFFERENT_MODELS:
        yield f"The two models behind it differ by {apart:.1f}, a factor of {10**apart:.0f}."
    yield from caveats.affinity_caveats(document)
    if wrong := STEREO & checked.counts.keys():
        yield (
            f"The structure failed a check ({', '.join(sorted(wrong))}): the pose that the affinity is of, "
            "sampled anew, may be of another isomer, too."
        )
    if left_open := checked.counts.get("open stereocentre", 0):
        many = f"{left_open} stereocentres" if left_open > 1 else "a stereocentre"
        yield f"The SMILES leaves {many} open: the value is of the isomer that was built."
    yield (
        "The affinity has a pose of its own, which Boltz-2 does not write and no check has seen"
        + (", nor do potentials steer it." if options.potentials else ".")
    )
    yield "The energy is as if the IC50 were a dissociation constant."
