"""Boltz-2 in this process against the real command, with the small model: the same bits in any order."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch

from local.small_model import DEFAULT, ensure
from schemas.failure import Code, FailedError
from schemas.options import Options
from worker.outputs import Expected, collect, scores
from worker.predictor import AFFINITY, STRUCTURE, Predictor

QUICK = Options(recycling_steps=0, sampling_steps=2)
PROTEIN = "sequences:\n- protein: {id: A, sequence: MKTAYIAKQRQISFV, msa: empty}\n"
DIMER = """\
sequences:
- protein: {id: [A, B], sequence: MKTAYIAKQR, msa: shared.a3m}
- ligand: {id: C, ccd: ATP}
"""
BINDER = """\
sequences:
- protein: {id: A, sequence: MKTAYIAKQRQISFV, msa: empty}
- ligand: {id: B, smiles: "CC(=O)Oc1ccccc1C(=O)O"}
properties:
- affinity: {binder: B}
"""
MSA = ">query\nMKTAYIAKQR\n>1\nMKTAYLAKQR\n>2\nMKSAYIaaAK-R\n"

Case = tuple[Options, int, tuple[str, ...]]
CASES: dict[str, Case] = {
    "protein": (
        Options(recycling_steps=1, sampling_steps=5),
        7,
        ("--recycling_steps=1", "--sampling_steps=5"),
    ),
    "dimer": (
        Options(recycling_steps=0, sampling_steps=4, samples=2, potentials=True, output_format="pdb"),
        11,
        (
            "--recycling_steps=0",
            "--sampling_steps=4",
            "--diffusion_samples=2",
            "--use_potentials",
            "--output_format=pdb",
        ),
    ),
    "binder": (
        Options(recycling_steps=1, sampling_steps=5, sampling_steps_affinity=3, samples_affinity=2),
        3,
        (
            "--recycling_steps=1",
            "--sampling_steps=5",
            "--sampling_steps_affinity=3",
            "--diffusion_samples_affinity=2",
        ),
    ),
}


@pytest.fixture(scope="module")
def cache() -> Path:
    return ensure(DEFAULT)


@pytest.fixture(scope="module")
def predictor(cache: Path) -> Predictor:
    torch.set_num_threads(1)  # as OMP_NUM_THREADS=1 does for the command: sums depend on it
    return Predictor(cache, "cpu")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    for name, text in (("protein", PROTEIN), ("dimer", DIMER), ("binder", BINDER)):
        (folder / f"{name}.yaml").write_text(text)
    (folder / "shared.a3m").write_text(MSA)
    return folder


@pytest.fixture(scope="module")
def command(cache: Path, inputs: Path) -> Callable[[str], dict[str, bytes]]:
    """Run ``boltz predict`` on one input in a process of its own."""

    def run(name: str) -> dict[str, bytes]:
        _, seed, flags = CASES[name]
        boltz = str(Path(sys.executable).with_name("boltz"))
        arguments = [boltz, "predict", f"{name}.yaml", "--accelerator=cpu", f"--seed={seed}", *flags]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "BOLTZ_CACHE": str(cache)}
        subprocess.run(arguments, cwd=inputs, env=environment, check=True, capture_output=True, timeout=120)
        return contents(inputs / f"boltz_results_{name}" / "predictions" / name)

    return run


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def written(out: Path) -> dict[str, bytes]:
    (folder,) = (out / "predictions").iterdir()
    return contents(folder)


def refusal(predictor: Predictor, folder: Path, text: str, **sidecars: str) -> str:
    """Return the message with which an input is refused; nothing may have been predicted for it."""
    for name, content in sidecars.items():
        (folder / f"{name}.a3m").write_text(content)
    (folder / "bad.yaml").write_text(text)
    with pytest.raises(FailedError) as caught:
        predictor.predict(folder / "bad.yaml", QUICK, 1, folder / "out")
    assert caught.value.failure.code is Code.INVALID_INPUT
    assert caught.value.failure.remedy
    assert not list((folder / "out" / "predictions").iterdir())
    return caught.value.failure.message


def test_results_equal_the_commands_bit_for_bit_whatever_ran_before(
    predictor: Predictor, inputs: Path, tmp_path: Path, command: Callable[[str], dict[str, bytes]]
) -> None:
    order = ["binder", "protein", "dimer", "protein", "binder", "dimer"]
    for turn, name in enumerate(order):
        options, seed, _ = CASES[name]
        predictor.predict(inputs / f"{name}.yaml", options, seed, tmp_path / str(turn))
    for first, name in enumerate(order[:3]):
        expected = command(name)
        assert written(tmp_path / str(first)) == expected, name
        again = len(order) - 1 - order[::-1].index(name)
        assert written(tmp_path / str(again)) == expected, f"{name}, the second time"


def test_another_seed_gives_another_structure(predictor: Predictor, inputs: Path, tmp_path: Path) -> None:
    for seed in (1, 2):
        predictor.predict(inputs / "protein.yaml", QUICK, seed, tmp_path / str(seed))
    name = "protein_model_0.cif"
    assert written(tmp_path / "1")[name] != written(tmp_path / "2")[name]


def test_what_is_written_passes_for_a_whole_result(
    predictor: Predictor, inputs: Path, tmp_path: Path
) -> None:
    options = QUICK.model_copy(update={"samples": 2, "sampling_steps_affinity": 2, "samples_affinity": 1})
    predictor.predict(inputs / "binder.yaml", options, 5, tmp_path)
    files = collect("binder", tmp_path, Expected({"A": 15, "B": None}, samples=2, affinity=True))
    assert len(files) == 11
    assert 0 < scores(files)["confidence_score"] < 1
    assert "affinity_pred_value" in scores(files)


def test_seconds_are_told_per_stage_and_nothing_is_printed(
    predictor: Predictor, inputs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    here = Path.cwd()
    timings = predictor.predict(inputs / "dimer.yaml", QUICK, 5, tmp_path)
    assert set(timings) == {"parse", "featurise", "predict", "write"}
    assert all(0 < seconds < 60 for seconds in timings.values())
    assert capfd.readouterr().out == ""
    assert Path.cwd() == here


def test_an_msa_with_a_short_sequence_is_refused(predictor: Predictor, tmp_path: Path) -> None:
    ragged = MSA + ">3\nMKTAY\n"
    message = refusal(predictor, tmp_path, DIMER, shared=ragged)
    assert "Chain A has 10 residues, but 1 of 4 sequences in its MSA" in message
    assert "the first 5" in message


def test_an_unknown_component_is_refused_in_boltzs_words(predictor: Predictor, tmp_path: Path) -> None:
    message = refusal(predictor, tmp_path, PROTEIN + "- ligand: {id: B, ccd: QQQ}\n")
    assert message == "Boltz-2 cannot read the input: ValueError: CCD component QQQ not found!"


def test_a_smiles_that_is_none_is_refused(predictor: Predictor, tmp_path: Path) -> None:
    message = refusal(predictor, tmp_path, PROTEIN + "- ligand: {id: B, smiles: 'C1CC'}\n")
    assert message.startswith("Boltz-2 cannot read the input: ")


def test_an_msa_that_is_not_there_is_refused(predictor: Predictor, tmp_path: Path) -> None:
    assert "MSA file shared.a3m not found" in refusal(predictor, tmp_path, DIMER)


def test_what_the_featuriser_cannot_do_is_refused_and_not_answered_with_another_input(
    predictor: Predictor, tmp_path: Path
) -> None:
    message = refusal(predictor, tmp_path, "sequences:\n- protein: {id: A, sequence: '', msa: empty}\n")
    assert message.startswith("Boltz-2 cannot featurise the input: IndexError: ")


def test_a_folder_with_another_run_is_refused(predictor: Predictor, inputs: Path, tmp_path: Path) -> None:
    predictor.predict(inputs / "protein.yaml", QUICK, 1, tmp_path)
    with pytest.raises(FileExistsError, match="holds another run"):
        predictor.predict(inputs / "protein.yaml", QUICK, 1, tmp_path)


CUDA_MEMORY = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
CPU_MEMORY = RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory")
ILLEGAL_ACCESS = torch.AcceleratorError("CUDA error: an illegal memory access was encountered")


@pytest.mark.parametrize(
    ("where", "error", "code"),
    [
        ("forward", CUDA_MEMORY, Code.OUT_OF_MEMORY),  # Boltz catches it and returns a flag
        ("predict_step", CUDA_MEMORY, Code.OUT_OF_MEMORY),  # raised past Boltz
        ("forward", CPU_MEMORY, Code.OUT_OF_MEMORY),
        ("forward", ILLEGAL_ACCESS, Code.CUDA_ERROR),
        ("forward", RuntimeError("CUDA error: device-side assert triggered"), Code.CUDA_ERROR),
    ],
)
def test_what_the_device_raises_becomes_a_failure_and_the_next_input_is_unharmed(
    *,
    predictor: Predictor,
    inputs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    error: RuntimeError,
    code: Code,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(predictor._structure.net, where, raising(error))
        with pytest.raises(FailedError) as caught:
            predictor.predict(inputs / "protein.yaml", QUICK, 1, tmp_path / "failed")
    assert caught.value.failure.code is code
    predictor.predict(inputs / "protein.yaml", QUICK, 1, tmp_path / "next")
    assert "protein_model_0.cif" in written(tmp_path / "next")


def test_an_unforeseen_error_is_raised_as_it_is(
    predictor: Predictor, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor._structure.net, "forward", raising(RuntimeError("shapes do not match")))
    with pytest.raises(RuntimeError, match="shapes do not match"):
        predictor.predict(inputs / "protein.yaml", QUICK, 1, tmp_path)


def raising(error: Exception) -> Callable[..., NoReturn]:
    def fail(*_args: Any, **_kwargs: Any) -> NoReturn:  # noqa: ANN401 (stands in for any method)
        raise error

    return fail


def test_the_model_says_what_it_is(predictor: Predictor, cache: Path) -> None:
    weights = (cache / STRUCTURE).read_bytes() + (cache / AFFINITY).read_bytes()
    assert predictor.model.weights_digest == f"sha256:{hashlib.sha256(weights).hexdigest()}"
    assert (predictor.model.name, predictor.model.version) == ("boltz-2", "2.2.1")
    assert predictor.model.random_weights


def test_weights_without_the_marker_count_as_real_and_the_affinity_model_may_be_absent(
    cache: Path, inputs: Path, tmp_path: Path
) -> None:
    content = torch.load(cache / STRUCTURE, weights_only=False)
    del content["random_weights"]
    torch.save(content, tmp_path / STRUCTURE)
    (tmp_path / "mols").symlink_to(cache / "mols")
    plain = Predictor(tmp_path, "cpu")
    assert not plain.model.random_weights
    with pytest.raises(FileNotFoundError, match=AFFINITY):
        plain.predict(inputs / "binder.yaml", QUICK, 1, tmp_path / "out")


def test_a_cache_without_weights_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="BOLTZ_CACHE") as caught:
        Predictor(tmp_path)
    assert "\n" not in str(caught.value)
