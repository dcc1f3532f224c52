"""Compiles the layers that worker/boltz2/fast/compiled.py loads, on the device that they are to run on."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from boltz.model.models.boltz2 import Boltz2
from boltz.model.modules.transformersv2 import DiffusionTransformerLayer
from torch import Tensor
from torch.export import Dim, export
from torch.func import functional_call

from worker.boltz2.fast import score
from worker.boltz2.fast.compiled import PARTS, Weights, device_of, layers, weights

_TOKENS = Dim("tokens", min=2, max=2**16)
_SAMPLES = Dim("samples", min=2, max=2**10)


class _Applied(torch.nn.Module):
    """A layer, applied with fused attention."""

    def __init__(self, layer: DiffusionTransformerLayer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, a: Tensor, s: Tensor, bias: Tensor) -> Tensor:
        return score.fused(self.layer, a, s, bias)


class _WithItsWeights(torch.nn.Module):
    """A layer whose weights are arguments."""

    def __init__(self, layer: DiffusionTransformerLayer) -> None:
        super().__init__()
        self._applied = [_Applied(layer)]  # in a list: what is compiled has no weights of its own

    def forward(self, weights: Weights, a: Tensor, s: Tensor, bias: Tensor) -> Tensor:
        own = {f"layer.{name}": weight for name, weight in weights.items()}
        applied: Tensor = functional_call(self._applied[0], own, (a, s, bias))
        return applied


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


def _compile(net: Boltz2, package: Path, samples: int, tokens: int) -> None:
    layer = layers(net)[0]
    own = layer.pair_bias_attn
    zeros = partial(torch.zeros, device=device_of(net))
    a = zeros(samples, tokens, own.proj_q.in_features)
    s = zeros(1, tokens, layer.adaln.s_norm.normalized_shape[0])
    bias = zeros(1, own.num_heads, tokens, tokens)
    sizes = ({0: _SAMPLES} if samples > 1 else {}) | {1: _TOKENS}, {1: _TOKENS}, {2: _TOKENS, 3: _TOKENS}
    given: Any = (weights(layer), a, s, bias)
    with torch.no_grad():
        exported = export(_WithItsWeights(layer), given, dynamic_shapes=(dict.fromkeys(given[0]), *sizes))
        torch._inductor.aoti_compile_and_package(exported, package_path=str(package))
