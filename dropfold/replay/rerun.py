"""A result that is computed again, and what is told of how that went."""

from dataclasses import dataclass

from dropfold.replay.agreement import Agreement, Change, Comparison
from schemas.receipt import Receipt
from schemas.scores import SCORES

HEADS = ("agreement", "input", "job", "again", "RMSD", "scores", "why")
LABELS = {score.name: score for score in SCORES}


@dataclass(frozen=True)
class Rerun:
    """A result, and the job that computes it again; or why there is none."""

    first: Receipt
    again: str | None = None
    why: str = ""


def row(rerun: Rerun, comparison: Comparison) -> tuple[object, ...]:
    """Return a line of a table, by ``HEADS``."""
    first, why = rerun.first, "; ".join(comparison.why)
    changed = ", ".join(_shown(*each) for each in comparison.scores.items())
    scores = "equal" if comparison.agreement is Agreement.EXACT else changed
    apart = _apart(comparison)
    return comparison.agreement, first.source.name, first.job_id, rerun.again, apart, scores, why


def record(rerun: Rerun, comparison: Comparison) -> dict[str, object]:
    """Return all that there is to say, as JSON."""
    apart = comparison.deviation
    return {
        "agreement": comparison.agreement,
        "input": rerun.first.source.name,
        "job_id": rerun.first.job_id,
        "replay_job_id": rerun.again,
        "rmsd": apart.atoms if apart else None,
        "ligand_rmsd": apart.ligands if apart else None,
        "scores": {name: {"first": pair[0], "replay": pair[1]} for name, pair in comparison.scores.items()},
        "why": list(comparison.why),
    }


def _apart(comparison: Comparison) -> str:
    if comparison.deviation is None:
        return ""
    atoms, ligands = comparison.deviation
    return f"{atoms:.3f}" if ligands is None else f"{atoms:.3f}, ligands {ligands:.3f}"


def _shown(name: str, change: Change) -> str:
    score = LABELS[name]
    before, after = (score.shown({} if value is None else {name: value}) or "none" for value in change)
    return f"{score.label} {before} → {after}"
