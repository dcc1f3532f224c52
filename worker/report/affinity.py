"""An affinity in words and units.

Boltz-2's ``affinity_pred_value`` is log10 of IC50 in micromolar, ``affinity_probability_binary`` the
probability that the ligand binds at all (Boltz's docs/prediction.md).
"""

from collections.abc import Mapping

from schemas.scores import AFFINITY, BINDER

MICROMOLAR = 6  # -log10 of one micromolar in molar
KCAL_PER_DECADE = 1.364  # RT ln 10 at 298 K, in kcal/mol
LIKELY, UNLIKELY = 0.7, 0.3


def in_words(affinity: Mapping[str, float]) -> dict[str, str]:
    """Return a predicted affinity in words, as a concentration, and as an energy."""
    value, probability = affinity[AFFINITY.name], affinity[BINDER.name]
    return {
        "verdict": _verdict(probability),
        "probability": f"{probability:.0%}",
        "ic50": _concentration(10**value),
        "pic50": f"{MICROMOLAR - value:.2f}",
        "energy": f"{-(MICROMOLAR - value) * KCAL_PER_DECADE:.1f} kcal/mol",
        "value": f"{value:.2f}",
    }


def _verdict(probability: float) -> str:
    if probability >= LIKELY:
        return "The model takes the ligand for a binder."
    if probability <= UNLIKELY:
        return "The model does not take the ligand for a binder."
    return "The model cannot tell whether the ligand binds."


def _concentration(micromolar: float) -> str:
    for unit, size in (("mM", 1e3), ("µM", 1.0), ("nM", 1e-3)):
        if micromolar >= size:
            return f"{micromolar / size:.3g} {unit}"
    return f"{micromolar * 1e6:.3g} pM"
