"""What a prediction's files are called, in the folder of its job. ``rank`` counts samples, the best first."""

AFFINITY = "affinity.json"
BEST_STRUCTURES = ("model_0.cif", "model_0.pdb")
"""What the best sample's structure may be called."""


def structure(rank: int, suffix: str) -> str:
    """Name a sample's structure; the suffix is cif or pdb."""
    return f"model_{rank}.{suffix}"


def confidence(rank: int) -> str:
    """Name the file of a sample's scores."""
    return f"confidence_model_{rank}.json"


def array(kind: str, rank: int) -> str:
    """Name a sample's array: plddt by token, pae or pde by pairs of tokens."""
    return f"{kind}_model_{rank}.npz"
