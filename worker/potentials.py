"""Whether potentials steer a prediction, where its upload left that to us (``dropfold-potentials: auto``).

They keep stereochemistry, which Boltz-2 by itself gets wrong in a part of its samples
(github.com/jwohlwend/boltz/issues/521), and cost three particles for each sample.
"""

from typing import NamedTuple

from inputs.grammar import BoltzInput
from inputs.stereo import stereo_places
from schemas.job import Model
from schemas.options import Options
from worker.prepare import Call

OPTION = "potentials"
MOST_NAMED = 5
"""Places that a reason names."""


class Decided(NamedTuple):
    """Options without auto, and why each that was auto is what it is."""

    options: Options
    reasons: dict[str, str]


def decided(options: Options, document: BoltzInput, model: Model, call: Call) -> Decided:
    """Decide on potentials if that is left to us. Raises FailedError where reading had to be ended."""
    if options.potentials is not None:
        return Decided(options, {})
    places = () if model.random_weights else call(stereo_places, document)
    reason = f"on: stereochemistry in {_listed(places)}" if places else _why_off(model)
    return Decided(options.model_copy(update={OPTION: bool(places)}), {OPTION: reason})


def _why_off(model: Model) -> str:
    if model.random_weights:
        return "off: the weights are random"
    return "off: no ligand and no modified residue has a stereocentre"


def _listed(places: tuple[str, ...]) -> str:
    more = len(places) - MOST_NAMED
    return ", ".join(places[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
