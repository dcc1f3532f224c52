"""Attention with a bias that is ready to be added (boltz/model/layers/attentionv2.py, l. 62 to 111)."""

from collections.abc import Iterator

import torch
from boltz.model.layers.attentionv2 import AttentionPairBias
from torch import Tensor

LINES = {AttentionPairBias.forward: "d78391e056ba3b3d"}


def planes(bias: Tensor) -> Tensor:
    """Return a layer's bias in float32, one plane for each head: (..., head, i, j) of (..., i, j, head)."""
    return bias.movedim(-1, -3).float().contiguous()


def hide(bias: Tensor, unmasked: Tensor, infinity: float) -> None:
    """Add to the planes of a bias, in place, what keeps a key unseen.

    ``unmasked`` is 1 or 0 for each key; after the softmax, a key that is hidden counts 0 in either order.
    """
    bias += (1 - unmasked[..., None, None, :]) * -infinity


def attend(attention: AttentionPairBias, s: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
    """Attend from ``s`` (many, i, width) to ``keys`` (many, j, width); ``bias`` is (few, head, i, j).

    Every ``few`` of the many have the same bias: samples of one input.
    """
    q, k, v = _projected(attention, s, keys)
    weights = torch.einsum("bihd,bjhd->bhij", q, k).div_(attention.head_dim**0.5)
    weights.view(-1, *bias.shape).add_(bias)
    return _gated(attention, s, torch.einsum("bhij,bjhd->bihd", weights.softmax(dim=-1), v))


def attend_fused(attention: AttentionPairBias, s: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
    """Do the same by torch's fused attention, where all have one bias: other last digits."""
    q, k, v = (each.transpose(1, 2) for each in _projected(attention, s, keys))
    out = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    return _gated(attention, s, out.transpose(1, 2))


def _projected(attention: AttentionPairBias, s: Tensor, keys: Tensor) -> Iterator[Tensor]:
    """Yield queries, keys and values, (many, i or j, head, width of a head)."""
    for project, x in ((attention.proj_q, s), (attention.proj_k, keys), (attention.proj_v, keys)):
        yield project(x).unflatten(-1, (attention.num_heads, attention.head_dim))


def _gated(attention: AttentionPairBias, s: Tensor, out: Tensor) -> Tensor:
    """Gate and project what was attended to, (many, i, head, width of a head)."""
    attended: Tensor = attention.proj_o(attention.proj_g(s).sigmoid() * out.flatten(2))
    return attended
