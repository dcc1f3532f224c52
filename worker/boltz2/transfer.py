"""Features on their way to a GPU and predictions on their way back, beside its turns.

Both go through pinned memory, on a stream of their own, so that no step of the model waits for them.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from boltz.data.module.inferencev2 import Boltz2InferenceDataModule
from torch import Tensor

AHEAD = 0.01
"""Most of a GPU's memory that an input's features may take there while another input is computed."""


def to_device(features: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """Return features on a device, all that Boltz has there; those that lie there stay where they are."""
    copied: dict[str, Any] = Boltz2InferenceDataModule.transfer_batch_to_device(
        None, dict(features), device, 0
    )
    return copied


def ahead(features: Mapping[str, Any], device: torch.device) -> Mapping[str, Any]:
    """Return features copied to a GPU, unless they are large; elsewhere there is nothing to copy.

    If it cannot be done now, they stay where they are: what is wrong will be met, and told, in the turn.
    """
    if device.type != "cuda":
        return features
    try:
        if _bytes(features) > AHEAD * torch.cuda.mem_get_info(device)[1]:
            return features
        with torch.cuda.stream(_stream(device)):
            copied = to_device(_each(features, Tensor.pin_memory), device)
        _stream(device).synchronize()
    except RuntimeError:
        return features
    return copied


def to_host(prediction: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """Return a prediction, computed by now, in host memory."""
    if device.type != "cuda":
        return dict(prediction)
    with torch.inference_mode(), torch.cuda.stream(_stream(device)):
        copied = _each(prediction, _pinned)
    _stream(device).synchronize()
    return copied


def _pinned(tensor: Tensor) -> Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(tensor, non_blocking=True)


@cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def _bytes(features: Mapping[str, Any]) -> int:
    return sum(each.nbytes for each in features.values() if isinstance(each, Tensor))


def _each(nested: Mapping[Any, Any], function: Callable[[Tensor], Tensor]) -> dict[Any, Any]:
    """Apply a function to all tensors in dictionaries."""
    return {key: _applied(value, function) for key, value in nested.items()}


def _applied(value: Any, function: Callable[[Tensor], Tensor]) -> Any:  # noqa: ANN401 (whatever Boltz returns)
    if isinstance(value, Tensor):
        return function(value)
    return _each(value, function) if isinstance(value, Mapping) else value
