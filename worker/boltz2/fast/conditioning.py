"""Biases of pairs in the layout that attention reads, made layer by layer, and held once.

Boltz makes the biases of all layers, joins them, which takes as much once more, and holds the result from
before the roll-out until the confidence is computed: at 1,024 tokens, with the released widths, 1.6 GB in
float32. Restates boltz/model/modules/diffusion_conditioning.py, l. 83 to 116, for one input.
"""

from collections.abc import Iterable
from typing import Any

from boltz.model.modules.diffusion_conditioning import DiffusionConditioning
from torch import Tensor
from torch.nn import Module

from worker.boltz2.fast.attention import planes

LINES = {DiffusionConditioning.forward: "59808b95fbcb5549"}


def lay_out(module: DiffusionConditioning) -> None:
    """Have a net make lists of biases, one for each layer, for whoever takes them out of the lists."""
    boltz = module.forward

    def forward(s_trunk: Tensor, z_trunk: Tensor, relative_position_encoding: Tensor, feats: Any) -> Any:  # noqa: ANN401
        if len(z_trunk) != 1:
            return boltz(s_trunk, z_trunk, relative_position_encoding, feats)
        z = module.pairwise_conditioner(z_trunk, relative_position_encoding)
        q, c, p, to_keys = module.atom_encoder(feats=feats, s_trunk=s_trunk, z=z)
        encoder, decoder = biases(module.atom_enc_proj_z, p), biases(module.atom_dec_proj_z, p)
        of_windows = ([bias[0] for bias in each] for each in (encoder, decoder))
        return q, c, to_keys, *of_windows, biases(module.token_trans_proj_z, z)

    module.forward = forward


def biases(layers: Iterable[Module], pairs: Tensor) -> list[Tensor]:
    """Return each layer's bias of the pairs, (1, ..., i, j, width): (1, ..., head, i, j)."""
    return [planes(layer(pairs)) for layer in layers]
