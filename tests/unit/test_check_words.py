"""What checks found, in words: few sentences, each with its figures, and what helps."""

from collections.abc import Iterable

import pytest
from support.inputs import BINDER, one_protein

from inputs.read import read_input
from schemas.checks import (
    MAX_CONSTRAINTS,
    MAX_INTERFACES,
    MAX_REASON,
    MAX_REASONS,
    CheckedSample,
    Checks,
    ChecksReport,
    ConstraintCheck,
    Interface,
    Outlier,
    Verdict,
)
from schemas.options import Options
from worker.checks.limits import LIMITS
from worker.checks.words import THINGS, affinity_caveats, summary

PLAIN, STEERED = Options(), Options(potentials=True)


def outlier(check: str, what: str = "something is wrong", level: str = "failed") -> Outlier:
    return Outlier(check=check, level=level, what=what)


def sample(*outliers: Outlier, looked_at: int = 50, **fields: object) -> CheckedSample:
    kinds = [each.check for each in outliers]
    counts = {kind: kinds.count(kind) for kind in kinds}
    verdict = Verdict.FAILED if any(each.level == "failed" for each in outliers) else Verdict.WARNINGS
    known = {"verdict": verdict if outliers else Verdict.PASSED, "counts": counts} | fields
    return CheckedSample(
        rank=0, boltz_rank=0, outliers=outliers, looked_at=dict.fromkeys(counts, looked_at), **known
    )


def summed(*samples: CheckedSample, options: Options = PLAIN) -> Checks:
    return summary(ChecksReport(samples=samples), options)


def test_a_structure_without_findings_has_nothing_said_of_it() -> None:
    found = summed(sample())
    assert (found.verdict, found.best, found.reasons) == (Verdict.PASSED, 0, ())


def test_one_finding_is_said_with_its_remedy() -> None:
    found = summed(sample(outlier("stereocentre", "L LIG1 1 C57 is inverted")))
    assert found.reasons == (
        "L LIG1 1 C57 is inverted. "
        "Ask for dropfold-potentials:true, which steers stereochemistry, or for more samples.",
    )
    assert (found.verdict, found.best) == (Verdict.FAILED, None)


def test_many_findings_of_a_check_are_one_sentence_that_names_three() -> None:
    many = [outlier("ring", f"the ring at A PHE {at} CG is bent by 0.30 Å") for at in range(1, 10)]
    [reason] = summed(sample(*many), options=STEERED).reasons
    assert reason.startswith(
        "9 of 50 rings: the ring at A PHE 1 CG is bent by 0.30 Å; the ring at A PHE 2 CG"
    )
    assert reason.count("is bent") <= 3
    assert reason.endswith(", … Ask for more samples (dropfold-samples) or another seed.")


def test_a_remedy_is_given_once() -> None:
    reasons = summed(sample(outlier("bond"), outlier("angle"), outlier("ring"))).reasons
    assert [("Ask for" in reason) for reason in reasons] == [True, False, False]


def test_a_warning_is_said_behind_what_failed_and_what_was_not_checked() -> None:
    wrong = sample(outlier("bond"), outlier("peptide cis", "cis", "warning"), unchecked="A 5 lacks CB")
    assert [reason.partition(".")[0] for reason in summed(wrong).reasons] == [
        "Something is wrong",
        "Not checked: A 5 lacks CB",
        "Cis",
    ]


def test_what_was_not_checked_is_said_alone() -> None:
    found = summed(sample(verdict=Verdict.UNCHECKED, unchecked="A 5 lacks CB"))
    assert (found.verdict, found.best, found.reasons) == (
        Verdict.UNCHECKED,
        0,
        ("Not checked: A 5 lacks CB.",),
    )


@pytest.mark.parametrize(
    ("found", "options", "remedy"),
    [
        (outlier("double bond"), Options(), "dropfold-potentials:true"),
        (outlier("double bond"), STEERED, "dropfold-samples"),
        (outlier("clash"), Options(), "dropfold-samples"),
        (outlier("contact", level="warning"), Options(), "`force: true`"),
        (outlier("pocket"), Options(), "dropfold-samples"),
        (outlier("open stereocentre", level="warning"), Options(), "@ or @@"),
        (outlier("peptide cis", level="warning"), Options(), "It may be right"),
    ],
)
def test_the_remedy_is_what_helps(found: Outlier, options: Options, remedy: str) -> None:
    [reason] = summed(sample(found), options=options).reasons
    assert remedy in reason


