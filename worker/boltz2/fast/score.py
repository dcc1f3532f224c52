"""The score model for one input, with all that no step changes computed once.

A roll-out asks the model 200 times, with other coordinates and noise levels. What depends on the input alone
Boltz computes each time: it casts, lays out and masks the biases of pairs, makes the conditioning of atoms
into scales and gates, multiplies by matrices of zeros and ones where an index would do, takes means, and
embeds the tokens. Restates boltz/model/modules/diffusionv2.py, l. 115 to 176, and encodersv2.py, l. 157 to
177, 450 to 492 and 534 to 565; Boltz's own modules are called wherever they fit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from boltz.model.modules.diffusionv2 import DiffusionModule
from boltz.model.modules.encodersv2 import AtomAttentionDecoder, AtomAttentionEncoder, SingleConditioning
from boltz.model.modules.transformersv2 import DiffusionTransformer, DiffusionTransformerLayer
from torch import Tensor

from worker.boltz2.fast import atoms
from worker.boltz2.fast.atoms import AtomLayers, Keys
from worker.boltz2.fast.attention import attend, attend_fused, hide
from worker.boltz2.fast.conditioning import Biases

LINES = {
    AtomAttentionDecoder.forward: "587c8c69019c9819",
    AtomAttentionEncoder.forward: "58aea100ca861e56",
    DiffusionModule.forward: "5692de8bb5844ea8",
    SingleConditioning.forward: "ed017a3b5e6f44e7",
} | atoms.LINES

TokenLayer = Callable[[DiffusionTransformerLayer, Tensor, Tensor, Tensor], Tensor]
"""Applies a layer to (sample, token, width), by the conditioning (rows, token, width) and a layer's bias."""


def exactly(layer: DiffusionTransformerLayer, a: Tensor, s: Tensor, bias: Tensor) -> Tensor:
    """Apply a layer of the token transformer as Boltz does, to the bit."""
    return _applied(layer, a, s, bias, attend)


def fused(layer: DiffusionTransformerLayer, a: Tensor, s: Tensor, bias: Tensor) -> Tensor:
    """Apply it with torch's fused attention, which writes no weights to memory: other last digits."""
    return _applied(layer, a, s, bias, attend_fused)


def _applied(
    layer: DiffusionTransformerLayer, a: Tensor, s: Tensor, bias: Tensor, attend: Callable[..., Tensor]
) -> Tensor:
    b = layer.adaln(a, s)
    a = a + layer.output_projection(s) * attend(layer.pair_bias_attn, b, b, bias)
    after: Tensor = layer.post_lnorm(a + layer.transition(a, s))
    return after


@dataclass(frozen=True)
class Fixed:
    """What depends neither on the step nor on the samples: biases, keys, which atom is of which token."""

    encoder: Sequence[Tensor]
    tokens: Sequence[Tensor]
    decoder: Sequence[Tensor]
    keys: Keys
    token_of: Tensor
    real: Tensor
    means: Tensor

    @classmethod
    def of(cls, model: DiffusionModule, feats: Mapping[str, Tensor], given: Mapping[str, Any]) -> "Fixed":
        """Compute them from one input's features and its conditioning, whose biases are taken out of it."""
        keys = Keys(
            given["to_keys"].keywords["indexing_matrix"],
            model.atoms_per_window_queries,
            model.atoms_per_window_keys,
        )
        windows = feats["atom_pad_mask"].float().view(-1, model.atoms_per_window_queries, 1)
        unmasked = keys(windows, 1).squeeze(-1)
        belongs = feats["atom_to_token"].float()
        return cls(
            _taken(
                given["atom_enc_bias"],
                model.atom_attention_encoder.atom_encoder.diffusion_transformer,
                unmasked,
            ),
            _taken(given["token_trans_bias"], model.token_transformer, feats["token_pad_mask"].float()),
            _taken(
                given["atom_dec_bias"],
                model.atom_attention_decoder.atom_decoder.diffusion_transformer,
                unmasked,
            ),
            keys,
            belongs[0].argmax(dim=-1),
            belongs[0].sum(dim=-1, keepdim=True),
            (belongs / (belongs.sum(dim=1, keepdim=True) + 1e-6)).transpose(1, 2),
        )


def _taken(biases: Biases, transformer: DiffusionTransformer, unmasked: Tensor) -> Sequence[Tensor]:
    """Take a transformer's biases, and hide in them what is masked: (few, head, i, j) for each layer."""
    taken = biases.take()
    for bias, layer in zip(taken, transformer.layers, strict=True):
        hide(bias, unmasked, layer.pair_bias_attn.inf)
    return taken


class Score:
    """The score model for one input: coordinates and noise levels in, their update out.

    ``rows``: for how many samples the conditioning is computed; with 1, once for all of them, which is the
    same at each noise level, but in products of another size, which a GPU may round otherwise. ``layer``
    applies each layer of the token transformer.
    """

    def __init__(
        self,
        model: DiffusionModule,
        fixed: Fixed,
        rows: int,
        *,
        s_trunk: Tensor,
        s_inputs: Tensor,
        diffusion_conditioning: Mapping[str, Any],
        layer: TokenLayer = exactly,
    ) -> None:
        self._layer = layer
        self._model, self._fixed, self._rows = model, fixed, rows
        self._window = model.atoms_per_window_queries
        self._q = diffusion_conditioning["q"].float()
        c = diffusion_conditioning["c"].float().repeat_interleave(rows, 0).unflatten(1, (-1, self._window))
        encoder, decoder = model.atom_attention_encoder, model.atom_attention_decoder
        self._encode = AtomLayers(encoder.atom_encoder, c, fixed.encoder, fixed.keys)
        self._decode = AtomLayers(decoder.atom_decoder, c, fixed.decoder, fixed.keys)
        conditioner = model.single_conditioner
        single = torch.cat([x.repeat_interleave(rows, 0) for x in (s_trunk, s_inputs)], dim=-1)
        self._single = conditioner.single_embed(conditioner.norm_single(single))

    def __call__(self, coordinates: Tensor, times: Tensor) -> Tensor:
        """Return the update of (sample, atom, 3) at one noise level, given once for each sample."""
        model, fixed = self._model, self._fixed
        encoder, decoder = model.atom_attention_encoder, model.atom_attention_decoder
        s = self._conditioned(times)
        q = self._encode(self._q + encoder.r_to_q_trans(coordinates), self._window)
        a = torch.bmm(fixed.means.expand(len(q), -1, -1), encoder.atom_to_token_trans(q))
        a = a + model.s_to_a_linear(s)
        for layer, bias in zip(model.token_transformer.layers, fixed.tokens, strict=True):
            a = self._layer(layer, a, s, bias)
        spread = decoder.a_to_q_trans(model.a_norm(a)).index_select(1, fixed.token_of) * fixed.real
        update: Tensor = decoder.atom_feat_to_atom_pos_update(self._decode(q + spread, self._window))
        return update

    def _conditioned(self, times: Tensor) -> Tensor:
        """Return the tokens' conditioning at a noise level: (rows, token, width)."""
        conditioner = self._model.single_conditioner
        # of all samples, though few are kept: so few numbers torch computes otherwise one by one
        levels = conditioner.norm_fourier(conditioner.fourier_embed(times))
        s: Tensor = conditioner.fourier_to_single(levels)[: self._rows, None] + self._single
        for transition in conditioner.transitions:
            s = transition(s) + s
        return s
