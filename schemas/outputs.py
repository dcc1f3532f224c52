"""Names of a prediction's files in the folder of its job. ``rank`` counts samples from 0, the best first."""

from pathlib import Path

BINARY = "application/octet-stream"
TEXT = "text/plain; charset=utf-8"
CONTENT_TYPES = {
    ".cif": "chemical/x-cif",
    ".fa": TEXT,
    ".fas": TEXT,
    ".fasta": TEXT,
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".pdb": "chemical/x-pdb",
    ".png": "image/png",
    ".yaml": TEXT,
    ".yml": TEXT,
}

SUFFIXES = {"mmcif": "cif", "pdb": "pdb"}
"""Suffixes of structures, by output format."""

ARRAYS = {"plddt": 1, "pae": 2, "pde": 2}
"""Dimensions of each kind of array: [tokens] (0 to 1), or [tokens, tokens] (ångström)."""

AFFINITY = "affinity.json"
CHECKS = "checks.json"
BEST_STRUCTURES = ("model_0.cif", "model_0.pdb")
"""Possible names of the best sample's structure."""


def input_copy(suffix: str) -> str:
    """Return the name of the input as Boltz-2 read it: alignments that were made for it are named in it."""
    return f"input{suffix}"


INPUTS = tuple(map(input_copy, (".yaml", ".yml", ".fasta", ".fas", ".fa")))
"""Possible names of the input."""


def structure(rank: int, suffix: str) -> str:
    """Return the name of a sample's structure; the suffix is cif or pdb."""
    return f"model_{rank}.{suffix}"


def confidence(rank: int) -> str:
    """Return the name of the file of a sample's scores."""
    return f"confidence_model_{rank}.json"


def array(kind: str, rank: int) -> str:
    """Return the name of a sample's array; the kind is plddt, pae or pde."""
    return f"{kind}_model_{rank}.npz"


def content_type_of(path: Path) -> str:
    """Return the media type of a file by its suffix."""
    return CONTENT_TYPES.get(path.suffix, BINARY)
