"""Layers of tokens that torch has compiled ahead of time, for the device that they run on.

A layer is compiled with its weights as arguments, so that one piece of code applies all of them: one for a
single sample, one for several, each for any number of tokens. torch's other way, which compiles when a layer
is first called, holds up each worker for longer than it takes to start (docs/decisions/021).
"""

import hashlib
import inspect
import logging
import re
import tempfile
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from boltz.model.models.boltz2 import Boltz2
from boltz.model.modules.transformersv2 import DiffusionTransformerLayer
from torch import Tensor
from torch.export import Dim, export
from torch.func import functional_call

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

_TOKENS = Dim("tokens", min=2, max=2**16)
_SAMPLES = Dim("samples", min=2, max=2**10)


class Compiled:
    """Applies layers by compiled code; by ``score.fused`` once that has failed where this has not."""

    def __init__(self, folder: Path) -> None:
        self._one, self._several = (_loaded(folder / name) for name in (ONE, SEVERAL))
        self._weights = cache(_weights)
        self.works = True

    def __call__(self, layer: DiffusionTransformerLayer, a: Tensor, s: Tensor, bias: Tensor) -> Tensor:
        """Apply a layer (``score.TokenLayer``)."""
        if self.works:
            try:
                return (self._one if len(a) == 1 else self._several)(self._weights(layer), a, s, bias)
            except RuntimeError as error:
                failure = error
        applied = score.fused(layer, a, s, bias)
        if self.works:  # for want of memory both would have failed
            self.works = False
            _say("compiled layers fail", failure)
        return applied


class _Layer(torch.nn.Module):
    """A layer whose weights are arguments."""

    def __init__(self, layer: DiffusionTransformerLayer) -> None:
        super().__init__()
        self._layers = [layer]  # in a list: what is compiled has no weights of its own

    def forward(self, weights: Weights, a: Tensor, s: Tensor, bias: Tensor) -> Tensor:
        applied: Tensor = functional_call(_Applied(self._layers[0]), dict(weights), (a, s, bias))
        return applied


class _Applied(torch.nn.Module):
    """A layer, applied with fused attention."""

    def __init__(self, layer: DiffusionTransformerLayer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, a: Tensor, s: Tensor, bias: Tensor) -> Tensor:
        return score.fused(self.layer, a, s, bias)


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


def compile_layers(net: Boltz2, folder: Path, done: Callable[[], object]) -> None:
    """Compile for a net's device, into a folder that appears when all is done; tell of each part."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        new = Path(scratch, "new")
        new.mkdir()
        for part, (samples, tokens) in PARTS.items():
            _compile(net, new / part, samples, tokens)
            done()
        new.rename(folder)


def name(net: Boltz2) -> str:
    """Name a device, and in 16 hexadecimal digits all else that compiled code depends on."""
    device = _device(net)
    gpu = device.type == "cuda"
    called = torch.cuda.get_device_name(device) if gpu else torch.backends.cpu.get_cpu_capability()
    shapes = [(key, tuple(weight.shape)) for key, weight in _weights(_layers(net)[0]).items()]
    sources = map(inspect.getsource, (score, attention))
    of = repr((called, torch.__version__, torch.version.cuda, score.LINES.values(), shapes, *sources))
    return f"{re.sub(r'[^0-9A-Za-z]+', '-', called)}-{hashlib.sha256(of.encode()).hexdigest()[:16]}"


def _compile(net: Boltz2, package: Path, samples: int, tokens: int) -> None:
    layer = _layers(net)[0]
    own = layer.pair_bias_attn
    zeros = partial(torch.zeros, device=_device(net))
    a = zeros(samples, tokens, own.proj_q.in_features)
    s = zeros(1, tokens, layer.adaln.s_norm.normalized_shape[0])
    bias = zeros(1, own.num_heads, tokens, tokens)
    sizes = ({0: _SAMPLES} if samples > 1 else {}) | {1: _TOKENS}, {1: _TOKENS}, {2: _TOKENS, 3: _TOKENS}
    weights = _weights(layer)
    with torch.no_grad():
        given: Any = (weights, a, s, bias)
        exported = export(_Layer(layer), given, dynamic_shapes=(dict.fromkeys(weights), *sizes))
        torch._inductor.aoti_compile_and_package(exported, package_path=str(package))


def _loaded(package: Path) -> Run:
    """Load a package. torch would compile probes to know the processor, in seconds, only to compare it."""
    with torch._inductor.config.patch("cpp.vec_isa_ok", True):
        run: Run = torch._inductor.aoti_load_package(str(package))
    return run


def _weights(layer: DiffusionTransformerLayer) -> Weights:
    return dict(_Applied(layer).named_parameters())


def _layers(net: Boltz2) -> Any:  # noqa: ANN401 (torch.nn.ModuleList has no type of its elements)
    return net.structure_module.score_model.token_transformer.layers


def _device(net: Boltz2) -> torch.device:
    device: torch.device = net.structure_module.device
    return device


def _say(what: str, error: BaseException) -> None:
    logger.warning(
        "%s: layers are not compiled", what, extra={"action": "model.not_compiled", "error": reason(error)}
    )
