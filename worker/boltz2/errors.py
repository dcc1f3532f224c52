"""Failures with cause and remedy, of what Boltz, torch and the device raise or print."""

import contextlib
import io
import re
from collections.abc import Iterator, Sequence

import torch

from inputs.tree import shorten
from schemas.failure import Code, FailedError, Failure
from schemas.reason import reason

# Boltz reports whatever stops it as if the input were wrong; these are the machine's fault.
_MACHINE_ERRORS = (MemoryError, OSError, PermissionError)
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "Cannot allocate memory", "bad_alloc")
"""Words of CUDA, of torch on the CPU, of the kernel and of C++."""


@contextlib.contextmanager
def captured() -> Iterator[io.StringIO]:
    """Keep what Boltz prints off this process's streams; an unforeseen error carries the end of it."""
    log = io.StringIO()
    with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        try:
            yield log
        except FailedError:
            raise
        except Exception as error:
            error.add_note(f"Boltz-2 had printed: {log.getvalue()[-2000:]}")
            raise


@contextlib.contextmanager
def failures_of(device: torch.device, samples: int = 1, *, steered: bool = False) -> Iterator[None]:
    """Turn what a device raises into a failure; torch's own errors are all RuntimeErrors.

    ``steered`` is whether potentials steer, with several particles for each sample.
    """
    try:
        yield
    except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]
        raise _no_numbers(error) from error
    except (RuntimeError, MemoryError, OSError) as error:
        if _is_out_of_memory(error):
            torch.cuda.empty_cache()  # without effect where CUDA was never used
            raise _out_of_memory(device, _lighter(samples, steered=steered), error) from error
        if isinstance(error, torch.AcceleratorError) or "CUDA error" in str(error):
            raise _device_failed(device, error) from error
        raise


def unreadable(log: str, files: Sequence[str] = ()) -> BaseException:
    """Find the reason in what Boltz printed: a traceback, then ``Failed to process … Error: TEXT.``.

    ``files`` are those that the input refers to: Boltz seldom says which of them it was reading.
    """
    found = re.search(r"^Failed to process .*? Skipping\. Error: (.*)\.$", log, re.MULTILINE | re.DOTALL)
    text = found[1].strip() if found else "no reason given"
    if any(words in text for words in OUT_OF_MEMORY):
        return MemoryError(text)
    first = text.partition("\n")[0]
    kind = re.search(rf"^([\w.]+)(?:: {re.escape(first)})?$", log, re.MULTILINE)
    if kind and (error := _machine_error(kind[1])):
        return error(f"Boltz-2 could not read the input: {text}")
    if atom := re.fullmatch(r"\('(\w+)', (\d+), (['\"])(.+)\3\)", text):
        chain, residue, name = atom[1], int(atom[2]) + 1, atom[4]
        return invalid(f"A constraint names atom {name} in residue {residue} of chain {chain}: it has none.")
    if component := re.fullmatch(r"CCD component (\w+) not found!", text):
        return _unknown_component(component[1])
    said = f"there is no {text}" if kind and kind[1] == "KeyError" else reason(text)
    named = f" (it refers to {shorten(', '.join(files), 300)})" if files else ""
    return invalid(f"Boltz-2 cannot read the input: {said}{named}.")


def unusable(error: BaseException | None) -> BaseException:
    """Turn what stopped the featuriser into a failure of the input, unless the machine is to blame."""
    if isinstance(error, OSError) or (isinstance(error, Exception) and _is_out_of_memory(error)):
        return error
    return invalid(f"Boltz-2 cannot featurise the input: {reason(error or '')}.")


def invalid(message: str) -> FailedError:
    """Blame the input."""
    remedy = "Correct what the message names, in the input or in an MSA or template of it; upload it again."
    return FailedError(Failure(code=Code.INVALID_INPUT, message=message, remedy=remedy))


def _unknown_component(code: str) -> FailedError:
    """Blame a code of the Chemical Component Dictionary that Boltz's copy of it lacks."""
    return FailedError(
        Failure(
            code=Code.INVALID_INPUT,
            message=f"Boltz-2 has no component {code}: its Chemical Component Dictionary lacks it.",
            value=code,
            remedy="Write a ligand as SMILES instead. In a chain or a template, put a component there that "
            "Boltz-2 has, or leave it out.",
        )
    )


def _machine_error(name: str) -> type[Exception] | None:
    """Find the error that a printed name means; numpy's is numpy.core._exceptions._ArrayMemoryError."""
    return next((error for error in _MACHINE_ERRORS if name.endswith(error.__name__)), None)


def _is_out_of_memory(error: Exception) -> bool:
    return any(words in str(error) for words in OUT_OF_MEMORY) or isinstance(
        error, torch.OutOfMemoryError | MemoryError
    )


def _lighter(samples: int, *, steered: bool) -> str:
    """Name the options that would take less memory."""
    fewer = f", ask for fewer than {samples} samples" if samples > 1 else ""
    return f"{fewer}, ask for dropfold-potentials:false" if steered else fewer


def _out_of_memory(device: torch.device, lighter: str, error: Exception) -> FailedError:
    return FailedError(
        Failure(
            code=Code.OUT_OF_MEMORY,
            message=f"The input does not fit into the memory of {_name(device)}: {reason(error)[:500]}.",
            remedy=f"Shorten the chains, give a shallower MSA{lighter}, or use a device with more memory.",
        )
    )


def _device_failed(device: torch.device, error: Exception) -> FailedError:
    return FailedError(
        Failure(
            code=Code.CUDA_ERROR,
            message=f"{_name(device)} failed: {reason(error)[:500]}.",
            remedy="Nothing to change: another process tries again. If it persists, replace the device.",
        )
    )


def _no_numbers(error: Exception) -> FailedError:
    return FailedError(
        Failure(
            code=Code.NO_OUTPUT,
            message=f"The model's coordinates are not finite numbers: {reason(error)[:500]}.",
            remedy="Try another seed (dropfold-seed) or a smaller input.",
        )
    )


def _name(device: torch.device) -> str:
    try:
        return torch.cuda.get_device_name(device) if device.type == "cuda" else "this machine"
    except RuntimeError:  # a device that has failed may not even tell its name
        return str(device)
