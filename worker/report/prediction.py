"""What a page or picture of a prediction is made from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.boltz_grammar import BoltzInput
from schemas.job import Job, Model


@dataclass(frozen=True)
class Prediction:
    """The job, the model, the input and its text, public files by name, seconds by stage."""

    job: Job
    model: Model
    document: BoltzInput
    text: str
    files: Mapping[str, Path]
    seconds: Mapping[str, float]

    def structure(self, rank: int) -> Path:
        """Return the file of a sample's structure; 0 is the best."""
        names = (f"model_{rank}.{suffix}" for suffix in ("cif", "pdb"))
        return next(self.files[name] for name in names if name in self.files)

    def confidence(self, rank: int) -> dict[str, Any]:
        """Return a sample's scores as Boltz-2 writes them."""
        return dict(json.loads(self.files[f"confidence_model_{rank}.json"].read_text()))

    def array(self, kind: str, rank: int) -> npt.NDArray[np.float64]:
        """Return ``plddt`` (per token, 0 to 1) or ``pae`` (token by token, angstrom) of a sample."""
        with np.load(self.files[f"{kind}_model_{rank}.npz"]) as content:
            return np.asarray(content[kind], dtype=np.float64)

    @property
    def affinity(self) -> dict[str, float] | None:
        """Return the affinity as Boltz-2 writes it, where it was asked for."""
        path = self.files.get("affinity.json")
        return json.loads(path.read_text()) if path else None
