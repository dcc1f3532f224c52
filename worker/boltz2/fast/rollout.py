"""The roll-out, by Boltz's own sampler, with a score model that is made ready for one input.

The sampler stays Boltz's, with its steering and its random numbers: so inputs that are steered gain, too. Its
noise levels are handed to it in host memory, since it reads three of them at each step
(boltz/model/modules/diffusionv2.py, l. 372), for which a GPU would be waited for.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from boltz.model.models.boltz2 import Boltz2
from boltz.model.modules.diffusionv2 import AtomDiffusion
from torch import Tensor

from worker.boltz2.fast import conditioning, lines, own_way, precision, score
from worker.boltz2.fast.conditioning import PARTS, Biases
from worker.boltz2.fast.score import Fixed, Score, TokenLayer, exactly

LINES = {
    AtomDiffusion.preconditioned_network_forward: "176b91cac45ff243",
    AtomDiffusion.sample: "628147a975cf5a90",
    AtomDiffusion.sample_schedule: "a93f7e9e6c830b17",
} | (conditioning.LINES | score.LINES)


def speed_up(net: Boltz2, less_exact: TokenLayer | None = None) -> None:
    """Have a net's diffusion compute once, for each input, what no step changes.

    ``less_exact`` applies the layers of tokens, where last digits may be others: then all samples have one
    conditioning, too, and a GPU multiplies in TensorFloat-32.
    """
    if not lines.same(LINES):
        return
    conditioning.lay_out(net.diffusion_conditioning)
    process = net.structure_module
    asked: Callable[..., dict[str, Tensor]] = process.sample
    schedule = process.sample_schedule

    def ready(**given: Any) -> dict[str, Tensor]:  # noqa: ANN401 (Boltz's arguments)
        laid_out = given["diffusion_conditioning"][PARTS[-1]]
        if not isinstance(laid_out, Biases):
            return asked(**given)
        rewind = _rewinding(process.device)
        if sampled := own_way.unless_it_fails(lambda: _sampled(process, partial(asked, **given), less_exact)):
            return sampled
        rewind()
        return asked(**given | {"diffusion_conditioning": dict(zip(PARTS, laid_out.boltz(), strict=True))})

    process.sample = ready
    process.sample_schedule = lambda steps=None: schedule(steps).cpu()


def _sampled(
    process: AtomDiffusion, sample: Callable[[], dict[str, Tensor]], less_exact: TokenLayer | None
) -> dict[str, Tensor]:
    """Sample with what stands for the score model during one roll-out."""
    process.score_model.forward = _forward(process, less_exact)
    try:
        return sample()
    finally:
        del process.score_model.forward


def _rewinding(device: torch.device) -> Callable[[], None]:
    """Return what sets torch's generators back to where they are now."""
    host = torch.get_rng_state()
    there = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    def rewind() -> None:
        torch.set_rng_state(host)
        if there is not None:
            torch.cuda.set_rng_state(there, device)

    return rewind


def _forward(process: AtomDiffusion, less_exact: TokenLayer | None) -> Any:  # noqa: ANN401 (Boltz's arguments)
    """Return what stands for the score model's own ``forward`` during one roll-out."""
    model = process.score_model
    shared = less_exact is not None or _rows_do_not_matter(process.device)
    fixed: list[Fixed] = []
    scores: dict[int, Score] = {}

    def forward(*, r_noisy: Tensor, times: Tensor, feats: Any, multiplicity: int, **given: Any) -> Tensor:  # noqa: ANN401
        if not fixed:
            fixed.append(Fixed.of(model, feats, given["diffusion_conditioning"]))
        rows = 1 if shared else multiplicity
        if rows not in scores:
            scores[rows] = Score(model, fixed[0], rows, layer=less_exact or exactly, **given)
        with precision.of_products(process.device, reduced=less_exact is not None):
            return scores[rows](r_noisy, times)

    return forward


def _rows_do_not_matter(device: torch.device) -> bool:
    """Return whether products of fewer rows round each row alike; a GPU was not asked."""
    return device.type == "cpu" and torch.get_num_threads() == 1
