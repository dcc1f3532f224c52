"""Boltz-2 inside this process: loaded once, then one input after another, each as if it were alone.

The result of an input depends on the input, its options and its seed, never on what ran before, and on the
CPU it equals ``boltz predict --seed`` on that one input bit for bit. The command draws random numbers in an
order that is easily lost in a process that lives on, so each of its steps has its line here:

1. it seeds Python, numpy and torch; RDKit's own generator, which makes the conformers, starts at its default;
2. it builds the model: initial weights are drawn from torch's CPU generator, then replaced;
3. its DataLoader draws a base seed, with which a worker process featurises (it turns conformers at random);
4. the model samples; for an affinity, steps 2 to 4 come again with the second model.

Step 2 is not repeated: the draws are noted down (and skipped) when the model is loaded, and made again before
each input. On CUDA, where sampling has the GPU's generator and no two runs agree to the bit anyway, they are
left out: half a billion numbers take seconds.

The one module that imports torch and Boltz. One thread may use it at a time, and while ``predict`` runs no
other may depend on the working folder, on ``sys.stdout`` or ``sys.stderr`` (loggers hold their stream,
``print`` does not), or on the random generators.
"""

import contextlib
import hashlib
import io
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import asdict
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any, NamedTuple

import torch
from boltz.data.module.inferencev2 import Boltz2InferenceDataModule, PredictionDataset, collate
from boltz.data.types import MSA, Manifest
from boltz.data.write.writer import BoltzAffinityWriter, BoltzWriter
from boltz.main import (
    Boltz2DiffusionParams,
    BoltzSteeringParams,
    MSAModuleArgs,
    PairformerArgsV2,
    process_inputs,
)
from boltz.model.layers import initialize
from boltz.model.models.boltz2 import Boltz2
from pytorch_lightning import seed_everything
from rdkit import Chem
from torch.overrides import TorchFunctionMode

from schemas.failure import Code, FailedError, Failure
from schemas.job import Model
from schemas.options import Options

STRUCTURE, AFFINITY, COMPONENTS = "boltz2_conf.ckpt", "boltz2_aff.ckpt", "mols"
"""What a BOLTZ_CACHE folder holds, by Boltz's names; the affinity model may be absent."""

_KERNEL_WIDTH = 32  # the kernels are written for pair widths that are multiples of it
# Boltz reports whatever stops it as if the input were wrong; these are the machine's fault.
_MACHINE_ERRORS = {error.__name__: error for error in (MemoryError, OSError, PermissionError)}


