"""Boltz's own way, where ours fails or there is too little memory for it: slower, and no failed job."""

import logging
from collections.abc import Callable
from typing import TypeVar

import torch

from schemas.reason import reason

logger = logging.getLogger(__name__)
T = TypeVar("T")


def unless_it_fails(ours: Callable[[], T]) -> T | None:
    """Return what comes of our way, or None where it fails; its memory is given back, and the log says so.

    Raises LinAlgError, which is Boltz's sampler's own: coordinates are no numbers.
    """
    try:
        return ours()
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
        raise
    except Exception as error:
        logger.warning(
            "failed: Boltz's own way is taken",
            exc_info=True,
            extra={"action": "model.own_way", "error": reason(error)},
        )
    torch.cuda.empty_cache()  # without effect where CUDA was never used
    return None


def has_room(needed: int, device: torch.device) -> bool:
    """Return whether twice as many bytes are free: as much again is for what a step takes; else say so."""
    free = free_memory(device)
    enough = free is None or free >= 2 * needed
    if not enough:
        logger.warning(
            "too little memory: Boltz's own way is taken",
            extra={"action": "model.own_way", "free_bytes": free, "needed_bytes": needed},
        )
    return enough


def free_memory(device: torch.device) -> int | None:
    """Return the bytes that tensors can still take on a GPU; None elsewhere: there is no limit to ask for."""
    if device.type != "cuda":
        return None
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + kept
