"""No masks of dropout.

Outside training Boltz draws random numbers, makes masks of ones of them, and multiplies by these: 16 of a
layer's 129 launches on a GPU (boltz/model/layers/pairformer.py, l. 76 to 94 and 242 to 260;
boltz/model/modules/trunkv2.py, l. 745). The numbers are drawn here, too, so that later ones stay the same.
"""

import torch
from boltz.model.layers import dropout, pairformer
from boltz.model.layers.pairformer import PairformerLayer, PairformerNoSeqLayer
from boltz.model.modules import trunkv2
from boltz.model.modules.trunkv2 import MSALayer
from torch import Tensor

from worker.boltz2.fast import lines

LINES = {
    dropout.get_dropout_mask: "be61593245a17b28",
    PairformerLayer.forward: "d3e9b735f96058e1",
    PairformerNoSeqLayer.forward: "1209d10a89c6982f",
    MSALayer.forward: "4d25cebffb05418d",
}


class Ones:
    """A mask of ones: what is multiplied by it becomes float32, as by the mask."""

    def __mul__(self, other: Tensor) -> Tensor:
        """Return the tensor in float32."""
        return other.float()


class OnesBesideFloat32(Ones):
    """One for what is added to a tensor of float32, which makes it float32 anyway."""

    def __mul__(self, other: Tensor) -> Tensor:
        """Return the tensor."""
        return other


def leave_out() -> None:
    """Leave the masks out, in this process, if Boltz is the one that is known."""
    if lines.same(LINES):
        pairformer.get_dropout_mask = trunkv2.get_dropout_mask = mask


def mask(probability: float, z: Tensor, training: bool, columnwise: bool = False) -> Tensor | Ones:
    """Return what stands for Boltz's mask beside ``z``; in training, the mask."""
    if training:
        ones: Tensor = dropout.get_dropout_mask(probability, z, training, columnwise)
        return ones
    draw(z.shape[0], z.shape[2 if columnwise else 1], z.device)
    return OnesBesideFloat32() if z.dtype == torch.float32 else Ones()


def draw(rows: int, columns: int, device: torch.device) -> None:
    """Advance torch's generator as a mask of that shape does."""
    torch.rand((rows, columns), device=device)
