"""Boltz-2 in this process and its children, with the small model: what is written, said and left behind.

That results are those of ``boltz predict`` is tested in test_exactness.py, what fails in test_failures.py.
"""

import hashlib
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gemmi
import numpy as np
import pytest
import torch
from support.inputs import BINDER, PEPTIDE
from support.paper import nothing
from support.patience import HANG

from benchmarks.exactness import warm_predictor
from local.small_model import DEFAULT, ensure
from schemas.options import Options
from worker.boltz2 import sample
from worker.boltz2.manifest import AFFINITY, STRUCTURE
from worker.boltz2.predictor import Boltz2Predictor
from worker.errors import DeviceLostError
from worker.outputs import Expected, checked, scores
from worker.predictor import PredictedFiles, Written

QUICK = Options(recycling_steps=0, sampling_steps=2)


@pytest.fixture(scope="module")
def cache() -> Path:
    return ensure(DEFAULT)


@pytest.fixture(scope="module")
def predictor(cache: Path) -> Iterator[Boltz2Predictor]:
    with warm_predictor(cache) as predictor:
        yield predictor


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "protein.yaml").write_text(PEPTIDE)
    (folder / "binder.yaml").write_text(BINDER)
    (folder / "ligand.yaml").write_text(BINDER.partition("properties")[0])
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def written(out: Path) -> dict[str, bytes]:
    (folder,) = (out / "predictions").iterdir()
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_another_seed_gives_another_structure(
    predictor: Boltz2Predictor, inputs: Path, tmp_path: Path
) -> None:
    for seed in (1, 2):
        predictor.predict(inputs / "protein.yaml", QUICK, seed, tmp_path / str(seed), nothing)
    name = "protein_model_0.cif"
    assert written(tmp_path / "1")[name] != written(tmp_path / "2")[name]


@pytest.fixture(scope="module")
def binder(
    predictor: Boltz2Predictor, inputs: Path, tmp_path_factory: pytest.TempPathFactory
) -> PredictedFiles:
    """Predict an affinity, once for all tests: its model goes over the input six times."""
    out = tmp_path_factory.mktemp("binder")
    options = QUICK.model_copy(update={"samples": 2, "sampling_steps_affinity": 2, "samples_affinity": 1})
    return predictor.predict(inputs / "binder.yaml", options, 5, out, nothing)


def test_what_is_written_passes_for_a_whole_result(binder: PredictedFiles) -> None:
    files = checked(binder.files, Expected({"A": 15, "B": None}, samples=2, affinity=True))
    assert len(files) == 11
    assert 0 < scores(files)["confidence_score"] < 1
    assert "affinity_pred_value" in scores(files)


def test_the_affinity_is_of_the_sample_that_is_put_first(
    predictor: Boltz2Predictor, inputs: Path, tmp_path: Path, binder: PredictedFiles
) -> None:
    seen: list[Written] = []

    def second_first(found: Written) -> list[int]:
        seen.append(found)
        assert not list(tmp_path.rglob("affinity_*"))
        return [1, 0]

    options = QUICK.model_copy(update={"samples": 2, "sampling_steps_affinity": 2, "samples_affinity": 1})
    got = predictor.predict(inputs / "binder.yaml", options, 5, tmp_path, nothing, examine=second_first).files
    before = {name: path.read_bytes() for name, path in binder.files.items()}
    swapped = {name: got[other_sample(name)].read_bytes() for name in before if "model" in name}
    assert swapped == {name: content for name, content in before.items() if "model" in name}
    assert of_affinity(got["affinity.json"]) == as_written(got["model_0.cif"])
    assert of_affinity(binder.files["affinity.json"]) == as_written(binder.files["model_0.cif"])
    assert got["affinity.json"].read_bytes() == before["affinity.json"]  # of few residues, all are near
    assert list(seen[0].files) == [name for name in before if "model" in name]


def other_sample(name: str) -> str:
    return name.translate(str.maketrans("01", "10"))


def of_affinity(written: Path) -> list[list[float]]:
    """Return the atoms of the structure that the affinity beside it was computed of, as a file has them."""
    (path,) = written.parent.glob("pre_affinity_*.npz")
    with np.load(path) as structure:
        coordinates: list[list[float]] = structure["atoms"]["coords"].astype(float).round(5).tolist()
        return coordinates


def as_written(structure: Path) -> list[list[float]]:
    atoms = gemmi.read_structure(str(structure))[0].all()
    return [[float(axis) for axis in each.atom.pos] for each in atoms]


def test_the_checks_get_the_molecules_of_the_input_and_of_the_dictionary(
    predictor: Boltz2Predictor, inputs: Path, tmp_path: Path
) -> None:
    def look(found: Written) -> list[int]:
        own = pickle.loads(found.molecules.read_bytes())  # noqa: S301  Boltz has just written it
        ligand = gemmi.read_structure(str(found.files["model_0.cif"]))[0]["B"][0]
        assert {atom.GetProp("name") for atom in own[ligand.name].GetAtoms()} >= {
            each.name for each in ligand
        }
        assert (found.components / "ALA.pkl").is_file()
        return [0]

    predictor.predict(inputs / "ligand.yaml", QUICK, 5, tmp_path, nothing, examine=look)


