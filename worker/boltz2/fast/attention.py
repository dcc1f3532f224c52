"""Attention with a bias that is ready to be added (boltz/model/layers/attentionv2.py, l. 62 to 111)."""

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
    many, heads, width = len(s), attention.num_heads, attention.head_dim
    q, k, v = (
        project(x).view(many, -1, heads, width)
        for project, x in ((attention.proj_q, s), (attention.proj_k, keys), (attention.proj_v, keys))
    )
    gate = attention.proj_g(s).sigmoid()
    weights = torch.einsum("bihd,bjhd->bhij", q, k).div_(width**0.5)
    weights.view(-1, *bias.shape).add_(bias)
    out = torch.einsum("bhij,bjhd->bihd", weights.softmax(dim=-1), v)
    attended: Tensor = attention.proj_o(gate * out.reshape(many, -1, heads * width))
    return attended
