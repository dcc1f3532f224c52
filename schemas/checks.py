"""Checks of predicted structures: what was looked at, what was found, and the verdict on it.

``ChecksReport`` is ``checks.json``, which has everything; ``Checks`` is what of it a receipt has.
"""

from typing import Literal, Self

from pydantic import Field

from schemas.record import Record
from schemas.vocabulary import Vocabulary

MAX_OUTLIERS, MAX_REASONS, MAX_INTERFACES, MAX_CONSTRAINTS = 1000, 10, 40, 100
"""Most outliers of a sample in checks.json; most reasons, pairs of chains and constraints in a receipt."""

MAX_REASON = 200
"""Longest reason, in characters."""


class Verdict(Vocabulary):
    """Verdict on a predicted structure."""

    PASSED = "passed"
    WARNINGS = "warnings"  # something is unusual, and may be right
    FAILED = "failed"  # something is chemically impossible, or not what the input asked for
    UNCHECKED = "unchecked"  # something could not be checked, and nothing that was is wrong


class Outlier(Record):
    """One thing in a structure that is not as it should be.

    ``residue`` is the number that the structure's file has, from 1; ``value`` is in the unit of the check:
    docs/checks.md.
    """

    check: str
    level: Literal["failed", "warning"]
    chain: str | None = None
    residue: int | None = None
    atom: str | None = None
    what: str = Field(description="In words, with the figure and what is normal.")
    value: float | None = None


class Interface(Record):
    """Scores of a pair of chains, made from the predicted aligned error (PAE, angstrom) between them.

    Scores that are made for polymers, or for proteins, are null for others. ``iptm`` is Boltz-2's, of the
    better direction; ``ipsae`` is of the better direction, ``ipsae_min`` of the other. ``lia`` counts pairs
    of tokens.
    """

    chains: tuple[str, str]
    iptm: float | None = None
    mean_pae: float
    ipsae: float | None = None
    ipsae_min: float | None = None
    pdockq2: float | None = None
    lis: float | None = None
    lia: int | None = None


class ConstraintCheck(Record):
    """Whether a constraint of the input was met: angstrom between the nearest atoms of both sides."""

    constraint: str
    distance: float
    limit: float
    met: bool


class CheckedSample(Record):
    """Result of checking one sample. ``boltz_rank`` is its place by Boltz-2's confidence, from 0."""

    rank: int = Field(ge=0)
    boltz_rank: int = Field(ge=0)
    verdict: Verdict
    unchecked: str | None = Field(None, description="What could not be checked, and why.")
    counts: dict[str, int] = Field(default_factory=dict, description="Outliers by check, all of them.")
    looked_at: dict[str, int] = Field(
        default_factory=dict, description="Things looked at by check: bonds, stereocentres, and so on."
    )
    outliers: tuple[Outlier, ...] = Field((), description="The first 1,000, failed ones first.")
    interfaces: tuple[Interface, ...] = ()
    constraints: tuple[ConstraintCheck, ...] = ()


class ChecksReport(Record):
    """``checks.json``: samples by their rank, and the caveats of the affinity."""

    version: Literal[1] = 1
    samples: tuple[CheckedSample, ...]
    affinity: tuple[str, ...] = ()

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Return the report, without a later release's fields. Raises pydantic's ValidationError."""
        return cls.model_validate_json(body, extra="ignore")


class SampleVerdict(Record):
    """Verdict on one sample, and how many outliers it has by check."""

    rank: int = Field(ge=0)
    boltz_rank: int = Field(ge=0)
    verdict: Verdict
    counts: dict[str, int] = Field(default_factory=dict)


class Checks(Record):
    """Verdict on the best sample, which is delivered as ``model_0``, and what it rests on.

    ``best`` is its rank by Boltz-2's confidence, null where every sample failed.
    """

    version: Literal[1] = 1
    verdict: Verdict
    best: int | None = None
    reasons: tuple[str, ...] = Field((), max_length=MAX_REASONS, description="In words, with a remedy.")
    samples: tuple[SampleVerdict, ...] = ()
    interfaces: tuple[Interface, ...] = Field(
        (), max_length=MAX_INTERFACES, description="Pairs of chains of the best sample, best ipSAE first."
    )
    constraints: tuple[ConstraintCheck, ...] = Field((), max_length=MAX_CONSTRAINTS)
    affinity: tuple[str, ...] = Field((), description="Caveats of the affinity.")