class Predictor:
    """Boltz-2 ready to predict. The structure model is loaded here, the affinity model when first needed.

    ``cache`` is a BOLTZ_CACHE folder; ``device`` is "auto" (CUDA if there is one), "cpu" or "cuda".
    Raises FileNotFoundError, in one line, if the folder lacks a part.
    """

    def __init__(self, cache: Path, device: str = "auto") -> None:
        self._cache = cache.absolute()
        _require(self._cache / COMPONENTS)
        self._device = _device(device)
        weights = [_require(self._cache / STRUCTURE), self._cache / AFFINITY]
        self._described = _in_background(lambda: _describe([path for path in weights if path.exists()]))
        _configure_libraries()
        self._structure = self._load(STRUCTURE, use_kernels=True)

    @property
    def model(self) -> Model:
        """What computes the results; waits for the digest, which is taken beside the loading."""
        return self._described.result()

    def predict(self, input_file: Path, options: Options, seed: int, out: Path) -> dict[str, float]:
        """Predict one input; Boltz's files appear under ``out/predictions/<stem of input_file>/``.

        ``out`` must be fresh: Boltz would take what another run left there for its own. Files that the input
        refers to are looked up beside it. Returns seconds per stage: ``parse``, ``featurise``, ``predict``
        and ``write``, and for an affinity ``affinity_load`` (nearly 0 after the first) and the last three
        again with ``affinity_`` before them. Raises FailedError; anything else raised is a defect of
        this program or of its machine.
        """
        timings: dict[str, float] = {}
        with _captured() as log, _failures_of(self._device, options):
            _seed(seed)
            with _timed(timings, "parse"):
                manifest = self._parse(input_file.absolute(), out.absolute(), log)
            self._predict_structure(manifest, options, out.absolute(), timings)
            if manifest.records[0].affinity:
                self._predict_affinity(manifest, options, out.absolute(), timings)
        return timings

    def _parse(self, input_file: Path, out: Path, log: io.StringIO) -> Manifest:
        if (out / "processed").exists():
            raise FileExistsError(f"{out} holds another run; predict into a fresh folder.")
        # Boltz looks MSAs and templates up from the working folder. It belongs to the whole process, but the
        # other threads of a worker address their files by absolute paths.
        with contextlib.chdir(input_file.parent):
            process_inputs(
                data=[input_file],
                out_dir=out,
                ccd_path=self._cache / "ccd.pkl",  # of Boltz-1: not read
                mol_dir=self._cache / COMPONENTS,
                msa_server_url="",
                msa_pairing_strategy="greedy",
                boltz2=True,
            )
        manifest = Manifest.load(out / "processed" / "manifest.json")
        if not manifest.records:
            raise _unreadable(log.getvalue())
        _check_msas(manifest, out / "processed" / "msa")
        return manifest

    def _predict_structure(
        self, manifest: Manifest, options: Options, out: Path, timings: dict[str, float]
    ) -> None:
        loaded = self._structure
        loaded.net.predict_args = _predict_args(
            options.recycling_steps, options.sampling_steps, options.samples, parallel=5
        )
        loaded.net.steering_args = _steering_args(potentials=options.potentials)
        structures = out / "processed" / "structures"
        dataset = self._dataset(manifest, structures, out)
        writer = BoltzWriter(structures, out / "predictions", options.output_format, boltz2=True)
        self._run(loaded, dataset, writer, timings)

    def _predict_affinity(
        self, manifest: Manifest, options: Options, out: Path, timings: dict[str, float]
    ) -> None:
        with _timed(timings, "affinity_load"):
            loaded = self._affinity
        loaded.net.predict_args = _predict_args(
            5, options.sampling_steps_affinity, options.samples_affinity, parallel=1
        )
        loaded.net.steering_args = _steering_args(potentials=False, contacts=False)
        predictions = out / "predictions"
        dataset = self._dataset(manifest, predictions, out, override_method="other", affinity=True)
        writer = BoltzAffinityWriter(out / "processed" / "structures", predictions)
        self._run(loaded, dataset, writer, timings, prefix="affinity_")

    @cached_property
    def _affinity(self) -> "_Loaded":
        _require(self._cache / AFFINITY)
        return self._load(AFFINITY, affinity_mw_correction=False)

    def _dataset(self, manifest: Manifest, targets: Path, out: Path, **purpose: Any) -> "_OneInput":  # noqa: ANN401 (Boltz's own arguments)
        done = out / "processed"
        return _OneInput(
            manifest,
            targets,
            done / "msa",
            self._cache / COMPONENTS,
            constraints_dir=done / "constraints",
            template_dir=done / "templates",
            extra_mols_dir=done / "mols",
            **purpose,
        )

    def _run(
        self,
        loaded: "_Loaded",
        dataset: "_OneInput",
        writer: BoltzWriter | BoltzAffinityWriter,
        timings: dict[str, float],
        prefix: str = "",
    ) -> None:
        """Featurise, predict and write, as the Trainer would: inference mode, bfloat16 mixed precision."""
        with _timed(timings, f"{prefix}featurise"):
            batch = self._featurise(loaded.draws, dataset)
            batch = Boltz2InferenceDataModule.transfer_batch_to_device(None, batch, self._device, 0)
        with torch.inference_mode():
            mixed_precision = torch.autocast(self._device.type, dtype=torch.bfloat16)
            with _timed(timings, f"{prefix}predict"), mixed_precision:
                prediction = loaded.net.predict_step(batch, 0)
            if prediction["exception"]:
                raise torch.OutOfMemoryError(f"{batch['token_pad_mask'].shape[1]} tokens")
            with _timed(timings, f"{prefix}write"):
                writer.write_on_batch_end(None, None, prediction, [0], batch, 0, 0)

    def _featurise(self, draws: "_Draws", dataset: "_OneInput") -> dict[str, Any]:
        """Featurise as a worker process of the DataLoader would: its generator is not the model's."""
        if self._device.type == "cpu":
            draws.repeat()
        base_seed = int(torch.empty((), dtype=torch.int64).random_())
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(base_seed)  # of the CPU alone
            features: dict[str, Any] = collate([dataset[0]])
        return features

    def _load(self, name: str, **arguments: bool) -> "_Loaded":
        """Load a checkpoint with the arguments that the command passes by default."""
        draws = _Draws()
        with _without(initialize, "trunc_normal_init_"), draws:
            net = Boltz2.load_from_checkpoint(
                self._cache / name,
                strict=True,  # also what makes skipping the initial weights safe: each is overwritten
                map_location="cpu",
                ema=False,
                diffusion_process_args=asdict(Boltz2DiffusionParams()),
                pairformer_args=asdict(PairformerArgsV2()),
                msa_args=asdict(MSAModuleArgs()),
                predict_args={},
                steering_args={},
                **arguments,
            )
        net.setup("predict")  # Boltz's own rule: no kernels below compute capability 8.0
        wide = net.hparams["token_z"] % _KERNEL_WIDTH == 0
        net.use_kernels = net.use_kernels and self._device.type == "cuda" and wide
        return _Loaded(net.eval().to(self._device), draws)