def test_seconds_are_told_per_stage_and_nothing_is_printed(
    predictor: Boltz2Predictor, inputs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    here = Path.cwd()
    timings = predictor.predict(inputs / "protein.yaml", QUICK, 5, tmp_path, nothing).timings
    assert set(timings) == {"parse", "featurise", "predict", "write"}
    assert all(0 < seconds < 60 for seconds in timings.values())
    assert capfd.readouterr().out == ""
    assert Path.cwd() == here


def test_what_computed_it_is_told(binder: PredictedFiles) -> None:
    assert binder.device
    assert (binder.device.driver, binder.device.cuda, binder.device.kernels) == (None, None, False)
    assert (binder.device.torch, binder.device.precision) == (torch.__version__, "float32")
    assert binder.device.name.rpartition(", ")[2] == torch.backends.cpu.get_cpu_capability()


def test_an_affinity_has_stages_of_its_own(binder: PredictedFiles) -> None:
    again = {f"affinity_{stage}" for stage in ("featurise", "predict", "write")}
    assert set(binder.timings) == {"parse", "featurise", "predict", "write"} | again


def test_an_input_begins_when_the_device_is_free_and_nothing_is_sampled_that_must_not_begin(
    predictor: Boltz2Predictor, inputs: Path, tmp_path: Path
) -> None:
    def refuse() -> None:
        seen.extend([threading.current_thread().name, *names(tmp_path)])
        raise InterruptedError("not ours any more")

    seen: list[str] = []
    with pytest.raises(InterruptedError, match="not ours any more"):
        predictor.predict(inputs / "protein.yaml", QUICK, 1, tmp_path, refuse)
    assert seen[0].startswith("device")
    assert "features.pt" in seen  # what needs no device is done by then
    assert not (tmp_path / "raw.pt").exists()
    assert not predictor.lost


def test_features_are_read_and_predictions_saved_beside_the_turns_of_others(
    predictor: Boltz2Predictor, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    occupied, read, go_on = threading.Event(), threading.Event(), threading.Event()
    seen: list[str] = []

    def noted(function: Callable[..., object], then: Callable[[], None] = nothing) -> Callable[..., object]:
        def call(*given: object) -> object:
            seen.append(f"{function.__name__} {threading.current_thread().name.partition('_')[0]}")
            try:
                return function(*given)
            finally:
                then()

        return call

    def occupy() -> None:
        occupied.set()
        assert go_on.wait(HANG)

    monkeypatch.setattr(sample, "read", noted(sample.read, read.set))
    monkeypatch.setattr(sample, "save", noted(sample.save))
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(predictor._device.turn, nothing, occupy)
        assert occupied.wait(HANG)
        second = pool.submit(predictor.predict, inputs / "protein.yaml", QUICK, 1, tmp_path, noted(nothing))
        assert read.wait(HANG)  # while the other input has the device
        go_on.set()
        first.result(HANG)
        second.result(HANG)
    assert seen == ["read beside", "nothing device", "save beside"]


def test_sets_have_the_same_order_in_the_children_of_every_worker(predictor: Boltz2Predictor) -> None:
    """Boltz takes the first of a set of chains where a template fits several (shared_template.yaml)."""
    command = [sys.executable, "-c", "print(hash('A'))"]
    fixed = subprocess.run(command, env={"PYTHONHASHSEED": "0"}, check=True, capture_output=True, text=True)
    assert predictor._children.run(hash, "A") == int(fixed.stdout)


def test_a_folder_with_another_run_is_refused(
    predictor: Boltz2Predictor, inputs: Path, tmp_path: Path
) -> None:
    predictor.predict(inputs / "protein.yaml", QUICK, 1, tmp_path, nothing)
    with pytest.raises(FileExistsError, match="holds another run"):
        predictor.predict(inputs / "protein.yaml", QUICK, 1, tmp_path, nothing)


def test_nothing_is_left_outside_the_folder_of_an_input(
    predictor: Boltz2Predictor, inputs: Path, tmp_path: Path
) -> None:
    def around() -> tuple[object, ...]:
        shared = {name for name in names(Path("/dev/shm")) if f"_{os.getpid()}_" in name}  # noqa: S108
        return shared, len(names(Path("/proc/self/fd"))), names(inputs), names(Path.cwd())

    predictor.predict(inputs / "protein.yaml", QUICK, 1, tmp_path / "first", nothing)
    before = around()
    for number in range(3):
        predictor.predict(inputs / "protein.yaml", QUICK, number, tmp_path / str(number), nothing)
    assert around() == before
    inside = {"features.pt", "generator.pt", "msa", "predictions", "processed", "raw.pt"}
    assert names(tmp_path / "2") == inside


def test_the_model_says_what_it_is(predictor: Boltz2Predictor, cache: Path) -> None:
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
    with warm_predictor(tmp_path) as plain:
        assert not plain.model.random_weights
        with pytest.raises(FileNotFoundError, match=AFFINITY):
            plain.predict(inputs / "binder.yaml", QUICK, 1, tmp_path / "out", nothing)


def test_weights_that_are_cut_off_stop_the_worker_and_blame_no_input(
    cache: Path, inputs: Path, tmp_path: Path
) -> None:
    (tmp_path / STRUCTURE).write_bytes((cache / STRUCTURE).read_bytes()[:-1000])
    (tmp_path / "mols").symlink_to(cache / "mols")
    with warm_predictor(tmp_path) as broken:
        with pytest.raises(DeviceLostError, match=r"the model in .* cannot be loaded"):
            broken.predict(inputs / "protein.yaml", QUICK, 1, tmp_path / "out", nothing)
        assert broken.lost


def test_a_cache_without_weights_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="BOLTZ_CACHE") as caught, warm_predictor(tmp_path):
        pass
    assert "\n" not in str(caught.value)
