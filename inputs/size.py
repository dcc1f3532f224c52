"""The size of an input in tokens, residues of polymers and atoms of ligands, and its limits.

Time and memory grow with them, of a check as of a prediction. So they are counted first, and nothing else is
looked at where they are too many: by lengths before the grammar, SMILES by SMILES as they are read, then
exactly.
"""

from inputs.tree import Diagnostic
from schemas.failure import Code

USUAL_TOKENS = 1_500
"""Default limit of a deployment: what 16 GiB of a worker's memory hold (docs/operations.md)."""

MAX_TOKENS = 10_000
"""Beyond any device: 80 GB hold about 2,400 tokens, memory grows by their square, so these need over 1 TB."""


def too_many(tokens: int, most: int, *, known: bool = True) -> Diagnostic:
    """Return the problem of too many tokens; unless ``known``, their number is a lower bound."""
    count = f"{tokens:,}" if known else f"at least {tokens:,}"
    what = f"has {count} tokens (residues, and atoms of ligands); there is memory for {most:,}"
    remedy = "Predict the chains that touch each other, or domains; a deployment's limit is its MAX_TOKENS."
    return Diagnostic(what, remedy, code=Code.TOO_LARGE)


def least_tokens(data: object) -> int:
    """Return a lower bound of a document's number of tokens, whatever else is right or wrong in it."""
    entries = data.get("sequences") if isinstance(data, dict) else None
    return sum(map(_least_of_entry, entries)) if isinstance(entries, list) else 0


def _least_of_entry(entry: object) -> int:
    molecules = entry.values() if isinstance(entry, dict) else ()
    return sum(_least_of_molecule(molecule) for molecule in molecules if isinstance(molecule, dict))


def _least_of_molecule(molecule: dict[str, object]) -> int:
    sequence, codes, chains = (molecule.get(key) for key in ("sequence", "ccd", "id"))
    length = len(sequence) if isinstance(sequence, str) else 1
    residues = len(codes) if isinstance(codes, list) else length
    return residues * (len(chains) if isinstance(chains, list) else 1)
