"""Layers of tokens that torch has compiled ahead of time, for the device that they run on.

A layer is compiled with its weights as arguments, so that one piece of code applies all of them: one for a
single sample, one for several, each for any number of tokens. torch's other way, which compiles when a layer
is first called, holds up each worker for longer than it takes to start (docs/decisions/021).
"""

import hashlib
import inspect
import logging
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from boltz.model.models.boltz2 import Boltz2
from boltz.model.modules.transformersv2 import DiffusionTransformerLayer
from torch import Tensor

from schemas.reason import reason
from worker.boltz2.fast import attention, score

logger = logging.getLogger(__name__)

Weights = Mapping[str, Tensor]
Run = Callable[[Weights, Tensor, Tensor, Tensor], Tensor]

FOLDER = "compiled"
"""Beside the weights: has a folder for each device that layers were compiled for."""

ONE, SEVERAL = "one.pt2", "several.pt2"
PARTS = {ONE: (1, 24), SEVERAL: (3, 24)}
"""Parts of the code, for one sample and for more, with the samples and tokens to compile them with."""


class Compiled:
    """Applies layers by compiled code; by ``score.fused`` once that has failed where this has not."""

    def __init__(self, folder: Path) -> None:
        self._one, self._several = (_loaded(folder / name) for name in (ONE, SEVERAL))
        self._weights = cache(weights)
        self.works = True

    def __call__(self, layer: DiffusionTransformerLayer, a: Tensor, s: Tensor, bias: Tensor) -> Tensor:
        """Apply a layer (``score.TokenLayer``)."""
        if not self.works:
            return score.fused(layer, a, s, bias)
        try:
            return (self._one if len(a) == 1 else self._several)(self._weights(layer), a, s, bias)
        except RuntimeError as error:
            applied = score.fused(layer, a, s, bias)  # fails, too, for want of memory: none is given up then
            self.works = False
            _say("compiled layers fail", error)
            return applied


def load(net: Boltz2, folder: Path) -> Compiled | None:
    """Load what was compiled for a net's device, and is of these very layers; None where there is none."""
    own = folder / name(net)
    if not own.exists():
        return None
    try:
        return Compiled(own)
    except Exception as error:  # noqa: BLE001 (of torch, which may be another: then no layer is compiled)
        _say("compiled layers cannot be loaded", error)
        return None


def name(net: Boltz2) -> str:
    """Name a device, and in 16 hexadecimal digits all else that compiled code depends on."""
    device = device_of(net)
    gpu = device.type == "cuda"
    called = torch.cuda.get_device_name(device) if gpu else torch.backends.cpu.get_cpu_capability()
    shapes = [(key, tuple(weight.shape)) for key, weight in weights(layers(net)[0]).items()]
    sources = map(inspect.getsource, (score, attention))
    of = repr((called, torch.__version__, torch.version.cuda, score.LINES.values(), shapes, *sources))
    return f"{re.sub(r'[^0-9A-Za-z]+', '-', called)}-{hashlib.sha256(of.encode()).hexdigest()[:16]}"


def _loaded(package: Path) -> Run:
    """Load a package. torch would compile probes to know the processor, in seconds, only to compare it."""
    with torch._inductor.config.patch("cpp.vec_isa_ok", True):
        run: Run = torch._inductor.aoti_load_package(str(package))
    return run


def weights(layer: DiffusionTransformerLayer) -> Weights:
    """Return the weights of a layer, as compiled code takes them."""
    return dict(layer.named_parameters())


def layers(net: Boltz2) -> Any:  # noqa: ANN401 (torch.nn.ModuleList has no type of its elements)
    """Return the layers of a net that are compiled."""
    return net.structure_module.score_model.token_transformer.layers


def device_of(net: Boltz2) -> torch.device:
    """Return the device that a net's score model is on."""
    device: torch.device = net.structure_module.device
    return device


def _say(what: str, error: BaseException) -> None:
    logger.warning(
        "%s: layers are not compiled", what, extra={"action": "model.not_compiled", "error": reason(error)}
    )
