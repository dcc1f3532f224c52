"""The worker's results against those of ``boltz predict``, file by file, byte by byte.

A few inputs that between them hold most of what an input can hold; ``python -m benchmarks.exactness`` does it
with all of them.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from boltz.main import predict

from benchmarks.exactness import CASES, INPUTS, differences, predict_together, run_command, warm_predictor
from inputs.read import INPUT_SUFFIXES, read_input, references
from local.small_model import DEFAULT, ensure
from schemas.options import Options
from worker.boltz2.sample import MOST_AT_ONCE

FEW = (
    "affinity.yaml",  # SMILES, potentials and samples
    "components.yaml",  # constraints and modified residues
    "mixture.fasta",  # nucleic acids and PDB
    "template.yaml",  # cyclic chains
)


@pytest.fixture(scope="module")
def names(request: pytest.FixtureRequest) -> Sequence[str]:
    """Return the inputs that this run is about."""
    calls = [
        item.callspec
        for item in request.session.items
        if item.path == request.path and hasattr(item, "callspec")
    ]
    return [call.params["name"] for call in calls]


@pytest.fixture(scope="module")
def ours(names: Sequence[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Predict each of them twice, several at once, in a mixed order."""
    with warm_predictor(ensure(DEFAULT)) as predictor:
        return predict_together(predictor, names, tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def theirs(names: Sequence[str], tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Run the command on each of them, in a process of its own."""
    cache, folder = ensure(DEFAULT), tmp_path_factory.mktemp("theirs")
    with ThreadPoolExecutor(2) as pool:
        folders = pool.map(lambda name: run_command(name, cache, folder), names)
        return dict(zip(names, folders, strict=True))


@pytest.mark.extra
@pytest.mark.parametrize("name", FEW)
def test_results_equal_the_commands_bit_for_bit_whatever_ran_before_or_beside(
    name: str, ours: dict[str, list[Path]], theirs: Mapping[str, Path]
) -> None:
    assert ours[name]
    assert [differences(theirs[name], each) for each in ours[name]] == [[]] * len(ours[name])


def test_what_an_option_is_when_it_is_left_out_is_the_commands_default() -> None:
    defaults = {parameter.name: parameter.default for parameter in predict.params}
    ours = Options().model_dump()
    same = ("seed", "recycling_steps", "sampling_steps", "sampling_steps_affinity", "output_format")
    assert {name: ours[name] for name in same} == {name: defaults[name] for name in same}
    assert ours["samples"] == defaults["diffusion_samples"]
    assert ours["samples_affinity"] == defaults["diffusion_samples_affinity"]
    assert not defaults["use_potentials"]
    assert "potentials" not in ours  # left to the worker: its own default, see docs/performance.md
    assert defaults["max_parallel_samples"] == MOST_AT_ONCE


def test_the_set_holds_every_input_of_its_folder_and_each_is_one_that_the_intake_accepts() -> None:
    inputs = {path.name for path in INPUTS.iterdir() if path.suffix in INPUT_SUFFIXES}
    assert inputs == set(CASES)
    referenced = {
        reference
        for name in CASES
        for reference in references(read_input(name, (INPUTS / name).read_bytes()))
    }
    assert referenced == {path.name for path in INPUTS.iterdir()} - inputs
