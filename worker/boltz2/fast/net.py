"""A net that predicts the same in less time."""

from pathlib import Path

from boltz.model.models.boltz2 import Boltz2

from schemas.job import Speed
from worker.boltz2.fast import compiled, dropout, rollout, score, templates
from worker.boltz2.fast.compiled import Compiled


def speed_up(net: Boltz2, speed: Speed = "exact", compiled_in: Path | None = None) -> Compiled | None:
    """Have a net leave out what changes no result; "fast": compute the roll-out less exactly, too.

    Returns layers that were compiled for its device, where ``compiled_in`` has some and they are used.
    """
    dropout.leave_out()
    templates.leave_out(net)
    if speed == "exact":
        rollout.speed_up(net)
        return None
    layers = compiled.load(net, compiled_in) if compiled_in else None
    rollout.speed_up(net, layers or score.fused)
    return layers
