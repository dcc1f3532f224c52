"""Compare how a worker loads Boltz-2 with ``Boltz2.load_from_checkpoint``: ``python -m benchmarks.startup``.

Full-size random weights (4.1 GB, built on first use into ``.local/boltz-full``). For each checkpoint, with
its pages in memory (warm) and dropped from it (cold), the ways take turns, each time in a fresh process; one
of them is a worker that computes as Boltz does, and leaves nothing out (worker/boltz2/fast):

- *import*: from the start of the process until all modules are there that the way needs;
- *load*: from the path to the model on its device, ready for inference;
- *load, CPU*: the processor's seconds in that, which depend less on who else is busy here;
- *load and read*: load, and then every weight read once, which mapping a file puts off;
- *start*: from the start of the process to the model loaded;
- *start, CPU*: the processor's seconds in that.

Then Boltz's and the worker's models are compared in one process: every parameter and buffer, the persistent
and the others, and the hyper-parameters. Exit status 1 if they differ, or if a warm load is not 8 times
faster.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from local.full_model import DEFAULT, ensure

if TYPE_CHECKING:
    import torch
    from boltz.model.models.boltz2 import Boltz2

CHECKPOINTS = {
    "boltz2_conf.ckpt": {"use_kernels": True},
    "boltz2_aff.ckpt": {"affinity_mw_correction": False},
}
"""Checkpoints, each with its arguments in ``boltz predict`` besides those of both."""

STAGES = ("import", "load", "load, CPU", "load and read", "start", "start, CPU")
GOAL = 8
Seconds = dict[str, float]


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return 1 if models differ or the goal is missed."""
    options = _parser().parse_args(arguments)
    if options.one:
        way, checkpoint, device, began = options.one
        print(json.dumps(measure(way, Path(checkpoint), device, float(began))))  # noqa: T201
        return 0
    console, cache = Console(), ensure(options.weights)
    console.print(machine(), highlight=False)
    fast = _compare_times(console, cache, options.rounds, options.device)
    same = [_same_models(console, cache / name) for name in CHECKPOINTS]
    if options.delete:
        shutil.rmtree(DEFAULT)  # never a folder of somebody else's
    return 0 if fast and all(same) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.startup",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--rounds", type=int, default=3, help="turns of each way (default 3: 6 to 10 minutes on 2 cores)"
    )
    parser.add_argument("--device", default="cpu", help="where the model shall be: cpu (default) or cuda")
    parser.add_argument("--weights", type=Path, default=DEFAULT, help="another BOLTZ_CACHE folder")
    parser.add_argument("--delete", action="store_true", help=f"delete {DEFAULT.name} afterwards")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)  # what a process of its own does
    return parser


