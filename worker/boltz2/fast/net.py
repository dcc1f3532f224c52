"""A net that predicts the same in less time."""

from boltz.model.models.boltz2 import Boltz2

from schemas.job import Speed
from worker.boltz2.fast import dropout, rollout, templates


def speed_up(net: Boltz2, speed: Speed = "exact") -> None:
    """Have a net leave out what changes no result; "fast": compute the roll-out less exactly, too."""
    dropout.leave_out()
    templates.leave_out(net)
    rollout.speed_up(net, less_exact=speed == "fast")
