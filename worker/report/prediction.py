"""Input of the renderers of pages and pictures."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inputs.grammar import BoltzInput, Polymer
from schemas import outputs
from schemas.checks import Checks, ChecksReport
from schemas.job import Alignment, Job, Model
from schemas.stages import ON_DEVICE
from worker.report.tokens import Token, tokens

SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class Prediction:
    """The job, the model, the input and its text, public files by name, seconds by stage.

    ``usd_per_hour`` is what the worker costs, where that is known. ``alignments`` are those that were made,
    ``warnings`` tell how files that the input names were read otherwise than as they are.
    ``checks`` is what the checks of the structures found, ``summary`` what of it the receipt has; a copied
    result of the time before them has no ``checks``.
    """

    job: Job
    model: Model
    document: BoltzInput
    text: str
    files: Mapping[str, Path]
    seconds: Mapping[str, float]
    usd_per_hour: float | None = None
    alignments: tuple[Alignment, ...] = ()
    checks: ChecksReport | None = None
    summary: Checks | None = None
    warnings: tuple[str, ...] = ()

    @property
    def usd(self) -> float | None:
        """Cost of the turns on the device, in USD; starting, waiting and idling are not in it."""
        turns = sum(taken for stage, taken in self.seconds.items() if stage in ON_DEVICE)
        return None if self.usd_per_hour is None else turns * self.usd_per_hour / SECONDS_PER_HOUR

    @property
    def polymers(self) -> frozenset[str]:
        """Return the ids of the chains that are no ligands."""
        return polymers(self.document)

    @property
    def tokens(self) -> list[Token]:
        """Return what the values of ``plddt`` and ``pae`` are of, as the structure has it."""
        return tokens(self.structure(0), self.polymers)

    def structure(self, rank: int) -> Path:
        """Return the file of a sample's structure; 0 is the best."""
        names = (outputs.structure(rank, suffix) for suffix in ("cif", "pdb"))
        return next(self.files[name] for name in names if name in self.files)

    def confidence(self, rank: int) -> dict[str, Any]:
        """Return a sample's scores as Boltz-2 writes them."""
        return dict(json.loads(self.files[outputs.confidence(rank)].read_text()))

    def array(self, kind: str, rank: int) -> npt.NDArray[np.float64]:
        """Return ``plddt`` (per token, 0 to 1) or ``pae`` (token by token, angstrom) of a sample."""
        with np.load(self.files[outputs.array(kind, rank)]) as content:
            return np.asarray(content[kind], dtype=np.float64)

    @property
    def affinity(self) -> dict[str, float] | None:
        """Return the affinity as Boltz-2 writes it, where it was asked for."""
        path = self.files.get(outputs.AFFINITY)
        return json.loads(path.read_text()) if path else None


def polymers(document: BoltzInput) -> frozenset[str]:
    """Return the ids of the chains of a document that are no ligands."""
    molecules = (entry.molecule for entry in document.sequences)
    return frozenset(
        chain for molecule in molecules if isinstance(molecule, Polymer) for chain in molecule.id
    )