class _Draws(TorchFunctionMode):
    """Within it, filling a tensor with random numbers is noted down, not done; ``repeat`` draws them."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: list[tuple[Callable[..., Any], torch.Tensor, tuple[Any, ...], dict[str, Any]]] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 (torch's own signature)
        kwargs = dict(kwargs or {})
        if func not in _RANDOM_FILLS:
            return func(*args, **kwargs)
        tensor = (
            kwargs.pop("tensor") if "tensor" in kwargs else args[0]
        )  # initialisers name it, methods do not
        self._calls.append((func, torch.empty_like(tensor, device="meta"), args[1:], kwargs))
        return tensor

    def repeat(self) -> None:
        """Advance torch's CPU generator by everything that was noted down."""
        for fill, shape, args, kwargs in self._calls:
            fill(torch.empty_like(shape, device="cpu"), *args, **kwargs)


_RANDOM_FILLS = frozenset(
    {
        torch.nn.init.uniform_,
        torch.nn.init.normal_,
        torch.nn.init.kaiming_uniform_,
        torch.Tensor.uniform_,
        torch.Tensor.normal_,
    }
)


class _Loaded(NamedTuple):
    net: Boltz2
    draws: _Draws


class _OneInput(PredictionDataset):  # type: ignore[misc]  # Boltz ships no annotations
    """The features of one input. The stock dataset answers a failure with ``self[0]``; this one raises it."""

    _asked = False

    def __getitem__(self, index: int) -> dict[str, Any]:
        if self._asked:
            raise _unusable(sys.exception())
        self._asked = True
        features: dict[str, Any] = super().__getitem__(index)
        return features


def _check_msas(manifest: Manifest, folder: Path) -> None:
    """Refuse an MSA that does not span its chain: Boltz would pair residues with the wrong columns."""
    for chain in manifest.records[0].chains:
        if chain.msa_id == -1:  # none
            continue
        rows = MSA.load(folder / f"{chain.msa_id}.npz").sequences
        lengths = rows["res_end"] - rows["res_start"]
        wrong = lengths[lengths != chain.num_residues]
        if wrong.size:
            raise _invalid(
                f"Chain {chain.chain_name} has {chain.num_residues} residues, but {wrong.size} of "
                f"{lengths.size} sequences in its MSA span another number of columns (the first {wrong[0]}; "
                "insertions, in lower case, do not count)."
            )


def _unusable(error: BaseException | None) -> BaseException:
    """Turn what stopped the featuriser into a failure of the input, unless the machine is to blame."""
    if isinstance(error, MemoryError | OSError):
        return error
    return _invalid(f"Boltz-2 cannot featurise the input: {type(error).__name__}: {error}")


def _unreadable(log: str) -> BaseException:
    """Find the reason in what Boltz printed: a traceback, then ``Failed to process … Error: TEXT.``."""
    found = re.search(r"^Failed to process .*? Skipping\. Error: (.*)\.$", log, re.MULTILINE | re.DOTALL)
    text = found[1].strip() if found else "no reason given"
    first = text.partition("\n")[0]
    kind = re.search(rf"^([\w.]+)(?:: {re.escape(first)})?$", log, re.MULTILINE)
    if kind and kind[1] in _MACHINE_ERRORS:
        return _MACHINE_ERRORS[kind[1]](f"Boltz-2 could not read the input: {text}")
    return _invalid(f"Boltz-2 cannot read the input: {kind[1] + ': ' if kind else ''}{text}")


def _invalid(message: str) -> FailedError:
    remedy = "Correct what the message names, in the input or in an MSA or template of it; upload it again."
    return FailedError(Failure(code=Code.INVALID_INPUT, message=message[:2000], remedy=remedy))


