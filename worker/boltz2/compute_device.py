"""What the model computes on, for receipts: the same input gives the same result on the same of all this."""

import ctypes
import platform
from functools import cache
from pathlib import Path

import torch

from schemas.job import ComputeDevice
from worker.boltz2.sample import in_precision_of

_CPUINFO = Path("/proc/cpuinfo")
_LONGEST = 80  # NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE


def asked(name: str) -> torch.device:
    """Return the device that "auto", "cpu" or "cuda" asks for. Raises RuntimeError where there is no GPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise RuntimeError(
            f"Device {name} was asked for, but torch {torch.__version__} sees no GPU: use auto or cpu."
        )
    return torch.device(name)


@cache
def describe(device: torch.device, *, kernels: bool, compiled: bool) -> ComputeDevice:
    """Describe a device; whether the model on it uses the fused kernels, and layers that were compiled."""
    gpu = device.type == "cuda"
    return ComputeDevice(
        name=torch.cuda.get_device_name(device) if gpu else _processor(),
        driver=_driver() if gpu else None,
        cuda=torch.version.cuda if gpu else None,
        torch=torch.__version__,
        kernels=kernels,
        compiled=compiled,
        precision=_precision(device),
    )


def _precision(device: torch.device) -> str:
    with in_precision_of(device):
        mixed = torch.is_autocast_enabled(device.type)
        return str(torch.get_autocast_dtype(device.type)).removeprefix("torch.") if mixed else "float32"


def _processor() -> str:
    """Return the processor's name, with the instructions by which torch chooses how to compute."""
    lines = _CPUINFO.read_text().splitlines() if _CPUINFO.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    name = next(names, platform.machine())
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}"


def _driver() -> str | None:
    """Return the version of NVIDIA's driver, by its management library, or None where that is not there."""
    try:
        library = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None
    version = ctypes.create_string_buffer(_LONGEST)
    if library.nvmlInit_v2() or library.nvmlSystemGetDriverVersion(version, _LONGEST):
        return None
    return version.value.decode()
