"""Predictions in this process, from an input to all that the model returned, and how near two of them are."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from support.inputs import PEPTIDE

from benchmarks.fast import predict
from dropfold.replay.superposition import superposed
from schemas.options import Options
from worker.boltz2 import featurise, sample
from worker.boltz2.predictor import Sample
from worker.boltz2.weights import Loaded
from worker.boltz2.workspace import Workspace

FEW = Options(recycling_steps=0, sampling_steps=3, samples=2)
COMPLEX = f"""\
{PEPTIDE}- dna: {{id: D, sequence: GATTACA}}
- ligand: {{id: L, smiles: "CC(=O)Oc1ccccc1C(=O)O"}}
"""


def few(**changed: object) -> Options:
    return FEW.model_copy(update=changed)


def featurised(document: str | Path, options: Options, cache: Path, folder: Path) -> Workspace:
    """Write the features of an input; where it is a file, its neighbours lie beside it."""
    path = document if isinstance(document, Path) else folder / "input.yaml"
    if isinstance(document, str):
        path.write_text(document)
    workspace = Workspace(path, options, 7, folder / "out", cache / "mols")
    featurise.featurise(workspace, ())
    return workspace


def sampled(loaded: Loaded, workspace: Workspace, call: Sample) -> dict[str, torch.Tensor]:
    """Return all tensors of a prediction, and the generator's state after it."""
    predict(loaded, workspace, call)
    raw = torch.load(workspace.raw, weights_only=False)
    return flat(raw["prediction"]) | {"generator": raw["generator"]}


def flat(nested: Mapping[Any, Any], prefix: str = "") -> dict[str, torch.Tensor]:
    """Return what is in a dictionary of dictionaries, by names joined."""
    tensors: dict[str, torch.Tensor] = {}
    for name, value in nested.items():
        if isinstance(value, dict):
            tensors |= flat(value, f"{prefix}{name}.")
        else:
            tensors[f"{prefix}{name}"] = torch.as_tensor(value)
    return tensors


def are_near(ours: Loaded, less_exact: Loaded, workspace: Workspace) -> None:
    """Hold predictions to the tolerance: 0.01 Å once superposed, 0.001 in each score."""
    exact, fast = (sampled(each, workspace, sample.sample_structure) for each in (ours, less_exact))
    assert not torch.equal(exact["coords"], fast["coords"])
    assert torch.equal(exact["generator"], fast["generator"])
    real = exact["masks"][0].bool().numpy()
    for one, other in zip(exact["coords"].numpy(), fast["coords"].numpy(), strict=True):
        apart = superposed(other, one, by=real)[real] - one[real]
        assert (apart**2).sum(axis=-1).mean() ** 0.5 < 0.01
    for score in ("plddt", "confidence_score", "iptm", "ptm", "complex_pde"):
        assert torch.allclose(exact[score], fast[score], rtol=0, atol=0.001), score
