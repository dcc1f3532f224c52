"""The worker's results against those of ``boltz predict``, file by file, byte by byte.

A few inputs that between them hold most of what an input can hold; ``python -m benchmarks.exactness`` does it
with all of them.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from boltz.main import predict

from benchmarks.exactness import CASES, INPUTS, differences, predict_together, run_command, warm_predictor
from local.small_model import DEFAULT, ensure
from schemas.boltz_input import INPUT_SUFFIXES, read_input, references
from schemas.options import Options

FEW = ("components.yaml", "affinity.yaml", "mixture.fasta", "template.yaml")
"""Constraints and modified residues; SMILES, potentials and samples; nucleic acids and PDB; cyclic chains."""


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Predict each of the few twice, several at once, in a mixed order."""
    with warm_predictor(ensure(DEFAULT)) as predictor:
        return predict_together(predictor, FEW, tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Run the command on each of the few, in a process of its own."""
    cache, folder = ensure(DEFAULT), tmp_path_factory.mktemp("theirs")
    with ThreadPoolExecutor(2) as pool:
        folders = pool.map(lambda name: run_command(name, cache, folder), FEW)
        return dict(zip(FEW, folders, strict=True))


@pytest.mark.parametrize("name", FEW)
def test_results_equal_the_commands_bit_for_bit_whatever_ran_before_or_beside(
    name: str, ours: dict[str, list[Path]], theirs: Mapping[str, Path]
) -> None:
    first, second = ours[name]
    assert differences(theirs[name], first) == []
    assert differences(theirs[name], second) == []


def test_what_an_option_is_when_it_is_left_out_is_the_commands_default() -> None:
    defaults = {parameter.name: parameter.default for parameter in predict.params}
    ours = Options().model_dump()
    same = ("seed", "recycling_steps", "sampling_steps", "sampling_steps_affinity", "output_format")
    assert {name: ours[name] for name in same} == {name: defaults[name] for name in same}
    assert ours["samples"] == defaults["diffusion_samples"]
    assert ours["samples_affinity"] == defaults["diffusion_samples_affinity"]
    assert ours["potentials"] == defaults["use_potentials"]
    assert defaults["max_parallel_samples"] == 5  # what sampling.py says


def test_the_set_holds_every_input_of_its_folder_and_each_is_one_that_the_intake_accepts() -> None:
    inputs = {path.name for path in INPUTS.iterdir() if path.suffix in INPUT_SUFFIXES}
    assert inputs == set(CASES)
    referenced = {
        reference
        for name in CASES
        for reference in references(read_input(name, (INPUTS / name).read_bytes()))
    }
    assert referenced == {path.name for path in INPUTS.iterdir()} - inputs


def test_a_byte_or_a_file_that_differs_is_named(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, content in ((first, b"0.5"), (second, b"0.6")):
        folder.mkdir()
        (folder / "same").write_bytes(b"1.0")
        (folder / "other").write_bytes(content)
    assert differences(first, first) == []
    assert differences(first, second) == ["other"]
    (second / "same").unlink()
    assert differences(first, second) == differences(second, first) == ["other", "same"]


def test_two_predictions_without_a_file_are_not_equal(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no file"):
        differences(tmp_path, tmp_path)
