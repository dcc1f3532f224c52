"""From an input file to what the model reads: Boltz's parser and featuriser, for one input alone.

Runs in a child process that can be killed: RDKit takes minutes over some SMILES.
"""

import contextlib
import io
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from boltz.data.module.inferencev2 import PredictionDataset, collate
from boltz.data.types import MSA, Manifest
from boltz.main import process_inputs
from rdkit import Chem
from tqdm import tqdm

from inputs.read import REFERENCE_SUFFIXES
from schemas.stages import Stage
from worker.boltz2 import errors
from worker.boltz2.randomness import Fill, as_in_a_data_loader, seed_all
from worker.boltz2.workspace import Workspace

CPU = torch.device("cpu")
# Boltz's progress bars would share a lock between processes; a child that is killed never gives it up.
tqdm.set_lock(threading.RLock())


class Featurised(NamedTuple):
    """Result of the first pass: is an affinity asked for, and seconds by stage."""

    affinity: bool
    timings: dict[str, float]


def featurise(workspace: Workspace, fills: Sequence[Fill]) -> Featurised:
    """Parse and featurise. ``fills`` are the structure model's. Raises FailedError."""
    timings: dict[str, float] = {}
    Chem.SetDefaultPickleProperties(Chem.PropertyPickleOptions.AllProps)  # as `boltz predict` does
    with errors.captured() as log, errors.failures_of(CPU):
        seed_all(workspace.seed)
        with _timed(timings, Stage.PARSE):
            manifest = _parse(workspace, log)
        with _timed(timings, Stage.FEATURISE):
            _save_features(workspace, fills, _OneInput(workspace, manifest))
    return Featurised(bool(manifest.records[0].affinity), timings)


def featurise_affinity(workspace: Workspace, fills: Sequence[Fill]) -> dict[str, float]:
    """Featurise the predicted complex for the affinity model; ``fills`` are its. Raises FailedError."""
    timings: dict[str, float] = {}
    with errors.captured(), errors.failures_of(CPU), _timed(timings, Stage.AFFINITY_FEATURISE):
        torch.set_rng_state(torch.load(workspace.raw, weights_only=False)["generator"])
        _save_features(workspace, fills, _OneInput(workspace, manifest_of(workspace), affinity=True))
    return timings


def manifest_of(workspace: Workspace) -> Manifest:
    """Load what the parser made of the input."""
    return Manifest.load(workspace.processed / "manifest.json")


def _parse(workspace: Workspace, log: io.StringIO) -> Manifest:
    if workspace.processed.exists():
        raise FileExistsError(f"{workspace.out} holds another run; predict into a fresh folder.")
    with contextlib.chdir(workspace.input_file.parent):  # where Boltz looks MSAs and templates up
        process_inputs(
            data=[workspace.input_file],
            out_dir=workspace.out,
            ccd_path=workspace.components.with_name("ccd.pkl"),  # of Boltz-1: not read
            mol_dir=workspace.components,
            msa_server_url="",
            msa_pairing_strategy="greedy",
            boltz2=True,
        )
    manifest = manifest_of(workspace)
    if not manifest.records:
        raise errors.unreadable(log.getvalue(), _beside(workspace.input_file))
    _check_msas(workspace, manifest)
    return manifest


def _beside(input_file: Path) -> list[str]:
    """List the MSAs and templates of an input, which the worker put there."""
    folder = input_file.parent
    files = (path for path in folder.rglob("*") if path.suffix in REFERENCE_SUFFIXES)
    return sorted(str(path.relative_to(folder)) for path in files)


def _check_msas(workspace: Workspace, manifest: Manifest) -> None:
    """Refuse an MSA that does not span its chain: Boltz would pair residues with the wrong columns."""
    for chain in manifest.records[0].chains:
        if chain.msa_id == -1:  # none
            continue
        rows = MSA.load(workspace.processed / "msa" / f"{chain.msa_id}.npz").sequences
        lengths = rows["res_end"] - rows["res_start"]
        wrong = lengths[lengths != chain.num_residues]
        if wrong.size:
            raise errors.invalid(
                f"Chain {chain.chain_name} has {chain.num_residues} residues, but {wrong.size} of "
                f"{lengths.size} sequences in its MSA span another number of columns (the first {wrong[0]}; "
                "insertions, in lower case, do not count)."
            )


def _save_features(workspace: Workspace, fills: Sequence[Fill], dataset: "_OneInput") -> None:
    with as_in_a_data_loader(fills):
        torch.save(collate([dataset[0]]), workspace.features)
    torch.save(torch.get_rng_state(), workspace.generator)


class _OneInput(PredictionDataset):  # type: ignore[misc]  # Boltz ships no annotations
    """The features of one input. The stock dataset answers a failure with ``self[0]``; this one raises it."""

    _asked = False

    def __init__(self, workspace: Workspace, manifest: Manifest, *, affinity: bool = False) -> None:
        super().__init__(
            manifest,
            workspace.predictions if affinity else workspace.processed / "structures",
            workspace.processed / "msa",
            workspace.components,
            constraints_dir=workspace.processed / "constraints",
            template_dir=workspace.processed / "templates",
            extra_mols_dir=workspace.processed / "mols",
            affinity=affinity,
            override_method="other" if affinity else None,
        )

    def __getitem__(self, index: int) -> dict[str, Any]:
        if self._asked:
            raise errors.unusable(sys.exception())
        self._asked = True
        features: dict[str, Any] = super().__getitem__(index)
        return features


@contextlib.contextmanager
def _timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[stage] = time.perf_counter() - start
