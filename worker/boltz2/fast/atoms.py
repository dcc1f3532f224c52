"""The score model's transformers of atoms, for one input, with what depends on no coordinate computed once.

Restates boltz/model/modules/transformersv2.py, l. 27 to 65, 97 to 137 and 175 to 262, for windows of atoms.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from boltz.model.modules.encodersv2 import get_indexing_matrix, single_to_keys
from boltz.model.modules.transformersv2 import (
    AdaLN,
    AtomTransformer,
    ConditionedTransitionBlock,
    DiffusionTransformer,
    DiffusionTransformerLayer,
)
from torch import Tensor

from worker.boltz2.fast import attention
from worker.boltz2.fast.attention import attend

LINES = {
    AdaLN.forward: "4bf3340ac314f395",
    AtomTransformer.forward: "62bdba5a25b12798",
    ConditionedTransitionBlock.forward: "213160e64ffb5e44",
    DiffusionTransformer.forward: "11b520af6f52bbde",
    DiffusionTransformerLayer.forward: "5e9039b095f60d8d",
    get_indexing_matrix: "cc5fa3ccb4f906f0",
    single_to_keys: "1f6cd13f2d3aa003",
} | attention.LINES


class Keys:
    """Picks each window's keys; zeros where it reaches past the ends. Boltz multiplies by zeros and ones."""

    def __init__(self, matrix: Tensor, queries: int, keys: int) -> None:
        self._half, self._keys = queries // 2, keys
        self._from = matrix.argmax(dim=0)
        self._within = matrix.sum(dim=0)[:, None, None]

    def __call__(self, windows: Tensor, samples: int) -> Tensor:
        """Return (samples x windows, key, width) of (samples x windows, query, width)."""
        halves = windows.view(samples, -1, self._half, windows.shape[-1]).index_select(1, self._from)
        return (halves * self._within).view(len(windows), self._keys, -1)


@dataclass(frozen=True)
class Modulation:
    """What an AdaLN and the gate behind it make of the conditioning: (rows, window, atom, width).

    They are kept for the whole roll-out, so rows that are the same are kept once.
    """

    norm: torch.nn.Module
    scale: Tensor
    shift: Tensor
    gate: Tensor

    @classmethod
    def of(cls, adaln: AdaLN, output: torch.nn.Module, c: Tensor) -> "Modulation":
        """Compute them from the atoms' conditioning."""
        s = adaln.s_norm(c)
        return cls(adaln.a_norm, *map(_once, (adaln.s_scale(s).sigmoid(), adaln.s_bias(s), output(c))))

    def before(self, a: Tensor) -> Tensor:
        """Normalise, scale and shift: (samples, window, atom, width)."""
        normed: Tensor = self.norm(a)
        return self.scale * normed + self.shift


def _once(rows: Tensor) -> Tensor:
    """Return one row for all that are the same, as those of samples are where products round alike."""
    alone = rows[:1]
    return alone.clone() if len(rows) > 1 and torch.equal(rows, alone.expand_as(rows)) else rows


class AtomLayer:
    """A layer, for all samples of one input."""

    def __init__(self, layer: DiffusionTransformerLayer, c: Tensor, bias: Tensor) -> None:
        self._layer, self._bias = layer, bias
        self._first = Modulation.of(layer.adaln, layer.output_projection, c)
        self._second = Modulation.of(layer.transition.adaln, layer.transition.output_projection, c)

    def __call__(self, a: Tensor, keys: Keys) -> Tensor:
        """Apply it to (samples, window, atom, width)."""
        transition = self._layer.transition
        b = self._first.before(a).flatten(0, 1)
        b = attend(self._layer.pair_bias_attn, b, keys(b, len(a)), self._bias).view_as(a)
        a = a + self._first.gate * b
        b = self._second.before(a)
        b = transition.swish_gate(b) * transition.a_to_b(b)
        after: Tensor = self._layer.post_lnorm(a + self._second.gate * transition.b_to_a(b))
        return after


class AtomLayers:
    """A transformer of atoms, for all samples of one input."""

    def __init__(self, transformer: AtomTransformer, c: Tensor, biases: Sequence[Tensor], keys: Keys) -> None:
        layers = transformer.diffusion_transformer.layers
        self._keys = keys
        self._layers = [AtomLayer(layer, c, bias) for layer, bias in zip(layers, biases, strict=True)]

    def __call__(self, q: Tensor, window: int) -> Tensor:
        """Apply it to (samples, atom, width)."""
        a = q.view(len(q), -1, window, q.shape[-1])
        for layer in self._layers:
            a = layer(a, self._keys)
        return a.view_as(q)
