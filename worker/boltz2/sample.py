"""One call of a loaded model: features from a file, on the device, the prediction to a file."""

import os
from dataclasses import asdict
from typing import Any

import torch
from boltz.data.module.inferencev2 import Boltz2InferenceDataModule
from boltz.main import BoltzSteeringParams
from pytorch_lightning.utilities import move_data_to_device

from schemas.options import Options
from worker.boltz2 import errors
from worker.boltz2.randomness import seed_all
from worker.boltz2.weights import Loaded
from worker.boltz2.workspace import Workspace

_UNWRITTEN = {"s", "z", "token_masks"}  # embeddings and masks that no file of ours holds


def configure_libraries() -> None:
    """Set what ``boltz predict`` sets for its process."""
    torch.set_float32_matmul_precision("highest")
    for key in ("CUEQ_DEFAULT_CONFIG", "CUEQ_DISABLE_AOT_TUNING"):
        os.environ.setdefault(key, "1")


def sample_structure(loaded: Loaded, workspace: Workspace, device: torch.device) -> None:
    """Predict structure and confidence. Raises FailedError."""
    options = workspace.options
    loaded.net.predict_args = _predict_args(
        options.recycling_steps, options.sampling_steps, options.samples, parallel=5
    )
    loaded.net.steering_args = _steering_args(potentials=options.potentials)
    _sample(loaded, workspace, device)


def sample_affinity(loaded: Loaded, workspace: Workspace, device: torch.device) -> None:
    """Predict the affinity of the complex that was predicted before. Raises FailedError."""
    options: Options = workspace.options
    loaded.net.predict_args = _predict_args(
        5, options.sampling_steps_affinity, options.samples_affinity, parallel=1
    )
    loaded.net.steering_args = _steering_args(potentials=False, contacts=False)
    _sample(loaded, workspace, device)


def _sample(loaded: Loaded, workspace: Workspace, device: torch.device) -> None:
    """Sample as the Trainer would: inference mode, bfloat16 mixed precision."""
    read = torch.load(workspace.features, weights_only=False, mmap=True)
    seed_all(workspace.seed)
    torch.set_rng_state(read["generator"])
    with errors.failures_of(device, workspace.options.samples):
        batch = Boltz2InferenceDataModule.transfer_batch_to_device(None, read["features"], device, 0)
        with torch.inference_mode(), torch.autocast(device.type, dtype=torch.bfloat16):
            prediction = loaded.net.predict_step(batch, 0)
        if prediction["exception"]:
            raise torch.OutOfMemoryError(f"{batch['token_pad_mask'].shape[1]} tokens")
        written = {name: value for name, value in prediction.items() if name not in _UNWRITTEN}
        result = move_data_to_device(written, torch.device("cpu"))  # waits for the device
    torch.save({"prediction": result, "generator": torch.get_rng_state()}, workspace.raw)


def _predict_args(recycling: int, steps: int, samples: int, *, parallel: int) -> dict[str, int]:
    """Arguments that ``Boltz2.predict_step`` reads at each call."""
    return {
        "recycling_steps": recycling,
        "sampling_steps": steps,
        "diffusion_samples": samples,
        "max_parallel_samples": parallel,
    }


def _steering_args(*, potentials: bool, contacts: bool = True) -> dict[str, Any]:
    """Arguments that ``Boltz2.forward`` reads at each call; contacts and pockets steer unless told not to."""
    return asdict(
        BoltzSteeringParams(
            fk_steering=potentials, physical_guidance_update=potentials, contact_guidance_update=contacts
        )
    )
