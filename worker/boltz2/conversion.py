"""From what Boltz publishes to what a worker loads: downloaded, stripped, compared. For image builds."""

import pickle
from pathlib import Path
from typing import Any

import torch
from boltz.data import const
from boltz.main import download_boltz2

from worker.boltz2 import weights
from worker.boltz2.manifest import CacheError

_READ = (  # by us or by Lightning when a checkpoint is loaded for inference
    "state_dict",
    "hyper_parameters",
    "hparams_name",
    "hparams_type",
    "pytorch-lightning_version",
    "random_weights",
)


def download(folder: Path) -> Path:
    """Download weights and components into a new folder, by Boltz's own function, and return the folder.

    A new one, because that function takes a file that is there for a whole one. Raises CacheError, OSError.
    """
    folder.mkdir()
    try:
        download_boltz2(folder)
    except RuntimeError as error:  # Boltz's word for "all mirrors failed"
        raise CacheError(str(error)) from error
    return folder


def convert(source: Path, target: Path) -> None:
    """Write the part of a checkpoint that inference reads; see that loading it gives the source's weights.

    The form stays the published one: mapped, it loads as fast as any other that was measured, and ``boltz
    predict`` reads it too. Raises CacheError.
    """
    try:
        content = weights.mapped(source)
        torch.save({key: content[key] for key in _READ if key in content}, target)
        loaded = weights.load(target, torch.device("cpu")).net.state_dict()
    except (RuntimeError, LookupError, TypeError, pickle.UnpicklingError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise CacheError(
            f"{source} is no checkpoint of Boltz-2's: {type(error).__name__}: {reason}"
        ) from error
    _compare(source, content["state_dict"], loaded)


def _compare(source: Path, published: dict[str, Any], loaded: dict[str, Any]) -> None:
    for name, tensor in published.items():
        if not torch.equal(tensor, loaded[name]):  # nor is NaN equal to itself
            raise CacheError(
                f"{source}: {name} has other values when it is loaded, or some that are no numbers."
            )


def check_components(folder: Path) -> None:
    """See that the folder has the residues that every input needs. Raises CacheError."""
    missing = [code for code in const.canonical_tokens if not (folder / f"{code}.pkl").exists()]
    if missing:
        raise CacheError(f"{folder.name}/ lacks {', '.join(missing)}: get the components again.")
