"""No steering where nothing steers.

``boltz predict`` steers contacts and templates by default, also where an input has neither: 20 gradient steps
in each step of the diffusion, all of zeros (boltz/model/modules/diffusionv2.py, l. 449), and on a GPU half of
them wait for it. Zeros added change nothing, nor do they draw random numbers.
"""

from collections.abc import Mapping
from functools import cache

from boltz.model.modules.diffusionv2 import AtomDiffusion
from boltz.model.potentials.potentials import (
    ContactPotentital,
    Potential,
    TemplateReferencePotential,
    get_potentials,
)
from torch import Tensor

from worker.boltz2.fast import lines

LINES = {
    AtomDiffusion.sample: "628147a975cf5a90",
    ContactPotentital.compute_args: "b6f7d088a062feab",
    Potential.compute: "a005d95c2154202f",
    Potential.compute_gradient: "36dfc4051773b6ff",
    TemplateReferencePotential.compute_args: "7cee60b7c79e3111",
    get_potentials: "07a4c416ba58edc2",
}


def steers(features: Mapping[str, Tensor]) -> bool:
    """Return whether a contact, a pocket or a template of an input is enforced; features in host memory."""
    contacts = features["contact_pair_index"].shape[-1] > 0
    templates = "template_force" in features and bool(features["template_force"].any())
    return contacts or templates or not _known()


@cache
def _known() -> bool:
    return lines.same(LINES)
