"""Boltz-2's checkpoints: found, described, and loaded without making weights that are then replaced.

``Boltz2.load_from_checkpoint`` spends most of its time drawing half a billion initial weights, then reads the
file into memory, then copies it over them. Here nothing is drawn, and the net's tensors are the file's own
pages: mapped, read when they are first used, shared between processes, and never written back.
"""

import contextlib
import hashlib
import inspect
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Protocol

import torch
from boltz.main import Boltz2DiffusionParams, MSAModuleArgs, PairformerArgsV2
from boltz.model.layers import initialize
from boltz.model.models.boltz2 import Boltz2

from schemas.job import Model
from worker.boltz2 import manifest
from worker.boltz2.manifest import AFFINITY, STRUCTURE
from worker.boltz2.randomness import Fill, Recorded

logger = logging.getLogger(__name__)

_LOADING = threading.Lock()  # an initialiser is replaced for the whole process meanwhile
_KERNEL_WIDTH = 32  # the kernels are written for pair widths that are multiples of it


class MayWork(Protocol):
    """Layers that were compiled ahead of time, and whether they work on this machine."""

    works: bool


class Loaded(NamedTuple):
    """A model on its device, what building it would have drawn from torch's CPU generator, and since when.

    ``compiled`` are layers of it that were compiled ahead of time, if there are any.
    """

    net: Boltz2
    fills: Sequence[Fill]
    at: datetime
    compiled: MayWork | None = None


def load(path: Path, device: torch.device, **arguments: bool) -> Loaded:
    """Load a checkpoint with the arguments that ``boltz predict`` passes by default, ready for inference.

    Parameters, buffers and hyper-parameters are those of ``Boltz2.load_from_checkpoint``. Raises CacheError
    if the checkpoint lies in a baked cache and is not what was baked.
    """
    manifest.read(path.parent)
    content, noted = mapped(path), Recorded()
    with _LOADING, _without(initialize, "trunc_normal_init_"), noted:
        net = _build(content["hyper_parameters"] | _commands_arguments() | arguments)
    stored = content["state_dict"]
    # strict is also what makes skipping the initial weights safe: each is replaced
    net.load_state_dict(stored, strict=True, assign=_fits(net, stored))
    net.setup("predict")  # Boltz's own rule: no kernels below compute capability 8.0
    wide = net.hparams["token_z"] % _KERNEL_WIDTH == 0
    net.use_kernels = net.use_kernels and device.type == "cuda" and wide
    logger.info(
        "model loaded", extra={"action": "model.loaded", "checkpoint": path.name, "device": str(device)}
    )
    fills = tuple(noted.fills) if device.type == "cpu" else ()
    return Loaded(net.eval().to(device), fills, datetime.now(UTC))


def mapped(path: Path) -> dict[str, Any]:
    """Return a checkpoint's content, its tensors mapped from the file and read when they are used."""
    content: dict[str, Any] = torch.load(path, map_location="cpu", mmap=True, weights_only=False)
    return content


def _commands_arguments() -> dict[str, Any]:
    """Return what ``boltz predict`` sets instead of the checkpoint's own values."""
    return {
        "ema": False,
        "diffusion_process_args": asdict(Boltz2DiffusionParams()),
        "pairformer_args": asdict(PairformerArgsV2()),
        "msa_args": asdict(MSAModuleArgs()),
        "predict_args": {},
        "steering_args": {},
    }


def _build(hyper_parameters: Mapping[str, Any]) -> Boltz2:
    """Build the model; as Lightning does, leave out what an older or newer Boltz2 was given besides."""
    known = inspect.signature(Boltz2).parameters
    return Boltz2(**{name: value for name, value in hyper_parameters.items() if name in known})


def _fits(net: Boltz2, stored: Mapping[str, torch.Tensor]) -> bool:
    """Return whether stored tensors have the types and layouts that the net computes with; else copy them."""
    own = net.state_dict()
    return all(
        (tensor.dtype, tensor.stride()) == (own[name].dtype, own[name].stride())
        for name, tensor in stored.items()
        if name in own
    )


def describe(cache: Path) -> Model:
    """Identify the checkpoints: the digest is that of ``cat boltz2_conf.ckpt boltz2_aff.ckpt | sha256sum``.

    ``random_weights`` is a key inside a checkpoint, which the released ones lack and the small model has. A
    baked cache knows both. Raises CacheError if its files are not those that were baked.
    """
    known = manifest.read(cache)
    weights = [path for path in (cache / STRUCTURE, cache / AFFINITY) if path.exists()]
    return Model(
        name="boltz-2",
        version=version("boltz"),
        weights_digest=known.weights_digest if known else _digest(weights),
        random_weights=known.random_weights if known else any(map(has_random_weights, weights)),
    )


def _digest(weights: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in weights:
        with path.open("rb") as file:
            hashlib.file_digest(file, lambda: digest)
    return f"sha256:{digest.hexdigest()}"


def has_random_weights(path: Path) -> bool:
    """Return whether a checkpoint says that its weights are random."""
    return bool(mapped(path).get("random_weights", False))


@contextlib.contextmanager
def _without(module: ModuleType, function: str) -> Iterator[None]:
    """Make a module's function do nothing for a while."""
    original = getattr(module, function)
    setattr(module, function, lambda *_args, **_kwargs: None)
    try:
        yield
    finally:
        setattr(module, function, original)
