"""The scores of a prediction: what Boltz-2 calls them, and how people read them."""

from collections.abc import Mapping
from typing import NamedTuple


class Score(NamedTuple):
    """A score by its name in receipts, which is Boltz-2's; people see it multiplied by ``times``."""

    name: str
    label: str
    digits: int
    higher_is_better: bool = True
    times: int = 1

    def of(self, scores: Mapping[str, float]) -> float | None:
        """Return its value among others, or None if it is not there."""
        return scores.get(self.name)

    def shown(self, scores: Mapping[str, float]) -> str:
        """Write its value as people read it; nothing if it is not there."""
        value = self.of(scores)
        return "" if value is None else f"{self.times * value:.{self.digits}f}"


CONFIDENCE = Score("confidence_score", "confidence", 3)
PTM = Score("ptm", "pTM", 3)
IPTM = Score("iptm", "ipTM", 3)
PLDDT = Score("complex_plddt", "mean pLDDT", 1, times=100)
AFFINITY = Score("affinity_pred_value", "affinity", 3, higher_is_better=False)
"""log10 of IC50 in micromolar."""

BINDER = Score("affinity_probability_binary", "binder, probability", 3)

SCORES = (CONFIDENCE, PTM, IPTM, PLDDT, AFFINITY, BINDER)
