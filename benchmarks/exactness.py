"""The worker's results against ``boltz predict``, bit for bit: ``python -m benchmarks.exactness [NAME...]``.

Each input in ``benchmarks/exact/`` goes through the command, in a process of its own, and twice through one
warm predictor, several at once and in no particular order, as the worker does it. Every file of every
prediction must be the same, byte by byte; if not, the exit status is 1. Both sides run on the CPU, with the
small model and one thread per process, since sums depend on how they are split; and with hash seed 0, since
with a random one the command answers ``shared_template.yaml`` now so, now otherwise. The seconds are
information: on a model this small they compare what surrounds it, above all the start of a process.

What dropfold does otherwise on purpose (docs/known-faults.md) the command does here, too: it computes in
float32 (benchmarks/boltz_float32.py), and its ``--max_parallel_samples`` is that which gives full passes.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import torch

from local.parts import ROOT
from local.small_model import DEFAULT, ensure
from schemas.options import Options
from worker.boltz2.predictor import Boltz2Predictor
from worker.boltz2.sample import max_parallel_samples, structures
from worker.child_pool import PRELOAD, ChildPool
from worker.device import Device

INPUTS = Path(__file__).with_name("exact")
AT_ONCE = 3
LIMIT = 3600.0
"""Timeout of one input, at either side: longer than any machine takes."""

CASES: Mapping[str, Options] = {
    "protein.yaml": Options(seed=7, recycling_steps=1, sampling_steps=5),
    "alignment.yaml": Options(seed=1, recycling_steps=1, sampling_steps=3),
    "paired.yaml": Options(seed=2, recycling_steps=0, sampling_steps=3),
    "affinity.yaml": Options(
        seed=3,
        recycling_steps=1,
        sampling_steps=3,
        samples=2,
        potentials=True,
        sampling_steps_affinity=3,
        samples_affinity=2,
    ),
    "component_affinity.yaml": Options(
        seed=0, recycling_steps=0, sampling_steps=2, samples=3, sampling_steps_affinity=2, samples_affinity=1
    ),
    "components.yaml": Options(seed=4, recycling_steps=1, sampling_steps=3),
    "glycan.yaml": Options(seed=2**32 - 1, recycling_steps=0, sampling_steps=3),
    "nucleic.yaml": Options(seed=6, recycling_steps=1, sampling_steps=3),
    "mixture.fasta": Options(seed=8, recycling_steps=0, sampling_steps=3, output_format="pdb"),
    "cyclic.yaml": Options(seed=9, recycling_steps=1, sampling_steps=3),
    "template.yaml": Options(seed=10, recycling_steps=1, sampling_steps=3),
    "shared_template.yaml": Options(seed=14, recycling_steps=0, sampling_steps=3),
    "forced_template.yaml": Options(seed=11, recycling_steps=0, sampling_steps=5, potentials=True),
    "stereo.yaml": Options(
        seed=12, recycling_steps=0, sampling_steps=8, samples=2, potentials=True, output_format="pdb"
    ),  # in bfloat16 Boltz mixes types up from the fourth step on, and raises
    "samples.yaml": Options(seed=13, recycling_steps=0, sampling_steps=2, samples=7),
}
"""Files in ``benchmarks/exact/`` and their options: few steps, since each step is like the next."""

_FLAGS = {
    "seed": "--seed",
    "samples": "--diffusion_samples",
    "recycling_steps": "--recycling_steps",
    "sampling_steps": "--sampling_steps",
    "sampling_steps_affinity": "--sampling_steps_affinity",
    "samples_affinity": "--diffusion_samples_affinity",
    "output_format": "--output_format",
}


@contextmanager
def warm_predictor(cache: Path, turn_limit: float = LIMIT) -> Iterator[Boltz2Predictor]:
    """Compose a predictor on the CPU as the worker does, and end its children afterwards."""
    os.environ["OMP_NUM_THREADS"] = "1"  # for the children; this process may have read it already
    torch.set_num_threads(1)
    children = ChildPool(LIMIT, *PRELOAD)
    try:
        yield Boltz2Predictor(cache, children, Device(turn_limit), "cpu")
    finally:
        children.stop()


def predict_together(predictor: Boltz2Predictor, names: Sequence[str], folder: Path) -> dict[str, list[Path]]:
    """Predict each input twice, a few at once, in an order that is mixed but always the same.

    Return the folders with the files of each input.
    """
    found: dict[str, list[Path]] = {name: [] for name in names}

    def predict(turn: int, name: str) -> None:
        out, options = folder / f"{turn}", CASES[name]
        try:
            predictor.predict(INPUTS / name, options, options.seed or 0, out, begin=lambda: None)
        except Exception as error:
            error.add_note(f"The input is {name}")
            raise
        found[name].append(out / "predictions" / Path(name).stem)

    order = [*names] * 2
    random.Random(0).shuffle(order)  # noqa: S311 (no secret)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(predict, range(len(order)), order))
    return found


def run_command(name: str, cache: Path, folder: Path) -> Path:
    """Run ``boltz predict`` on one input in a process of its own; return the folder with its files."""
    boltz = [sys.executable, "-W", "ignore", "-m", "benchmarks.boltz_float32"]
    command = [*boltz, "predict", name, f"--out_dir={folder}", "--accelerator=cpu", *_flags(CASES[name])]
    own = {"OMP_NUM_THREADS": "1", "BOLTZ_CACHE": str(cache), "PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT)}
    environment = os.environ | own
    subprocess.run(  # noqa: S603 (this interpreter)
        command, cwd=INPUTS, env=environment, check=True, capture_output=True, timeout=LIMIT
    )
    return folder / f"boltz_results_{Path(name).stem}" / "predictions" / Path(name).stem


def differences(first: Path, second: Path) -> list[str]:
    """Return the files that are not in both folders with the same bytes; to compare nothing is an error."""
    contents = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in (first, second)]
    if not contents[0]:
        raise FileNotFoundError(f"{first} holds no file")
    either = sorted(contents[0].keys() | contents[1].keys())
    return [name for name in either if contents[0].get(name) != contents[1].get(name)]


def _flags(options: Options) -> Iterator[str]:
    yield f"--max_parallel_samples={max_parallel_samples(structures(options))}"
    values = options.model_dump()
    if values.pop("potentials", False):  # left open, as it is for most, it is not in the dump
        yield "--use_potentials"
    for option, value in values.items():
        yield f"{_FLAGS[option]}={value}"


def compare(names: Sequence[str], cache: Path, folder: Path) -> bool:
    """Predict, run the commands, print a table; return whether every file is the same."""
    start = time.monotonic()
    with warm_predictor(cache) as predictor:
        ours = predict_together(predictor, names, folder)
    seconds = time.monotonic() - start
    same, command_seconds = True, 0.0
    _say(f"{'input':26}{'command':>10}  {'files':>5}  differences")
    for name in names:
        start = time.monotonic()
        theirs = run_command(name, cache, folder)
        took = time.monotonic() - start
        different = sorted({file for each in ours[name] for file in differences(theirs, each)})
        _say(f"{name:26}{took:8.1f} s  {len(list(theirs.iterdir())):5}  {', '.join(different) or 'none'}")
        same &= not different
        command_seconds += took
    _say(
        f"\n{len(names)} commands: {command_seconds:.1f} s; {2 * len(names)} warm predictions with start-up: "
        f"{seconds:.1f} s; {2 * command_seconds / seconds:.1f} times the throughput"
    )
    return same


def main(arguments: Iterable[str]) -> int:
    """Compare the inputs named, or all; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exactness", description="See the module.")
    parser.add_argument("names", nargs="*", choices=[*CASES, []], metavar="NAME", help="default: all inputs")
    names = parser.parse_args(list(arguments)).names or list(CASES)
    folder = Path(tempfile.mkdtemp(prefix="exactness-"))
    same = compare(names, ensure(DEFAULT), folder)
    if same:
        shutil.rmtree(folder)
    else:
        _say(f"What differs lies in {folder}")
    return 0 if same else 1


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