def machine() -> str:
    """Return this machine in words: processor, cores, memory."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = next((line.split(": ")[1] for line in info.splitlines() if line.startswith("model name")), "?")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.platform()}"


# In a process of its own. Each way imports its modules itself: that is a part of what is measured.


def measure(way: str, checkpoint: Path, device: str, began: float) -> Seconds:
    """Load a checkpoint once; ``began`` is the monotonic time at which this process was started."""
    load, on = WAYS[way](), _device(device)
    imported, imported_cpu = time.monotonic(), time.process_time()
    net = load(checkpoint, on)
    _wait(on)
    loaded, loaded_cpu = time.monotonic(), time.process_time()
    for tensor in net.state_dict().values():
        tensor.sum().item()
    read = time.monotonic()
    return {
        "import": imported - began,
        "load": loaded - imported,
        "load, CPU": loaded_cpu - imported_cpu,
        "load and read": read - imported,
        "start": loaded - began,
        "start, CPU": loaded_cpu,
    }


def _device(name: str) -> "torch.device":
    import torch  # noqa: PLC0415

    torch.zeros(1, device=name)  # the driver's own start is no part of loading
    return torch.device(name)


def _wait(device: "torch.device") -> None:
    import torch  # noqa: PLC0415

    if device.type == "cuda":
        torch.cuda.synchronize()


Load = Callable[[Path, "torch.device"], "Boltz2"]


def stock() -> Load:
    """Return the way of ``boltz predict``."""
    from boltz.main import Boltz2DiffusionParams, MSAModuleArgs, PairformerArgsV2  # noqa: PLC0415
    from boltz.model.models.boltz2 import Boltz2  # noqa: PLC0415

    def load(checkpoint: Path, device: "torch.device") -> "Boltz2":
        net = Boltz2.load_from_checkpoint(
            checkpoint,
            strict=True,
            map_location="cpu",
            ema=False,
            diffusion_process_args=asdict(Boltz2DiffusionParams()),
            pairformer_args=asdict(PairformerArgsV2()),
            msa_args=asdict(MSAModuleArgs()),
            predict_args={},
            steering_args={},
            **CHECKPOINTS[checkpoint.name],
        )
        return net.eval().to(device)

    return load


def ours() -> Load:
    """Return the way of the worker."""
    from worker.boltz2 import predictor  # noqa: PLC0415

    return lambda checkpoint, device: (
        predictor.load(checkpoint, device, "exact", **CHECKPOINTS[checkpoint.name]).net
    )


def nothing_left_out() -> Load:
    """Return the way of a worker that does all that Boltz does."""
    import worker.boltz2.predictor  # noqa: F401, PLC0415  all that a worker imports
    from worker.boltz2 import weights  # noqa: PLC0415

    return lambda checkpoint, device: weights.load(checkpoint, device, **CHECKPOINTS[checkpoint.name]).net


WAYS: dict[str, Callable[[], Load]] = {
    "load_from_checkpoint": stock,
    "worker, nothing left out": nothing_left_out,
    "worker": ours,
}


# In the benchmark's process: turns, tables, the comparison.


def _compare_times(console: Console, cache: Path, rounds: int, device: str) -> bool:
    """Show the times; return whether the goal is met."""
    turns = [
        (name, pages, way)
        for _ in range(rounds)
        for name in CHECKPOINTS
        for pages in ("warm", "cold")
        for way in WAYS
    ]
    taken: dict[tuple[str, str], dict[str, list[Seconds]]] = defaultdict(lambda: defaultdict(list))
    for name, pages, way in track(turns, "loading", console=console):
        taken[name, pages][way].append(_in_a_fresh_process(cache / name, pages, way, device))
    ratios = {key: _show(console, *key, runs)["load"] for key, runs in taken.items()}
    warm = min(ratio for (_, pages), ratio in ratios.items() if pages == "warm")
    console.print(f"A warm load is {warm:.1f} times faster at least (goal: {GOAL}).")
    return warm >= GOAL


def _in_a_fresh_process(checkpoint: Path, pages: str, way: str, device: str) -> Seconds:
    _put_pages(checkpoint, pages)
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.startup", "--one", way, str(checkpoint)]
    command += [device, str(time.monotonic())]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    seconds: Seconds = json.loads(done.stdout)
    return seconds


def _put_pages(checkpoint: Path, pages: str) -> None:
    """Read the file's pages into the page cache, or drop them from it."""
    with checkpoint.open("rb", buffering=0) as file:
        if pages == "cold":
            os.fsync(file.fileno())  # pages that are not written yet cannot be dropped
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while pages == "warm" and file.read(1 << 24):
            pass


def _show(console: Console, name: str, pages: str, runs: dict[str, list[Seconds]]) -> Seconds:
    """Show seconds as median (least - most); return the factor by which the worker is faster, by stage."""
    table = Table("seconds", *WAYS, "times faster", title=f"{name}, {pages}, {len(runs['worker'])} rounds")
    ratios = {}
    for stage in STAGES:
        columns = {way: sorted(run[stage] for run in runs[way]) for way in WAYS}
        theirs, *_, own = (statistics.median(columns[way]) for way in WAYS)
        ratios[stage] = theirs / own
        table.add_row(stage, *map(_cell, columns.values()), f"{ratios[stage]:.1f}")
    console.print(table)
    return ratios


def _cell(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} ({seconds[0]:.2f} - {seconds[-1]:.2f})"


def _same_models(console: Console, checkpoint: Path) -> bool:
    """Load a checkpoint as Boltz and as the worker do; return whether everything is the same."""
    first, second = (way()(checkpoint, _device("cpu")) for way in (stock, ours))
    found = list(differences(first, second))
    console.print(
        f"{checkpoint.name}: {len(tensors(first))} tensors, different: {', '.join(found) or 'none'}"
    )
    return not found


def differences(first: "Boltz2", second: "Boltz2") -> Iterator[str]:
    """Yield the names of what differs between two models: tensors to the bit, hyper-parameters, switches."""
    import torch  # noqa: PLC0415

    ones, others = tensors(first), tensors(second)
    for name in ones.keys() | others.keys():
        one, other = ones.get(name), others.get(name)
        if one is None or other is None or not torch.equal(one, other) or _form(one) != _form(other):
            yield name
    if first.hparams != second.hparams:
        yield "hparams"
    for name, module in first.named_modules():
        if module.training or second.get_submodule(name).training:
            yield f"{name}.training"


def tensors(net: "Boltz2") -> "dict[str, torch.Tensor]":
    """Return every parameter and buffer by name: each name of shared ones, and buffers that no file holds."""
    named: tuple[Any, ...] = (
        net.named_parameters(remove_duplicate=False),
        net.named_buffers(remove_duplicate=False),
    )
    return {name: tensor for each in named for name, tensor in each}


def _form(tensor: "torch.Tensor") -> tuple[object, ...]:
    return tensor.dtype, tensor.stride(), tensor.requires_grad, tensor.device


if __name__ == "__main__":
    sys.exit(main())