def test_a_receipt_s_part_is_bounded() -> None:
    kinds = list(THINGS)
    outliers = [outlier(kind, "w" * 500) for kind in kinds for _ in range(2)]
    pairs = tuple(Interface(chains=("A", f"B{at}"), mean_pae=at, ipsae=at / 100) for at in range(60))
    constraints = tuple(ConstraintCheck(constraint="c", distance=1, limit=2, met=True) for _ in range(200))
    found = summed(sample(*outliers, interfaces=pairs, constraints=constraints))
    assert len(found.reasons) == MAX_REASONS < len(kinds)
    assert max(map(len, found.reasons)) <= MAX_REASON
    assert [pair.chains[1] for pair in found.interfaces] == [f"B{59 - at}" for at in range(MAX_INTERFACES)]
    assert len(found.constraints) == MAX_CONSTRAINTS


def test_pairs_without_a_score_come_last_the_nearest_first() -> None:
    pairs = tuple(
        Interface(chains=(name, "Z"), mean_pae=pae, ipsae=score)
        for name, pae, score in (("A", 9.0, None), ("B", 3.0, None), ("C", 20.0, 0.0))
    )
    assert [pair.chains[0] for pair in summed(sample(interfaces=pairs)).interfaces] == ["C", "B", "A"]


def test_the_summary_is_of_the_best_sample_and_lists_all() -> None:
    first = sample().model_copy(update={"boltz_rank": 2})
    second = sample(outlier("bond")).model_copy(update={"rank": 1})
    found = summed(first, second)
    assert (found.verdict, found.best) == (Verdict.PASSED, 2)
    assert [(each.rank, each.boltz_rank, each.counts) for each in found.samples] == [
        (0, 2, {}),
        (1, 0, {"bond": 1}),
    ]


def test_every_check_of_the_table_has_a_plural() -> None:
    assert [limit.check for limit in LIMITS] == list(THINGS)


BOTH = {"affinity_pred_value1": -1.0, "affinity_pred_value2": -0.5}


def caveats(
    affinity: dict[str, float] = BOTH,
    text: str = BINDER,
    options: Options = PLAIN,
    found: Iterable[Outlier] = (),
) -> str:
    document = read_input("a.yaml", text.encode())
    return " ".join(affinity_caveats(affinity, document, options, sample(*found)))


def test_what_is_true_of_every_affinity_is_always_said() -> None:
    assert caveats() == (
        "The affinity has a pose of its own, which Boltz-2 does not write and no check has seen. "
        "The energy is as if the IC50 were a dissociation constant."
    )
    assert "nor do potentials steer it." in caveats(options=STEERED)


@pytest.mark.parametrize(("second", "expected"), [(0.0, False), (0.01, True), (-2.01, True)])
def test_two_models_apart_are_said(second: float, expected: bool) -> None:
    words = caveats({"affinity_pred_value1": -1.0, "affinity_pred_value2": second})
    assert ("The two models behind it differ by 1.0, a factor of 10." in words) is expected


@pytest.mark.parametrize(("count", "expected"), [(56, False), (57, True)])
def test_a_large_ligand_is_said(count: int, expected: bool) -> None:
    text = (
        f"{one_protein()}- ligand: {{id: B, smiles: {'C' * count}}}\nproperties:\n- affinity: {{binder: B}}\n"
    )
    assert (f"The ligand has {count} heavy atoms" in caveats(text=text)) is expected


def test_an_affinity_without_a_protein_is_said() -> None:
    text = "sequences:\n- rna: {id: A, sequence: GGUCAC}\n- ligand: {id: B, ccd: GOL}\n"
    words = caveats(text=f"{text}properties:\n- affinity: {{binder: B}}\n")
    assert words.startswith("There is no protein in the input: ")


def test_the_isomer_is_said() -> None:
    words = caveats(found=[outlier("stereocentre"), outlier("bond")])
    assert "failed a check (stereocentre): the pose that the affinity is of" in words
    left_open = [outlier("open stereocentre", level="warning")] * 2
    assert "The SMILES leaves 2 stereocentres open: the value is of the isomer that was built." in caveats(
        found=left_open
    )
