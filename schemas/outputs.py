"""What a prediction's files are called, in the folder of its job. ``rank`` counts samples, the best first."""

from pathlib import Path

BINARY = "application/octet-stream"
CONTENT_TYPES = {
    ".cif": "chemical/x-cif",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".pdb": "chemical/x-pdb",
    ".png": "image/png",
}

SUFFIXES = {"mmcif": "cif", "pdb": "pdb"}
"""Of structures, by output format."""

ARRAYS = {"plddt": 1, "pae": 2, "pde": 2}
"""Kinds of arrays, and of how many dimensions: by token (0 to 1), by pairs of tokens (angstrom)."""

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


def content_type_of(path: Path) -> str:
    """Return the media type of a file by its suffix."""
    return CONTENT_TYPES.get(path.suffix, BINARY)
