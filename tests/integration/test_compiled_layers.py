"""Layers that were compiled ahead of time: as near as others that are fast; where they fail, those others."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from integration.in_process import COMPLEX, are_near, featurised, few, sampled
from torch import Tensor

from local.small_model import DEFAULT, ensure
from worker.boltz2 import sample, weights
from worker.boltz2.fast import compiled, score
from worker.boltz2.fast.compiled import FOLDER, ONE, PARTS, SEVERAL, Compiled
from worker.boltz2.fast.net import speed_up
from worker.boltz2.manifest import STRUCTURE
from worker.boltz2.weights import Loaded
from worker.compile_layers import main

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def cache() -> Path:
    return ensure(DEFAULT)


@pytest.fixture
def model(cache: Path) -> Loaded:
    return weights.load(cache / STRUCTURE, CPU)


def not_compiled(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the reasons for which layers that there are were not used."""
    lines = map(vars, caplog.records)
    return [line["error"] for line in lines if line.get("action") == "model.not_compiled"]


@pytest.mark.extra
def test_predictions_of_any_size_by_compiled_layers_are_near_exact_ones(
    cache: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "worker.compile_layers", str(cache), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [folder] = tmp_path.glob("[!.]*")
    assert f"{folder} is ready.\n" in done.stdout
    assert {path.name for path in folder.iterdir()} == set(PARTS)

    exact, fast = (weights.load(cache / STRUCTURE, CPU) for _ in range(2))
    speed_up(exact.net)
    layers = speed_up(fast.net, "fast", tmp_path)
    assert layers is not None
    for samples, document in ((1, COMPLEX), (2, COMPLEX), (3, COMPLEX.replace("GATTACA", "GATTACAGATT"))):
        inside = tmp_path / f"{samples}"
        inside.mkdir()
        are_near(exact, fast, featurised(document, few(samples=samples, sampling_steps=10), cache, inside))
    assert layers.works
    assert not_compiled(caplog) == []

    again = CliRunner().invoke(main, [str(cache), str(tmp_path), "--device", "cpu"])
    assert (again.exit_code, "exists already" in again.output) == (1, True)


def test_without_any_for_this_device_layers_are_not_compiled(
    model: Loaded, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "NVIDIA-L4-0123456789abcdef").mkdir()
    assert speed_up(model.net, "fast", tmp_path) is None
    assert not_compiled(caplog) == []


def test_an_exact_worker_uses_none(model: Loaded, tmp_path: Path) -> None:
    (tmp_path / compiled.name(model.net)).mkdir()
    assert speed_up(model.net, "exact", tmp_path) is None


def test_code_that_cannot_be_loaded_is_told_of_and_layers_are_not_compiled(
    model: Loaded, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / compiled.name(model.net)
    folder.mkdir()
    for part in PARTS:
        (folder / part).write_bytes(b"of another world")
    assert speed_up(model.net, "fast", tmp_path) is None
    assert len(not_compiled(caplog)) == 1


def test_the_name_of_a_net_tells_its_layers_and_torch_s_version(
    model: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = compiled.name(model.net)
    assert own == compiled.name(model.net)
    monkeypatch.setattr(torch, "__version__", "1.0")
    assert compiled.name(model.net) != own
    monkeypatch.undo()
    layer = model.net.structure_module.score_model.token_transformer.layers[0]
    layer.output_projection_linear.bias = torch.nn.Parameter(torch.zeros(1))
    assert compiled.name(model.net) != own


def test_a_prediction_by_layers_that_fail_is_a_fast_one_and_the_log_says_so_once(
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls = iter(range(10))

    def fail(*_given: object) -> Tensor:
        raise RuntimeError(f"run_func_ API call failed, {next(calls)}")

    monkeypatch.setattr(compiled, "_loaded", lambda _package: fail)
    plain, failing = (weights.load(cache / STRUCTURE, CPU) for _ in range(2))
    folder = tmp_path / FOLDER
    (folder / compiled.name(failing.net)).mkdir(parents=True)
    layers = speed_up(failing.net, "fast", folder)
    speed_up(plain.net, "fast")
    workspace = featurised(COMPLEX, few(samples=1), cache, tmp_path)
    ours, theirs = (sampled(each, workspace, sample.sample_structure) for each in (failing, plain))
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    assert layers is not None
    assert not layers.works
    assert not_compiled(caplog) == ["run_func_ API call failed, 0"]


def test_for_want_of_memory_alone_they_are_not_given_up(
    model: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_given: object) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(score, "fused", full)
    monkeypatch.setattr(compiled, "_loaded", lambda _package: full)
    layers = Compiled(Path())
    layer = model.net.structure_module.score_model.token_transformer.layers[0]
    with pytest.raises(torch.OutOfMemoryError):
        layers(layer, *map(torch.zeros, (1, 1, 1)))
    assert layers.works


@pytest.mark.parametrize(("samples", "part"), [(1, ONE), (2, SEVERAL)])
def test_one_sample_and_several_have_code_of_their_own(
    samples: int, part: str, model: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def loaded(package: Path) -> compiled.Run:
        def run(_weights: object, a: Tensor, _s: Tensor, _bias: Tensor) -> Tensor:
            asked.append(package.name)
            return a

        return run

    monkeypatch.setattr(compiled, "_loaded", loaded)
    layer = model.net.structure_module.score_model.token_transformer.layers[0]
    a = torch.zeros(samples, 2, 3)
    assert Compiled(Path())(layer, a, a, a) is a
    assert asked == [part]