@contextlib.contextmanager
def _failures_of(device: torch.device, options: Options) -> Iterator[None]:
    """Turn what a device raises into a failure; torch's own errors are all RuntimeErrors."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if _is_out_of_memory(error):
            torch.cuda.empty_cache()  # without effect where CUDA was never used
            raise _out_of_memory(device, options, error) from error
        if isinstance(error, torch.AcceleratorError) or "CUDA error" in str(error):
            raise _device_failed(device, error) from error
        raise


def _is_out_of_memory(error: Exception) -> bool:
    said = any(text in str(error) for text in ("out of memory", "can't allocate memory"))  # CUDA's, the CPU's
    return said or isinstance(error, torch.OutOfMemoryError | MemoryError)


def _out_of_memory(device: torch.device, options: Options, error: Exception) -> FailedError:
    fewer = f", ask for fewer than {options.samples} samples" if options.samples > 1 else ""
    return FailedError(
        Failure(
            code=Code.OUT_OF_MEMORY,
            message=f"The input does not fit into the memory of {_name(device)}: {str(error)[:500]}",
            remedy=f"Shorten the chains, give a shallower MSA{fewer}, or use a device with more memory.",
        )
    )


def _device_failed(device: torch.device, error: Exception) -> FailedError:
    return FailedError(
        Failure(
            code=Code.CUDA_ERROR,
            message=f"{_name(device)} failed: {str(error)[:500]}",
            remedy="Nothing to change: another process tries again. If it persists, replace the device.",
        )
    )


def _name(device: torch.device) -> str:
    try:
        return torch.cuda.get_device_name(device) if device.type == "cuda" else "this machine"
    except RuntimeError:  # a device that has failed may not even tell its name
        return str(device)


def _require(path: Path) -> Path:
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing: point BOLTZ_CACHE at a folder with Boltz-2's {STRUCTURE}, {AFFINITY} and "
            f"{COMPONENTS}/, or build a small one with `python -m local.small_model`."
        )
    return path


def _device(asked: str) -> torch.device:
    if asked == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if asked.startswith("cuda") and not torch.cuda.is_available():
        raise RuntimeError(
            f"Device {asked} was asked for, but torch {torch.__version__} sees no GPU: use auto or cpu."
        )
    return torch.device(asked)


def _configure_libraries() -> None:
    """Set what ``boltz predict`` sets for its process."""
    torch.set_float32_matmul_precision("highest")
    Chem.SetDefaultPickleProperties(Chem.PropertyPickleOptions.AllProps)
    for key in ("CUEQ_DEFAULT_CONFIG", "CUEQ_DISABLE_AOT_TUNING"):
        os.environ.setdefault(key, "1")


def _in_background(work: Callable[[], Model]) -> Future[Model]:
    """Start ``work`` on a daemon thread: an executor's thread would hold the process back at its exit."""
    future: Future[Model] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001 (raised again in the thread that asks for the result)
            future.set_exception(error)

    Thread(target=run, name="weights-digest", daemon=True).start()
    return future


def _describe(weights: list[Path]) -> Model:
    """Identify the checkpoints: the digest is that of ``cat boltz2_conf.ckpt boltz2_aff.ckpt | sha256sum``.

    ``random_weights`` is a key inside a checkpoint, which the released ones lack and the small model has.
    """
    digest = hashlib.sha256()
    for path in weights:
        with path.open("rb") as file:
            hashlib.file_digest(file, lambda: digest)
    return Model(
        name="boltz-2",
        version=version("boltz"),
        weights_digest=f"sha256:{digest.hexdigest()}",
        random_weights=any(_has_random_weights(path) for path in weights),
    )


def _has_random_weights(path: Path) -> bool:
    content = torch.load(
        path, map_location="cpu", mmap=True, weights_only=False
    )  # maps the tensors, reads none
    return bool(content.get("random_weights", False))


@contextlib.contextmanager
def _without(module: ModuleType, function: str) -> Iterator[None]:
    """Make a module's function do nothing for a while."""
    original = getattr(module, function)
    setattr(module, function, lambda *_args, **_kwargs: None)
    try:
        yield
    finally:
        setattr(module, function, original)


@contextlib.contextmanager
def _captured() -> Iterator[io.StringIO]:
    """Keep what Boltz prints off the worker's own streams; an unforeseen error carries the end of it."""
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
def _timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[stage] = time.perf_counter() - start


def _seed(seed: int) -> None:
    seed_everything(seed, verbose=False)
    # RDKit's generator has no setter of its own. Asking for no SMILES puts it to 42, its value at start-up.
    Chem.MolToRandomSmilesVect(Chem.MolFromSmiles("C"), 0, randomSeed=42)


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
