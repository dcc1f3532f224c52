"""What to mind about a prediction, as far as its input says: told before it is sent, and with its result.

Boltz 2.2.1 prints the second of the two where nobody sees it, and has the first in its docs/prediction.md.
"""

from collections.abc import Iterator

from inputs.grammar import BoltzInput, Ligand
from inputs.tokens import atoms

AFFINITY_TRAINED = 56
"""Most heavy atoms of a ligand that the affinity was trained on (Boltz's docs/prediction.md)."""


def affinity_caveats(document: BoltzInput) -> Iterator[str]:
    """Yield sentences about the affinity that is asked for, if one is."""
    binder = _binder(document)
    if binder is None:
        return
    if not any(entry.protein for entry in document.sequences):
        yield (
            "There is no protein in the input: Boltz-2 was trained on affinities to proteins alone, and the "
            "value is unreliable."
        )
    heavy = len(atoms(binder, 1))
    if heavy > AFFINITY_TRAINED:
        yield f"The ligand has {heavy} heavy atoms; the model was trained with up to {AFFINITY_TRAINED}."


def _binder(document: BoltzInput) -> Ligand | None:
    wanted = {asked.affinity.binder for asked in document.properties if asked.affinity}
    ligands = (entry.ligand for entry in document.sequences if entry.ligand)
    return next((ligand for ligand in ligands if wanted & set(ligand.id)), None)
