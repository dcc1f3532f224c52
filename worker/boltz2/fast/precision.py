"""Products of matrices in TensorFloat-32, on a GPU: ten bits of each factor, summed in float32."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def of_products(device: torch.device, *, reduced: bool) -> Iterator[None]:
    """Reduce the precision of products meanwhile, if that is wanted and the device is a GPU.

    It is the whole process's: a worker has one device, and one thread that computes on it.
    """
    if not reduced or device.type != "cuda":
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
