"""Proof of success: what the model wrote is whole, finite and about the right molecules.

Boltz ends without an error also when it has no result, so a prediction counts as done when every file of it
exists and reads.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import gemmi
import numpy as np

from inputs.grammar import BoltzInput, Polymer
from schemas import outputs
from schemas.checks import Interface
from schemas.failure import Code, FailedError, Failure
from schemas.options import Options
from schemas.outputs import ARRAYS, SUFFIXES
from schemas.reason import reason
from schemas.scores import AFFINITY, CONFIDENCE, INTERFACE_PAE, SCORES
from worker.checks.order import best_pairs_first

_PDB_WIDTH = 80


@dataclass(frozen=True)
class Expected:
    """Content that a prediction must have, as the input and its options say.

    ``chains`` maps each chain id to its number of residues, or to None for a ligand.
    """

    chains: Mapping[str, int | None]
    samples: int = 1
    affinity: bool = False
    output_format: Literal["mmcif", "pdb"] = "mmcif"


def expected(document: BoltzInput, options: Options) -> Expected:
    """Return what the prediction of a document must contain."""
    chains: dict[str, int | None] = {}
    for entry in document.sequences:
        molecule = entry.molecule
        residues = len(molecule.sequence) if isinstance(molecule, Polymer) else None
        chains |= dict.fromkeys(molecule.id, residues)
    return Expected(chains, options.samples, bool(document.properties), options.output_format)


def checked(files: Mapping[str, Path], expected: Expected) -> dict[str, Path]:
    """Check the files of a prediction, by public name, and return those that there must be.

    Per sample: ``model_0.cif`` (or ``.pdb``), ``confidence_model_0.json``,
    ``plddt_model_0.npz`` (per token, 0 to 1), ``pae_model_0.npz`` and ``pde_model_0.npz`` (token by token,
    angstrom); once, if asked for, ``affinity.json``. Raises FailedError for the first file that is missing,
    unreadable, not finite, or about other chains.
    """
    for name in (found := list(names(expected))):
        try:
            _check(name, files[name], expected)
        except (KeyError, FileNotFoundError) as error:
            raise _no_output(name, "is missing") from error
        except Exception as error:  # whatever a reader raises means that the file is not whole
            raise _no_output(name, f"is not usable: {reason(error)}") from error
    return {name: files[name] for name in found}


def scores(files: Mapping[str, Path], interfaces: Iterable[Interface] = ()) -> dict[str, float]:
    """Return the best sample's scores, with the affinity's, and those of its best interface."""
    read = _of_interface(interfaces)
    for public in (outputs.confidence(0), outputs.AFFINITY):
        if public in files:
            read |= json.loads(files[public].read_text())
    return {score.name: float(read[score.name]) for score in SCORES if score.name in read}


def _of_interface(interfaces: Iterable[Interface]) -> dict[str, Any]:
    """Return the scores of the pair of polymers with the best ipSAE, if there is one."""
    best = next(iter(best_pairs_first(interfaces)), None)
    if best is None or best.ipsae is None:
        return {}
    made = {"ipsae", "ipsae_min", "pdockq2", "lis", "lia"}
    return best.model_dump(include=made, exclude_none=True) | {INTERFACE_PAE.name: best.mean_pae}


def names(expected: Expected) -> Iterator[str]:
    """Yield the public names of a prediction's files: those of each sample, then the affinity."""
    for rank in range(expected.samples):
        yield outputs.structure(rank, SUFFIXES[expected.output_format])
        yield outputs.confidence(rank)
        yield from (outputs.array(kind, rank) for kind in ARRAYS)
    if expected.affinity:
        yield outputs.AFFINITY


def _check(name: str, path: Path, expected: Expected) -> None:
    """Raise FileNotFoundError, or anything else with the reason, unless the file is what it should be."""
    if path.suffix == ".npz":
        _check_array(path, kind=name.partition("_")[0])
    elif path.suffix == ".json":
        _check_summary(path, (AFFINITY if name == outputs.AFFINITY else CONFIDENCE).name)
    else:
        if path.suffix == ".pdb":
            _check_columns(path)
        _check_structure(path, expected.chains)


def _check_structure(path: Path, chains: Mapping[str, int | None]) -> None:
    models = gemmi.read_structure(str(path))
    if len(models) != 1:
        raise ValueError(f"{len(models)} models instead of 1")
    found: Counter[str] = Counter()
    for chain in models[0]:
        found[chain.name] += len(chain)
    if set(found) != set(chains):
        raise ValueError(f"chains {', '.join(sorted(found))} instead of {', '.join(sorted(chains))}")
    for chain_id, residues in chains.items():
        if residues is not None and found[chain_id] != residues:
            raise ValueError(f"chain {chain_id} has {found[chain_id]} residues instead of {residues}")
    if not all(math.isfinite(value) for place in models[0].all() for value in place.atom.pos.tolist()):
        raise ValueError("a coordinate is not a finite number")


def _check_columns(path: Path) -> None:
    """PDB has fixed columns. Boltz does not cut a value that is too wide, it shifts the rest of the line."""
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if len(line) > _PDB_WIDTH:
            raise ValueError(
                f"line {number} does not fit into PDB's columns ({line[:54].rstrip()}): chain ids have 1 "
                "character, residues at most 9999, atoms 99999, coordinates lie within 1000 angstrom; "
                "the output format mmcif has no such limits"
            )


def _check_array(path: Path, kind: str) -> None:
    with np.load(path) as content:
        array = content[kind]
    if array.ndim != ARRAYS[kind] or array.size == 0 or len(set(array.shape)) != 1:
        raise ValueError(f"{kind} has shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{kind} holds a value that is not a finite number")


def _check_summary(path: Path, required: str) -> None:
    content = json.loads(path.read_text())
    if required not in content:
        raise ValueError(f"{required} is not in it")
    for name, value in _numbers("", content):
        if not math.isfinite(value):
            raise ValueError(f"{name} is {value}, not a finite number")


def _numbers(name: str, value: Any) -> Iterator[tuple[str, float]]:  # noqa: ANN401 (any JSON value)
    """Every leaf of a JSON document with its path; raises ValueError for one that is no number."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _numbers(f"{name}.{key}" if name else key, inner)
    else:
        yield name, float(value)


def _no_output(name: str, what: str) -> FailedError:
    advice = "Upload the file again; if it persists, try another seed (dropfold-seed) or a smaller input."
    if name.endswith(".pdb"):
        advice += " Ask for dropfold-output-format:mmcif, which has no column limits."
    return FailedError(
        Failure(
            code=Code.NO_OUTPUT,
            message=f"Boltz-2 ended, but its {name} {what}.",
            field=name,
            remedy=advice,
        )
    )
