"""What Job and Service have in common, put together: the model, and the children that serve it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from worker import uncollected
from worker.child_server import fork_child_server
from worker.children import PRELOAD, Children
from worker.device import Device
from worker.manifest import COMPONENTS, STRUCTURE, require
from worker.read_ahead import read_ahead
from worker.settings import PredictionSettings

if TYPE_CHECKING:
    from worker.predictor import Predictor


class Warm(NamedTuple):
    """A predictor that loads its model beside the caller, its children, the device whose turns it takes."""

    predictor: "Predictor"
    children: Children
    device: Device


@contextmanager
def warm(settings: PredictionSettings) -> Iterator[Warm]:
    """Make what predicts ready while the block runs; its children end with the block.

    Call it before anything else starts a thread or a client of Google's. Raises FileNotFoundError, in one
    line, where the model's folder lacks a part.
    """
    for part in (COMPONENTS, STRUCTURE):
        require(settings.boltz_cache.absolute() / part)  # said before seconds of imports
    read_ahead(settings.boltz_cache, STRUCTURE)
    from worker.predictor import Predictor  # noqa: PLC0415  torch: seconds, while the disk is read

    fork_child_server(*PRELOAD)
    uncollected.collect_again()
    with Children(settings.read_seconds, *PRELOAD, memory=settings.child_memory) as children:
        device = Device(settings.prediction_seconds)
        yield Warm(Predictor(settings.boltz_cache, children, device, settings.device), children, device)
