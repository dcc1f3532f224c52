"""What checks found in structures, made up for what shows it."""

from collections.abc import Sequence
from dataclasses import replace

from schemas.checks import (
    MAX_CONSTRAINTS,
    MAX_REASONS,
    CheckedSample,
    Checks,
    ChecksReport,
    ConstraintCheck,
    Interface,
    Outlier,
    SampleVerdict,
    Verdict,
)
from worker.report.prediction import Prediction

FLAT = Outlier(
    check="stereocentre",
    level="failed",
    chain="A",
    residue=7,
    atom="CA",
    what="A ALA 7 CA is flat",
    value=0.1,
)
CIS = Outlier(
    check="peptide cis",
    level="warning",
    chain="A",
    residue=3,
    atom="C",
    what="A ALA 3 to ALA 4 is cis",
    value=2.0,
)
ALONE = Outlier(
    check="alone", level="failed", chain="L", what="L is 40.0 Å from every other chain", value=40.0
)
REMEDY = "Ask for dropfold-samples:5: the best one that passes comes first."
CAVEAT = "The energy takes the IC50 for a Kd."
INTERFACES = (
    Interface(chains=("A", "L"), iptm=0.5, mean_pae=9.5),
    Interface(
        chains=("A", "B"),
        iptm=0.871,
        mean_pae=4.2,
        ipsae=0.866,
        ipsae_min=0.449,
        pdockq2=0.712,
        lis=0.656,
        lia=17243,
    ),
)
CONSTRAINTS = (
    ConstraintCheck(constraint="pocket of L: A 10", distance=4.7, limit=6.0, met=True),
    ConstraintCheck(constraint="contact of A 3 and L", distance=12.3, limit=8.0, met=False),
)


def a_sample(rank: int, *outliers: Outlier, boltz_rank: int | None = None) -> CheckedSample:
    """Return a sample in which this was found, each once."""
    return CheckedSample(
        rank=rank,
        boltz_rank=rank if boltz_rank is None else boltz_rank,
        verdict=_verdict(outliers),
        counts={outlier.check: 1 for outlier in outliers},
        outliers=outliers,
        interfaces=INTERFACES,
        constraints=CONSTRAINTS,
    )


def _verdict(outliers: Sequence[Outlier]) -> Verdict:
    levels = {outlier.level for outlier in outliers}
    if "failed" in levels:
        return Verdict.FAILED
    return Verdict.WARNINGS if levels else Verdict.PASSED


def a_summary(*samples: CheckedSample) -> Checks:
    """Return what a receipt has of samples, the best first."""
    first = samples[0]
    return Checks(
        verdict=first.verdict,
        best=None if first.verdict == Verdict.FAILED else first.boltz_rank,
        reasons=tuple(f"{outlier.what}. {REMEDY}" for outlier in first.outliers[:MAX_REASONS]),
        samples=tuple(
            SampleVerdict(**sample.model_dump(include=set(SampleVerdict.model_fields))) for sample in samples
        ),
        interfaces=first.interfaces,
        constraints=first.constraints[:MAX_CONSTRAINTS],
        affinity=(CAVEAT,),
    )


def checked(prediction: Prediction, samples: Sequence[CheckedSample]) -> Prediction:
    """Return the prediction as it is after its checks."""
    report = ChecksReport(samples=tuple(samples), affinity=(CAVEAT,))
    return replace(prediction, checks=report, summary=a_summary(*samples))
