"""Boltz-2, loaded once, then one input after another, each as if it were alone.

The result of an input depends on the input, its options and its seed, never on what ran before or beside it,
and on the CPU it equals ``boltz predict --seed`` on that one input bit for bit (worker/boltz2/randomness.py
says how). Several threads may predict at once: reading and writing happen in child processes, and the device
takes one turn after another.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch

from schemas.job import ComputeDevice, Model, Speed
from schemas.options import Options
from schemas.stages import Stage
from worker.boltz2 import compute_device, featurise, sample, weights, write
from worker.boltz2.fast.compiled import FOLDER
from worker.boltz2.fast.net import speed_up
from worker.boltz2.manifest import AFFINITY, COMPONENTS, STRUCTURE, require
from worker.boltz2.randomness import Fill
from worker.boltz2.sample import Features, Predicted
from worker.boltz2.weights import Loaded
from worker.boltz2.workspace import Workspace
from worker.child_pool import ChildPool
from worker.device import Device
from worker.errors import DeviceLostError
from worker.predictor import Examine, PredictedFiles, Written

T = TypeVar("T")
Sample = Callable[[Loaded, Workspace, Features, torch.device], Predicted]


class Boltz2Predictor:
    """Boltz-2 ready to predict. The structure model loads beside the caller, the affinity model when needed.

    ``cache`` is a BOLTZ_CACHE folder; ``on`` is "auto" (CUDA if there is one), "cpu" or "cuda". With the
    ``speed`` "fast", results have other last digits. Raises FileNotFoundError, in one line, if the folder
    lacks a part.
    """

    def __init__(
        self, cache: Path, children: ChildPool, device: Device, on: str = "auto", speed: Speed = "exact"
    ) -> None:
        self._cache = cache.absolute()
        for part in (COMPONENTS, STRUCTURE):
            require(self._cache / part)
        self._children, self._device, self._on = children, device, compute_device.asked(on)
        self._speed: Speed = speed
        sample.configure_libraries()
        self._described = _in_background(partial(weights.describe, self._cache))
        loading = partial(load, self._cache / STRUCTURE, self._on, speed, use_kernels=True)
        self._structure = _in_background(loading)
        self._affinity: Future[Loaded] | None = None
        self._asking = threading.Lock()

    @property
    def model(self) -> Model:
        """Name, version and digest of the model; waits for the digest, which is taken beside the loading."""
        return self._sound(self._described).model_copy(update={"speed": self._speed})

    @property
    def lost(self) -> bool:
        """Whether the device has failed or hangs, or the model could not be loaded."""
        return self._device.lost

    @property
    def device_peak_memory(self) -> int:
        """Return the most bytes that tensors took on the GPU; 0 without one."""
        return torch.cuda.max_memory_allocated() if self._on.type == "cuda" else 0

    @property
    def ready_at(self) -> datetime:
        """When the structure model was loaded; waits for it."""
        return self._sound(self._structure).at

    def predict(
        self,
        input_file: Path,
        options: Options,
        seed: int,
        out: Path,
        begin: Callable[[], object],
        *,
        examine: Examine | None = None,
    ) -> PredictedFiles:
        """Predict one input; its files appear under ``out``.

        ``out`` must be fresh: Boltz would take what another run left there for its own. Files that the input
        refers to are looked up beside it. ``begin`` is called when the device is free for this input, and may
        still refuse by raising; ``examine`` once the structures are written: without it samples stay in
        Boltz's order. Stages with seconds are ``parse``, ``featurise``, ``predict`` and ``write``, and for an
        affinity the last three again with ``affinity_`` before them. Raises FailedError, DeviceLostError;
        anything else raised is a defect of this program or of its machine.
        """
        components = self._cache / COMPONENTS
        workspace = Workspace(input_file.absolute(), options, seed, out.absolute(), components)
        affinity, timings = self._children.run(featurise.featurise, workspace, self._fills(self._structure))
        second = self._load_affinity() if affinity else None
        timings[Stage.PREDICT] = self._sample(sample.sample_structure, self._structure, workspace, begin)
        timings |= self._children.run(write.write, workspace)
        order: Sequence[int] = range(options.samples)
        if examine:
            order = examine(Written(workspace.files(order), workspace.molecules, components))
        if second is not None:
            if order[0]:
                self._children.run(write.choose, workspace, order[0])
            timings |= self._children.run(featurise.featurise_affinity, workspace, self._fills(second))
            timings[Stage.AFFINITY_PREDICT] = self._sample(sample.sample_affinity, second, workspace, begin)
            timings |= self._children.run(write.write_affinity, workspace)
        return PredictedFiles(workspace.files(order, affinity=affinity), timings, self._described_device)

    @property
    def _described_device(self) -> ComputeDevice:
        model = self._sound(self._structure)
        compiled = model.compiled is not None and model.compiled.works
        return compute_device.describe(self._on, kernels=model.net.use_kernels, compiled=compiled)

    def _sample(
        self, call: Sample, model: "Future[Loaded]", workspace: Workspace, begin: Callable[[], object]
    ) -> float:
        """Sample in a turn of the device, read and save beside those of others; return the turn's seconds."""
        loaded = self._sound(model)  # waited for before the turn: nothing is begun that cannot go on

        def work(features: Features) -> tuple[Predicted, float]:
            start = time.perf_counter()
            return call(loaded, workspace, features, self._on), time.perf_counter() - start

        def after(done: tuple[Predicted, float]) -> float:
            predicted, seconds = done
            sample.save(predicted, workspace, self._on)
            return seconds

        return self._device.pipelined(begin, partial(sample.read, workspace, self._on), work, after)

    def _fills(self, model: "Future[Loaded]") -> Sequence[Fill]:
        """Return what building the model fills: nothing on CUDA, where reading need not wait for it."""
        return () if self._on.type == "cuda" else self._sound(model).fills

    def _sound(self, part: "Future[T]") -> T:
        """Return a part of the model once it is loaded. Raises DeviceLostError: that is no input's fault."""
        try:
            return part.result()
        except Exception as error:
            self._device.lost = True
            raise DeviceLostError(f"the model in {self._cache} cannot be loaded: {error}") from error

    def _load_affinity(self) -> "Future[Loaded]":
        """Load the affinity model beside everything else, once, when the first input asks for it."""
        path = require(self._cache / AFFINITY)
        with self._asking:
            if self._affinity is None:
                loading = partial(load, path, self._on, self._speed, affinity_mw_correction=False)
                self._affinity = _in_background(loading)
            return self._affinity


def load(path: Path, device: torch.device, speed: Speed, **arguments: bool) -> Loaded:
    """Load a checkpoint (worker/boltz2/weights.py), and have it leave out what changes no result.

    With the speed "fast", also what changes last digits; layers may have been compiled for it, beside it.
    """
    loaded = weights.load(path, device, **arguments)
    return loaded._replace(compiled=speed_up(loaded.net, speed, path.parent / FOLDER))


def _in_background(work: Callable[[], T]) -> "Future[T]":
    """Start ``work`` on a daemon thread: an executor's thread would hold the process back at its exit."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001 (raised again in the thread that asks for the result)
            future.set_exception(error)

    threading.Thread(target=run, name="load", daemon=True).start()
    return future
