"""No template module where there is no template.

Boltz then reads one template of zeros at length, multiplies what comes of it by zero, and adds that
(boltz/model/modules/trunkv2.py, l. 505; called in boltz/model/models/boltz2.py, l. 464): 2 % of the trunk.
"""

from collections.abc import Mapping
from typing import Any

from boltz.model.models.boltz2 import Boltz2
from boltz.model.modules.trunkv2 import TemplateV2Module
from torch import Tensor

from worker.boltz2.fast import dropout, lines

LINES = {
    TemplateV2Module.__init__: "613e700dab9aad2c",
    TemplateV2Module.forward: "3cd6d2487ecfcda8",
} | dropout.LINES
TEMPLATED = "templated"
"""Key, among the features, of whether there is a template: asked before they are on a device."""

_MASKS = 4  # of dropout, in each layer


def templated(features: Mapping[str, Tensor]) -> bool:
    """Return whether an input has a template; asks features in host memory."""
    return bool(features["template_mask"].any())


def leave_out(net: Boltz2) -> None:
    """Have a net pass its template module by where there is no template."""
    if not net.use_templates or not lines.same(LINES):
        return
    module = net.template_module
    boltz = module.forward

    def forward(z: Tensor, feats: Mapping[str, Any], pair_mask: Tensor, use_kernels: bool = False) -> Tensor:
        if feats.get(TEMPLATED, True):
            added: Tensor = boltz(z, feats, pair_mask, use_kernels=use_kernels)
            return added
        inputs, slots = feats["template_mask"].shape[:2]
        for _ in range(_MASKS * len(module.pairformer.layers)):
            dropout.draw(inputs * slots, z.shape[1], z.device)
        return z.new_zeros(())

    module.forward = forward
