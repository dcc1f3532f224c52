"""Seconds per prediction by size: ``PYTHONPATH=tests python -m benchmarks.prediction [--device cuda]``.

One worker drains random proteins of the given numbers of tokens, without alignment, with Boltz-2's defaults
for steps and with random weights of the released size (built on first use, 4.1 GB); queue, ledger and buckets
are in its memory. Reports seconds by stage, the device's busy share while draining, and the most memory that
tensors took on it. Meant for a GPU; ``--small --tokens 8 16 --steps 3`` tries it on anything.
"""

import argparse
import os
import random
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.bare_worker import Drained, drain
from benchmarks.inputs import RESIDUES
from benchmarks.startup import machine
from local import full_model, small_model
from schemas.job import Job, State
from schemas.options import Options
from schemas.stages import Stage

STAGES = ("parse", "featurise", "predict", "write")


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return 1 if a prediction failed."""
    options = _parser().parse_args(arguments)
    weights = (
        small_model.ensure(small_model.DEFAULT) if options.small else full_model.ensure(full_model.DEFAULT)
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "inputs"
        folder.mkdir()
        for tokens in options.tokens:
            _write(folder, tokens, options.each)
        steps = Options(seed=7, sampling_steps=options.steps)
        drained = drain(folder, Path(scratch) / "work", weights, steps, options.device)
    _show(Console(), drained, options.tokens)
    return 0 if {job.state for job in drained.jobs} == {State.SUCCEEDED} else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.prediction",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--device", default="auto", help="auto (default: the GPU if there is one), cpu or cuda"
    )
    parser.add_argument(
        "--tokens", type=int, nargs="+", default=[256, 512, 1024], help="sizes of the proteins"
    )
    parser.add_argument("--each", type=int, default=5, help="predictions per size (default 5)")
    parser.add_argument("--steps", type=int, default=200, help="sampling steps (default 200, as Boltz-2)")
    parser.add_argument("--small", action="store_true", help="the small model instead: to try the benchmark")
    return parser


def _write(folder: Path, tokens: int, count: int) -> None:
    random.seed(tokens)
    for number in range(count):
        sequence = "".join(random.choices(RESIDUES, k=tokens))  # noqa: S311  for variety, not for secrets
        path = folder / f"{tokens:05}_{number:02}.yaml"
        path.write_text(f"sequences:\n- protein: {{id: A, sequence: {sequence}, msa: empty}}\n")


def _show(console: Console, drained: Drained, sizes: Sequence[int]) -> None:
    table = Table("tokens", *(f"{stage}, s" for stage in STAGES), title="medians; the weights are random")
    for tokens in sizes:
        jobs = list(_of_size(drained.jobs, tokens))
        middles = (statistics.median(job.timings.get(stage, 0) for job in jobs) for stage in STAGES)
        table.add_row(str(tokens), *(f"{seconds:.2f}" for seconds in middles))
    console.print(f"{machine()}; {_gpu()}", highlight=False)
    console.print(table)
    turns = [
        (tokens, job.timings[Stage.PREDICT]) for tokens in sizes for job in _of_size(drained.jobs, tokens)
    ]
    if len({tokens for tokens, _ in turns}) > 1:
        console.print(
            "for benchmarks/capacity/figures.yaml, kind measured:", *_figures(turns), highlight=False
        )
    console.print(
        f"device busy {drained.device.busy_share:.1%} of the time from the first turn to the last; "
        f"at most {drained.device_peak_memory / 2**30:.1f} GiB of its memory (0 without a GPU)"
    )


def _figures(turns: Sequence[tuple[int, float]]) -> Iterator[str]:
    for name, seconds in zip(("device_seconds", "device_seconds_at_512"), fitted(turns), strict=True):
        yield f"{name} {seconds:.2f}"


def fitted(turns: Sequence[tuple[int, float]]) -> tuple[float, float]:
    """Return what the model of capacity makes of tokens and seconds, by least squares (``Times.turn``)."""
    squares, seconds = zip(*(((tokens / 512) ** 2, seconds) for tokens, seconds in turns), strict=True)
    slope, fixed = statistics.linear_regression(squares, seconds)
    return fixed, slope


def _gpu() -> str:
    import torch  # noqa: PLC0415  seconds, which --help need not take

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"


def _of_size(jobs: Sequence[Job], tokens: int) -> Iterator[Job]:
    for job in jobs:
        if job.source.name.startswith(f"{tokens:05}_") and job.state is State.SUCCEEDED:
            yield job


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # as the worker does
