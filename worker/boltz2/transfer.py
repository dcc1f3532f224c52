"""Features on their way to the device and predictions on their way back, beside the device's turns.

On a GPU both go through pinned memory, on a stream of their own, so that the model's is not waited for.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from boltz.data.module.inferencev2 import Boltz2InferenceDataModule
from torch import Tensor

_AHEAD = 0.01
"""Most of a GPU's memory that the features of an input may take while another one is computed."""


def to_device(features: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """Copy what Boltz copies; what lies there already stays."""
    copied: dict[str, Any] = Boltz2InferenceDataModule.transfer_batch_to_device(
        None, dict(features), device, 0
    )
    return copied


def ahead(features: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """Copy features to a GPU while it computes another input; where they are many, to pinned memory only.

    If it cannot be done now, they stay where they are: what is wrong will be met, and told, in the turn.
    """
    if device.type != "cuda":
        return dict(features)
    try:
        pinned = _each(features, Tensor.pin_memory)
        if _size(pinned) > _AHEAD * torch.cuda.get_device_properties(device).total_memory:
            return pinned
        with torch.cuda.stream(_stream(device)):
            copied = to_device(pinned, device)
        _stream(device).synchronize()
    except RuntimeError:
        return dict(features)
    return copied


def to_host(prediction: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a prediction, which is there, to host memory."""
    with torch.inference_mode():
        copied = _each(prediction, _host_copy)
    for device in {tensor.device for tensor in _tensors(prediction) if tensor.is_cuda}:
        _stream(device).synchronize()
    return copied


def _host_copy(tensor: Tensor) -> Tensor:
    if not tensor.is_cuda:
        return tensor
    with torch.cuda.stream(_stream(tensor.device)):
        pinned = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        return pinned.copy_(tensor, non_blocking=True)


@cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def _size(features: Mapping[str, Any]) -> int:
    return sum(tensor.nbytes for tensor in _tensors(features))


def _tensors(nested: Mapping[str, Any]) -> list[Tensor]:
    found: list[Tensor] = []
    _each(nested, found.append)
    return found


def _each(nested: Mapping[Any, Any], function: Callable[[Tensor], Any]) -> dict[Any, Any]:
    """Apply a function to all tensors in dictionaries."""
    return {key: _applied(value, function) for key, value in nested.items()}


def _applied(value: Any, function: Callable[[Tensor], Any]) -> Any:  # noqa: ANN401 (whatever Boltz returns)
    if isinstance(value, Tensor):
        return function(value)
    return _each(value, function) if isinstance(value, Mapping) else value
