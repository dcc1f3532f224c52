"""One call of a loaded model: features from a file, a turn on the device, the prediction to a file."""

import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

import torch
from boltz.main import BoltzSteeringParams

from schemas.options import Options
from worker.boltz2 import errors, transfer
from worker.boltz2.fast import steering, templates
from worker.boltz2.randomness import seed_all
from worker.boltz2.weights import Loaded
from worker.boltz2.workspace import Workspace

MOST_AT_ONCE = 5
"""Most structures that go through the diffusion model in one pass: the command's --max_parallel_samples."""

_UNWRITTEN = {"s", "z", "token_masks"}  # embeddings and masks that no file of ours holds


def configure_libraries() -> None:
    """Set what ``boltz predict`` sets for its process."""
    torch.set_float32_matmul_precision("highest")
    for key in ("CUEQ_DEFAULT_CONFIG", "CUEQ_DISABLE_AOT_TUNING"):
        os.environ.setdefault(key, "1")


class Features(NamedTuple):
    """Features that were read, and what they say of the input."""

    tensors: Mapping[str, Any]
    steered: bool
    templated: bool


class Predicted(NamedTuple):
    """What the model returned, where the model is, and torch's state after it."""

    tensors: Mapping[str, Any]
    generator: torch.Tensor


def read(workspace: Workspace, device: torch.device) -> Features:
    """Read features, and copy them to a GPU, while it may still compute another input."""
    features = torch.load(workspace.features, weights_only=False, mmap=True)
    steered, templated = steering.steers(features), templates.templated(features)
    return Features(transfer.ahead(features, device), steered, templated)


def save(predicted: Predicted, workspace: Workspace, device: torch.device) -> None:
    """Write a prediction to its file, while the device may compute the next one. Raises FailedError."""
    with errors.failures_of(device):
        prediction = transfer.to_host(predicted.tensors, device)
    torch.save({"prediction": prediction, "generator": predicted.generator}, workspace.raw)


def sample_structure(
    loaded: Loaded, workspace: Workspace, features: Features, device: torch.device
) -> Predicted:
    """Predict structure and confidence. Raises FailedError."""
    options = workspace.options
    parallel = max_parallel_samples(structures(options))
    loaded.net.predict_args = _predict_args(
        options.recycling_steps, options.sampling_steps, options.samples, parallel=parallel
    )
    loaded.net.steering_args = _steering_args(potentials=bool(options.potentials), contacts=features.steered)
    return _sample(loaded, workspace, features, device)


def structures(options: Options) -> int:
    """Return how many structures are sampled: potentials choose among several particles for each sample."""
    return options.samples * (BoltzSteeringParams().num_particles if options.potentials else 1)


def max_parallel_samples(count: int) -> int:
    """Return what makes Boltz pass so many structures in the fewest passes of at most MOST_AT_ONCE.

    Boltz divides them into ``count % max_parallel_samples + 1`` passes (boltz/model/modules/diffusionv2.py,
    l. 384), where the quotient, rounded up, was meant: with 5, four structures take four passes, and 25 one.
    For p passes of at most 5, ``count - p + 1`` leaves the remainder p - 1.
    """
    passes = -(-count // MOST_AT_ONCE)
    return count - passes + 1


def sample_affinity(
    loaded: Loaded, workspace: Workspace, features: Features, device: torch.device
) -> Predicted:
    """Predict the affinity of the complex that was predicted before. Raises FailedError.

    As the command does, its samples go in one pass: n modulo 1, plus 1.
    """
    options: Options = workspace.options
    loaded.net.predict_args = _predict_args(
        5, options.sampling_steps_affinity, options.samples_affinity, parallel=1
    )
    loaded.net.steering_args = _steering_args(potentials=False, contacts=False)
    return _sample(loaded, workspace, features, device)


def _sample(loaded: Loaded, workspace: Workspace, features: Features, device: torch.device) -> Predicted:
    """Sample as the Trainer would, in inference mode and mixed precision, the latter on a GPU alone."""
    seed_all(workspace.seed)
    torch.set_rng_state(torch.load(workspace.generator))
    with errors.failures_of(
        device, workspace.options.samples, steered=loaded.net.steering_args["fk_steering"]
    ):
        batch = transfer.to_device(features.tensors, device) | {templates.TEMPLATED: features.templated}
        with torch.inference_mode(), in_precision_of(device):
            prediction = loaded.net.predict_step(batch, 0)
        if prediction["exception"]:
            raise torch.OutOfMemoryError(f"{batch['token_pad_mask'].shape[1]} tokens")
        _wait_for(device)
    written = {name: value for name, value in prediction.items() if name not in _UNWRITTEN}
    return Predicted(written, torch.get_rng_state())


def _wait_for(device: torch.device) -> None:
    """Wait until all is computed: only then the turn is over, and what went wrong is told."""
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()


def in_precision_of(device: torch.device) -> torch.autocast:
    """Return the precision of a device: bfloat16 where it is the command's on a GPU, float32 on a CPU.

    The command takes bfloat16 on a CPU, too, also where Boltz asks for float32: its exceptions are for CUDA
    alone (github.com/jwohlwend/boltz/issues/662). With real weights that tears bonds (issues/653).
    """
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")


def _predict_args(recycling: int, steps: int, samples: int, *, parallel: int) -> dict[str, int]:
    """Arguments that ``Boltz2.predict_step`` reads at each call."""
    return {
        "recycling_steps": recycling,
        "sampling_steps": steps,
        "diffusion_samples": samples,
        "max_parallel_samples": parallel,
    }


def _steering_args(*, potentials: bool, contacts: bool) -> dict[str, Any]:
    """Arguments that ``Boltz2.forward`` reads at each call."""
    return asdict(
        BoltzSteeringParams(
            fk_steering=potentials, physical_guidance_update=potentials, contact_guidance_update=contacts
        )
    )
