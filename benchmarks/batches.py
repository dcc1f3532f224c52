"""Inputs of one size in one pass, against one after the other: ``python -m benchmarks.batches``.

Proteins of the same residues in other orders, so that all have as many tokens and atoms, without alignment;
random weights, of the small model or of the released size (built on first use, 4.1 GB). Boltz's trunk and its
score model take several inputs, its sampler does not: what stands for it here gives the score model the same
noisy coordinates at each step, others for each input. *Boltz* computes as Boltz does, *here* as the worker
does, which takes Boltz's own score model for several inputs (worker/boltz2/fast/conditioning.py).

- *trunk*: from the features to the conditioning of the diffusion, all inputs together;
- *step*: a call of the score model, but the first, which makes it ready, all inputs together;
- *prediction*: of one input, without confidence, computed from these for Boltz's default passes of the trunk
  and steps; what comes before and after the passes counts with each of them;
- *apart*: the largest difference that going in one pass makes, as a share of the largest number.

Both ways take turns; figures are medians, *times faster* is the median (least - most) of the turns' ratios.
Seconds are of the processor, on one thread, or of time on a GPU. Exit status 1 if results are further apart
than rounding brings them.
"""

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import torch
from boltz.data.module.inferencev2 import collate
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from benchmarks.fast import boltz_alone
from benchmarks.inputs import RESIDUES
from benchmarks.startup import CHECKPOINTS, machine
from local import full_model, small_model
from schemas.options import Options
from worker.boltz2 import featurise, sample, transfer, weights
from worker.boltz2.fast import templates
from worker.boltz2.fast.net import speed_up
from worker.boltz2.manifest import STRUCTURE
from worker.boltz2.workspace import Workspace

WIDTHS = {
    "small": lambda: small_model.ensure(small_model.DEFAULT),
    "released": lambda: full_model.ensure(full_model.DEFAULT),
}
MODELS = ("Boltz", "here")
MEASURES = ("trunk, s", "step, ms", "prediction, s")
WHOLE = Options(seed=7)
PASSES = WHOLE.recycling_steps + 1

LEVEL = 16.0
"""Noise, in Å, at which coordinates and what the model makes of them count alike."""

NEAR = {"cpu": 1e-3, "cuda": 1e-1}
"""How far apart rounding may bring results: in float32, and in bfloat16."""

Found = tuple[Tensor, ...]


class Batch(NamedTuple):
    """Features of inputs that go in one pass, and their noisy coordinates: (input, atom, 3)."""

    features: dict[str, Any]
    noisy: Tensor


class Taken(NamedTuple):
    """Seconds of the trunk, of the first step, and of each later one."""

    trunk: float
    first: float
    step: float

    def prediction(self, passes: int) -> float:
        """Return the seconds of a whole prediction; ``passes`` of the trunk were measured."""
        return self.trunk * PASSES / passes + self.first + self.step * (WHOLE.sampling_steps - 1)


class Turn(NamedTuple):
    """Seconds of the same inputs one after the other and in one pass, and how far apart results are."""

    alone: Taken
    together: Taken
    apart: float


class Model:
    """A net without its confidence, whose score model is asked a few times instead of sampled with."""

    def __init__(self, cache: Path, device: torch.device, *, fast: bool) -> None:
        self._net = weights.load(cache / STRUCTURE, device, **CHECKPOINTS[STRUCTURE]).net
        self._net.confidence_prediction = False
        self._net.structure_module.sample = self._ask
        if fast:
            speed_up(self._net)
        self._meanwhile = nullcontext if fast else boltz_alone
        self._device, self._noisy = device, torch.empty(0)
        self._marks: list[float] = []

    def __call__(self, batch: Batch, passes: int, steps: int) -> tuple[Taken, Found]:
        """Return the seconds of a batch, and what comes of its trunk and of its last step."""
        self._noisy = batch.noisy
        with torch.inference_mode(), sample.in_precision_of(self._device), self._meanwhile():
            start = self._now()
            found = self._net(batch.features, recycling_steps=passes - 1, num_sampling_steps=steps)
        trunk, first, last = self._marks
        taken = Taken(trunk - start, first - trunk, (last - first) / steps)
        return taken, tuple(found[name].float() for name in ("s", "z", "sample_atom_coords"))

    def _ask(self, *, num_sampling_steps: int, **given: Any) -> dict[str, Tensor]:  # noqa: ANN401 (Boltz's arguments)
        """Ask the score model once, and then so many times."""
        parts = ("s_trunk", "s_inputs", "feats", "diffusion_conditioning")
        asked = {name: given[name] for name in parts} | {"multiplicity": 1}
        denoise = self._net.structure_module.preconditioned_network_forward
        self._marks = [self._now()]
        for times in (1, num_sampling_steps):
            for _ in range(times):
                denoised = denoise(self._noisy, LEVEL, asked)
            self._marks.append(self._now())
        return {"sample_atom_coords": denoised}

    def _now(self) -> float:
        """Return seconds: of the processor, or of time once a GPU has done all that it was given."""
        if self._device.type == "cpu":
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return 1 if results are too far apart."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    sample.configure_libraries()
    console = Console()
    console.print(f"{machine()}; {options.device}; {options.widths} widths", highlight=False)
    turns = _turns(options, console)
    console.print(_table(turns, options.passes))
    near = all(turn.apart < NEAR[options.device] for each in turns.values() for turn in each)
    console.print("apart by rounding" if near else "FURTHER APART THAN BY ROUNDING")
    return 0 if near else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.batches",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--device", choices=list(NEAR), default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--widths", choices=list(WIDTHS), default="small", help="the model's (default small)")
    parser.add_argument("--tokens", type=int, nargs="+", default=[64], help="of an input (default 64)")
    parser.add_argument("--inputs", type=int, nargs="+", default=[1, 2, 4, 8], help="that go in one pass")
    parser.add_argument("--passes", type=int, default=1, help=f"of the trunk (default 1, all are {PASSES})")
    parser.add_argument("--steps", type=int, default=10, help="to measure, besides the first (default 10)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each way (default 3)")
    return parser


