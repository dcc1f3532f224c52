"""The scores of a prediction, and how people read them.

Names are Boltz-2's, but for those of interfaces: worker/checks/interfaces.py makes them from its PAE.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Score(NamedTuple):
    """A score by its name in receipts; people see it multiplied by ``times``."""

    name: str
    label: str
    digits: int
    higher_is_better: bool = True
    times: int = 1

    def of(self, scores: Mapping[str, float]) -> float | None:
        """Return the value of this score, or None if it is missing."""
        return scores.get(self.name)

    def shown(self, scores: Mapping[str, float]) -> str:
        """Return the value as people read it, or an empty text if it is missing."""
        value = self.of(scores)
        return "" if value is None else f"{self.times * value:.{self.digits}f}"


CONFIDENCE = Score("confidence_score", "confidence", 3)
PTM = Score("ptm", "pTM", 3)
IPTM = Score("iptm", "ipTM", 3)
PLDDT = Score("complex_plddt", "mean pLDDT", 1, times=100)
AFFINITY = Score("affinity_pred_value", "affinity", 3, higher_is_better=False)
"""log10 of the IC50 in micromolar."""

BINDER = Score("affinity_probability_binary", "binder, probability", 3)

IPSAE = Score("ipsae", "ipSAE", 3)
IPSAE_MIN = Score("ipsae_min", "ipSAE, worse direction", 3)
PDOCKQ2 = Score("pdockq2", "pDockQ2", 3)
LIS = Score("lis", "LIS", 3)
LIA = Score("lia", "LIA", 0)
"""Pairs of tokens."""

INTERFACE_PAE = Score("interface_pae", "interface PAE", 1, higher_is_better=False)
"""Angstrom, the mean of both directions."""

SCORES = (
    *(CONFIDENCE, PTM, IPTM, PLDDT, AFFINITY, BINDER),
    *(IPSAE, IPSAE_MIN, PDOCKQ2, LIS, LIA, INTERFACE_PAE),
)
"""Those that a receipt has; the last six are of the pair of polymers with the best ipSAE."""
