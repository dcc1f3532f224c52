"""Biases of pairs in the layout that attention reads, made layer by layer, and held once.

Boltz makes the biases of all layers, joins them, which takes as much once more, and holds the result from
before the roll-out until the confidence is computed: at 1,024 tokens, with the released widths, 1.6 GB in
float32. Restates boltz/model/modules/diffusion_conditioning.py, l. 83 to 116, for one input.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from boltz.model.modules.diffusion_conditioning import DiffusionConditioning
from torch import Tensor
from torch.nn import Module

from worker.boltz2.fast import own_way
from worker.boltz2.fast.attention import planes

LINES = {DiffusionConditioning.forward: "59808b95fbcb5549"}

PARTS = ("q", "c", "to_keys", "atom_enc_bias", "atom_dec_bias", "token_trans_bias")
"""Names, in the conditioning, of what Boltz's function returns."""

_MODULATIONS = 6  # that a layer of atoms keeps (worker/boltz2/fast/atoms.py), each as large as the atoms
_FLOAT32 = 4  # bytes

Made = tuple[Any, ...]


@dataclass
class Biases:
    """Those of a transformer's layers, and ``boltz``, which makes Boltz's whole conditioning instead."""

    layers: list[Tensor]
    boltz: Callable[[], Made]

    def take(self) -> list[Tensor]:
        """Return the layers' biases, and let go of them: Boltz does not until the confidence is computed."""
        taken, self.layers = self.layers, []
        return taken


def lay_out(module: DiffusionConditioning) -> None:
    """Have a net make ``Biases``, unless there are several inputs, or too little memory."""
    boltz: Callable[..., Made] = module.forward

    def forward(**given: Any) -> Made:  # noqa: ANN401 (Boltz's arguments)
        pairs, its_own = given["z_trunk"], partial(boltz, **given)
        if len(pairs) != 1 or not own_way.has_room(held(module, given), pairs.device):
            return its_own()
        return own_way.unless_it_fails(lambda: _made(module, its_own, **given)) or its_own()

    module.forward = forward


def _made(
    module: DiffusionConditioning,
    its_own: Callable[[], Made],
    *,
    s_trunk: Tensor,
    z_trunk: Tensor,
    relative_position_encoding: Tensor,
    feats: Mapping[str, Tensor],
) -> Made:
    z = module.pairwise_conditioner(z_trunk, relative_position_encoding)
    q, c, p, to_keys = module.atom_encoder(feats=feats, s_trunk=s_trunk, z=z)
    stacks = ((module.atom_enc_proj_z, p[0]), (module.atom_dec_proj_z, p[0]), (module.token_trans_proj_z, z))
    return q, c, to_keys, *(Biases(biases(layers, pairs), its_own) for layers, pairs in stacks)


def biases(layers: Iterable[Module], pairs: Tensor) -> list[Tensor]:
    """Return each layer's bias of the pairs, (few, i, j, width): (few, head, i, j)."""
    return [planes(layer(pairs)) for layer in layers]


def held(module: DiffusionConditioning, given: Mapping[str, Any]) -> int:
    """Return the bytes that are held during a roll-out: biases, and what the atoms' layers keep."""
    tokens, (_, atoms, _) = given["z_trunk"].shape[1], given["feats"]["ref_pos"].shape
    stacks = module.atom_enc_proj_z, module.atom_dec_proj_z, module.token_trans_proj_z
    *of_atoms, of_tokens = (sum(layer[-1].out_features for layer in layers) for layers in stacks)
    width, keys = (
        module.atom_encoder.embed_atom_features.out_features,
        module.atom_encoder.atoms_per_window_keys,
    )
    kept = _MODULATIONS * width * (len(stacks[0]) + len(stacks[1]))
    held: int = _FLOAT32 * (tokens**2 * of_tokens + atoms * (keys * sum(of_atoms) + kept))
    return held
