"""A row of a folder's page: the receipt of one upload in a line. summary.csv keeps them all.

The CSV is also the memory of the page: receipts never change, so each is read once. A row without a state is
a receipt that nobody has read yet.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any, Self

from pydantic import AwareDatetime, Field

from schemas.checks import Checks, Verdict
from schemas.failure import shortened
from schemas.job import State
from schemas.outputs import BEST_STRUCTURES
from schemas.receipt import RECEIPT, REPORT, SUMMARY, Receipt
from schemas.record import Record
from schemas.scores import (
    AFFINITY,
    BINDER,
    CONFIDENCE,
    INTERFACE_PAE,
    IPSAE,
    IPTM,
    LIS,
    PDOCKQ2,
    PLDDT,
    PTM,
)
from schemas.spreadsheet import guarded, unguarded

ORDER = (State.FAILED, State.REJECTED, State.CANCELLED, State.SUCCEEDED, State.SUPERSEDED)
"""Each end, as a reader wants them: what needs a person first, what nobody asks for any more last."""

VERDICTS = (Verdict.FAILED, Verdict.WARNINGS, Verdict.UNCHECKED, Verdict.PASSED)
"""Each verdict on a structure, as a reader wants them, too."""

TEXTS = frozenset({"name", "message", "remedy", "reasons", "receipt", "report", "structure", "picture"})

LONGEST_SENTENCE = 300
"""Letters of a message, a remedy or reasons that a row has. The receipt, to which it leads, has all."""


class Row(Record):
    """One upload. Paths are relative to the page; ``log_ic50`` is log10 of micromolar.

    ``best_sample`` is the delivered sample's rank by Boltz-2's confidence, from 0, None where all failed. The
    scores of interfaces are of the pair of polymers with the best ipSAE; ``interface_pae`` is in angstrom.
    """

    receipt: str = Field(min_length=1)
    job_id: str
    state: State | None = None
    name: str = ""
    checks: Verdict | None = None
    reasons: str | None = None
    best_sample: int | None = None
    failed_samples: int | None = None
    constraints_met: str | None = None
    confidence: float | None = None
    ptm: float | None = None
    iptm: float | None = None
    ipsae: float | None = None
    pdockq2: float | None = None
    lis: float | None = None
    interface_pae: float | None = None
    plddt: float | None = None
    binder_probability: float | None = None
    log_ic50: float | None = None
    random_weights: bool | None = None
    tokens: int | None = None
    seconds: float | None = None
    finished_at: AwareDatetime | None = None
    code: str | None = None
    message: str | None = None
    remedy: str | None = None
    cached_from: str | None = None
    report: str | None = None
    structure: str | None = None
    picture: str | None = None

    @classmethod
    def unread(cls, path: str) -> Self:
        """Make room for a receipt, named relative to the page: ``NAME/JOB_ID/receipt.json``."""
        return cls(receipt=path, job_id=path.split("/")[-2])

    @classmethod
    def of(cls, path: str, receipt: Receipt) -> Self:
        """Return the row of a receipt."""
        beside = {output.name.rpartition("/")[2] for output in receipt.outputs}
        found = {name: path.removesuffix(RECEIPT) + name for name in beside}
        error = receipt.error
        return cls(
            receipt=path,
            job_id=receipt.job_id,
            state=receipt.state,
            name=receipt.source.name,
            **(_checked(receipt.checks) if receipt.checks else {}),
            confidence=CONFIDENCE.of(receipt.scores),
            ptm=PTM.of(receipt.scores),
            iptm=IPTM.of(receipt.scores),
            ipsae=IPSAE.of(receipt.scores),
            pdockq2=PDOCKQ2.of(receipt.scores),
            lis=LIS.of(receipt.scores),
            interface_pae=INTERFACE_PAE.of(receipt.scores),
            plddt=PLDDT.of(receipt.scores),
            binder_probability=BINDER.of(receipt.scores),
            log_ic50=AFFINITY.of(receipt.scores),
            random_weights=receipt.model.random_weights if receipt.model else None,
            tokens=receipt.tokens,
            seconds=round((receipt.finished_at - receipt.created_at).total_seconds(), 1),
            finished_at=receipt.finished_at,
            code=error.code if error else None,
            message=shortened(error.message, LONGEST_SENTENCE) if error else None,
            remedy=shortened(error.remedy, LONGEST_SENTENCE) if error else None,
            cached_from=receipt.cached_from,
            report=found.get(REPORT),
            structure=next(filter(None, map(found.get, BEST_STRUCTURES)), None),
            picture=found.get(SUMMARY),
        )

    @property
    def rank(self) -> int:
        """Place of its state in ``ORDER``; unread rows come last."""
        return ORDER.index(self.state) if self.state else len(ORDER)


def verdict_rank(verdict: Verdict) -> int:
    """Return the place of a verdict in ``VERDICTS``; one of a later release comes last."""
    return VERDICTS.index(verdict) if verdict in VERDICTS else len(VERDICTS)


def _checked(checks: Checks) -> dict[str, Any]:
    """Return the fields that the checks of the structures fill."""
    met = [constraint.met for constraint in checks.constraints]
    failed = sum(sample.verdict == Verdict.FAILED for sample in checks.samples)
    return {
        "checks": checks.verdict,
        "reasons": shortened(" ".join(checks.reasons), LONGEST_SENTENCE) or None,
        "best_sample": checks.best,
        "failed_samples": failed if checks.samples else None,
        "constraints_met": f"{sum(met)} of {len(met)}" if met else None,
    }


COLUMNS = tuple(sorted(Row.model_fields, key=lambda name: name in {"receipt", "job_id"}))


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Sort: by state, then by name, then the newest first."""
    newest_first = sorted(rows, key=lambda row: (row.finished_at is not None, row.finished_at), reverse=True)
    return sorted(newest_first, key=lambda row: (row.rank, row.name))


def encode(rows: Iterable[Row]) -> bytes:
    """Write rows as CSV (RFC 4180, UTF-8)."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    for row in rows:
        values = row.model_dump(mode="json")
        writer.writerow([_cell(name, values[name]) for name in COLUMNS])
    return text.getvalue().encode()


def decode(content: bytes) -> list[Row]:
    """Read what ``encode`` wrote. Raises ValueError for anything else: another version's, or somebody's."""
    table = csv.reader(io.StringIO(content.decode(), newline=""), strict=True)
    try:
        columns, *lines = table
    except csv.Error as error:
        raise ValueError(f"no CSV: {error}") from error
    if tuple(columns) != COLUMNS:
        raise ValueError(f"columns {columns} instead of {COLUMNS}")
    return [Row.model_validate(_values(dict(zip(COLUMNS, line, strict=True)))) for line in lines]


def _cell(name: str, value: object) -> object:
    if name in TEXTS and isinstance(value, str):
        return guarded(value)
    return str(value).lower() if isinstance(value, bool) else value


def _values(line: Mapping[str, str]) -> dict[str, str]:
    """Leave out what is empty, and take away the apostrophe that ``_cell`` put there."""
    return {name: unguarded(value) if name in TEXTS else value for name, value in line.items() if value}