Turns = dict[tuple[int, int, str], list[Turn]]


def _turns(options: argparse.Namespace, console: Console) -> Turns:
    """Return the turns of each number of tokens, of inputs, and of each model."""
    device, cache = torch.device(options.device), WIDTHS[options.widths]()
    models = {name: Model(cache, device, fast=name == "here") for name in MODELS}
    inputs = {tokens: featurised(tokens, max(options.inputs), cache) for tokens in options.tokens}
    for model, each in product(models.values(), inputs.values()):
        model(batched(each[:1], device), 1, 1)  # what is done for the first time takes longer
    taken: Turns = defaultdict(list)
    order = [*product(options.tokens, options.inputs, range(options.rounds), MODELS)]
    for tokens, count, _, name in track(order, "turns", console=console):
        batch = batched(inputs[tokens][:count], device)
        taken[tokens, count, name].append(_turn(models[name], batch, options.passes, options.steps))
    return taken


def featurised(tokens: int, count: int, cache: Path) -> list[dict[str, Any]]:
    """Return the features of so many proteins, which have the same residues in other orders."""
    random.seed(tokens)
    residues = random.choices(RESIDUES, k=tokens)  # noqa: S311  for variety, not for secrets
    return [_features("".join(random.sample(residues, tokens)), cache) for _ in range(count)]


def _features(sequence: str, cache: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "input.yaml"
        path.write_text(f"sequences:\n- protein: {{id: A, sequence: {sequence}, msa: empty}}\n")
        workspace = Workspace(path, WHOLE, 7, Path(folder) / "out", cache / "mols")
        featurise.featurise(workspace, ())
        features: dict[str, Any] = torch.load(workspace.features, weights_only=False)
    return features


def batched(inputs: Sequence[Mapping[str, Any]], device: torch.device) -> Batch:
    """Return inputs as one batch, with coordinates that are drawn for each of them."""
    features = collate([{name: values[0] for name, values in each.items()} for each in inputs])
    templated = {templates.TEMPLATED: templates.templated(features)}
    drawn = torch.randn(features["ref_pos"].shape, generator=torch.Generator().manual_seed(7))
    return Batch(transfer.to_device(features, device) | templated, LEVEL * drawn.to(device))


def alone(batch: Batch) -> Iterator[Batch]:
    """Yield each input of a batch as a batch of its own."""
    of_each = {name: values for name, values in batch.features.items() if name != templates.TEMPLATED}
    for place in range(len(batch.noisy)):
        own = {name: values[place : place + 1] for name, values in of_each.items()}
        yield Batch(batch.features | own, batch.noisy[place : place + 1])


def _turn(model: Model, batch: Batch, passes: int, steps: int) -> Turn:
    each, found = zip(*(model(one, passes, steps) for one in alone(batch)), strict=True)
    together, at_once = model(batch, passes, steps)
    one_by_one = tuple(torch.cat(parts) for parts in zip(*found, strict=True))
    return Turn(Taken(*map(sum, zip(*each, strict=True))), together, apart(at_once, one_by_one))


def apart(one: Found, other: Found) -> float:
    """Return the largest difference, as a share of the largest number; 0 only where bytes are the same."""
    pairs = zip(one, other, strict=True)
    shares = [(first - second).abs().max() / second.abs().max() for first, second in pairs]
    return float(torch.stack(shares).max())  # no number, if one of them is none


def _table(taken: Turns, passes: int) -> Table:
    table = Table(
        "tokens", "inputs", "model", "measured", "one by one", "in one pass", "times faster", "apart"
    )
    for (tokens, count, model), turns in taken.items():
        by_measure = zip(*(_measures(turn, passes, count) for turn in turns), strict=True)
        furthest = max(turn.apart for turn in turns)
        for measure, pairs in zip(MEASURES, by_measure, strict=True):
            table.add_row(str(tokens), str(count), model, measure, *_cells(pairs), f"{furthest:.1g}")
        table.add_section()
    return table


def _measures(turn: Turn, passes: int, count: int) -> Iterator[tuple[float, float]]:
    """Yield each measure, one after the other and in one pass."""
    alone, together, _ = turn
    yield alone.trunk, together.trunk
    yield 1000 * alone.step, 1000 * together.step
    yield alone.prediction(passes) / count, together.prediction(passes) / count


def _cells(pairs: Sequence[tuple[float, float]]) -> Iterator[str]:
    """Yield both medians, and how many times faster the second is: median (least - most)."""
    for median in map(statistics.median, zip(*pairs, strict=True)):
        yield f"{median:.0f}" if median >= 100 else f"{median:.3g}"  # noqa: PLR2004  three digits are enough
    ratios = sorted(first / second for first, second in pairs)
    yield f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} - {ratios[-1]:.2f})"


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # as the worker does
