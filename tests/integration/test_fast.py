"""What the model's own room leaves out of Boltz-2's arithmetic: every byte of a prediction stays the same.

Predictions, and the state that torch's generator is left in, are compared with those of Boltz's own classes.
"""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Never

import pytest
import torch
from boltz.model.layers import pairformer
from boltz.model.layers.dropout import get_dropout_mask
from boltz.model.modules import trunkv2
from boltz.model.modules.diffusionv2 import DiffusionModule
from integration.in_process import COMPLEX, FEW, are_near, featurised, few, sampled
from support.inputs import BINDER, PEPTIDE

from benchmarks.exactness import INPUTS
from benchmarks.fast import boltz_alone, predict
from local import small_model
from local.small_model import DEFAULT, ensure
from schemas.failure import Code, FailedError
from schemas.options import Options
from worker.boltz2 import featurise, sample, weights, write
from worker.boltz2.fast import conditioning, dropout, lines, own_way, precision, rollout, steering, templates
from worker.boltz2.fast.net import speed_up
from worker.boltz2.fast.score import Score
from worker.boltz2.manifest import AFFINITY, STRUCTURE
from worker.boltz2.predictor import Sample
from worker.boltz2.weights import Loaded
from worker.boltz2.workspace import Workspace

CPU = torch.device("cpu")
LEVERS = (steering, dropout, templates, rollout)
MORE = {"marks": pytest.mark.extra}

CONTACT = f"""\
{COMPLEX}constraints:
- contact: {{token1: [A, 2], token2: [A, 9], max_distance: 6, force: true}}
"""
POCKET = f"""\
{COMPLEX}constraints:
- pocket: {{binder: L, contacts: [[A, 3], [A, 7]], max_distance: 6, force: true}}
"""


@pytest.fixture(scope="module")
def cache() -> Path:
    return ensure(DEFAULT)


@pytest.fixture(scope="module")
def ours(cache: Path) -> Iterator[Loaded]:
    with pytest.MonkeyPatch.context() as patch:  # the masks of this process come back afterwards
        for module in (pairformer, trunkv2):
            patch.setattr(module, "get_dropout_mask", get_dropout_mask)
        yield fast(weights.load(cache / STRUCTURE, CPU))


@pytest.fixture(scope="module")
def theirs(cache: Path) -> Loaded:
    return weights.load(cache / STRUCTURE, CPU)


def fast(loaded: Loaded) -> Loaded:
    speed_up(loaded.net)
    return loaded


def differing(
    ours: Loaded, theirs: Loaded, workspace: Workspace, call: Sample = sample.sample_structure
) -> list[str]:
    """Return the names of tensors whose bytes differ."""
    own = sampled(ours, workspace, call)
    with boltz_alone():
        stock = sampled(theirs, workspace, call)
    assert own.keys() == stock.keys()
    assert {"coords", "plddt", "generator"} < own.keys()
    return [name for name in own if not torch.equal(own[name], stock[name])]


@pytest.mark.parametrize("lever", LEVERS, ids=lambda lever: lever.__name__.rpartition(".")[2])
def test_boltz_is_the_one_whose_lines_were_read(lever: ModuleType) -> None:
    assert list(lines.changed(lever.LINES)) == []


def test_a_changed_line_is_seen_and_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert not lines.same({get_dropout_mask: "0" * 16})
    said = vars(caplog.records[0])
    assert said["functions"] == ["boltz.model.layers.dropout.get_dropout_mask"]


def own_ways(caplog: pytest.LogCaptureFixture) -> int:
    """Return how often the log says that Boltz's own way was taken."""
    return sum(vars(line).get("action") == "model.own_way" for line in caplog.records)


@pytest.mark.parametrize(
    ("document", "options", "facts"),
    [
        pytest.param(COMPLEX, few(samples=4), (False, False), id="four samples"),
        pytest.param(COMPLEX, few(samples=1), (False, False), id="one", **MORE),
        pytest.param(COMPLEX, few(samples=7), (False, False), id="two passes", **MORE),
        pytest.param(COMPLEX, few(potentials=True), (False, False), id="potentials", **MORE),
        pytest.param(CONTACT, FEW, (True, False), id="contact", **MORE),
        pytest.param(POCKET, FEW, (True, False), id="pocket", **MORE),
        pytest.param(INPUTS / "template.yaml", FEW, (False, True), id="template", **MORE),
        pytest.param(INPUTS / "forced_template.yaml", FEW, (True, True), id="forced template", **MORE),
        pytest.param(
            INPUTS / "alignment.yaml", few(recycling_steps=2), (False, False), id="alignment", **MORE
        ),
    ],
)
def test_a_prediction_keeps_its_bytes(
    document: str | Path,
    options: Options,
    facts: tuple[bool, bool],
    cache: Path,
    ours: Loaded,
    theirs: Loaded,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    workspace = featurised(document, options, cache, tmp_path)
    features = torch.load(workspace.features, weights_only=False)
    assert (steering.steers(features), templates.templated(features)) == facts
    assert differing(ours, theirs, workspace) == []
    assert own_ways(caplog) == 0


@pytest.mark.extra
@pytest.mark.parametrize("samples", [1, 4])
def test_so_does_that_of_a_net_of_other_widths(
    samples: int, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, width in (("_TOKEN_WIDTH", 64), ("_PAIR_WIDTH", 32), ("_ATOM_WIDTH", 48)):
        monkeypatch.setattr(small_model, name, width)
    small_model.write_checkpoint(tmp_path / STRUCTURE, affinity=False)
    ours, theirs = (weights.load(tmp_path / STRUCTURE, CPU) for _ in range(2))
    workspace = featurised(COMPLEX, few(samples=samples), cache, tmp_path)
    assert differing(fast(ours), theirs, workspace) == []


@pytest.mark.extra
def test_so_does_an_affinity(cache: Path, ours: Loaded, tmp_path: Path) -> None:
    options = few(sampling_steps_affinity=3, samples_affinity=2)
    workspace = featurised(BINDER, options, cache, tmp_path)
    sampled(ours, workspace, sample.sample_structure)
    write.write(workspace)
    featurise.featurise_affinity(workspace, ())
    affinity, theirs = (weights.load(cache / AFFINITY, CPU, affinity_mw_correction=False) for _ in range(2))
    assert differing(fast(affinity), theirs, workspace, sample.sample_affinity) == []


def test_a_fast_prediction_is_near_the_exact_one(
    cache: Path, ours: Loaded, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    less_exact = weights.load(cache / STRUCTURE, CPU)
    speed_up(less_exact.net, "fast")
    are_near(ours, less_exact, featurised(COMPLEX, few(samples=2, sampling_steps=20), cache, tmp_path))
    assert own_ways(caplog) == 0


@pytest.mark.parametrize(
    ("device", "reduced", "meanwhile"),
    [("cuda", True, "high"), ("cuda", False, "highest"), ("cpu", True, "highest")],
)
def test_products_are_of_less_precision_on_a_gpu_alone_and_where_it_was_asked_for(
    device: str, reduced: bool, meanwhile: str
) -> None:
    with precision.of_products(torch.device(device), reduced=reduced):
        assert torch.get_float32_matmul_precision() == meanwhile
    assert torch.get_float32_matmul_precision() == "highest"


@pytest.mark.extra
def test_the_comparison_sees_a_random_number_that_was_not_drawn(
    cache: Path, ours: Loaded, theirs: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = featurised(PEPTIDE, FEW, cache, tmp_path)
    monkeypatch.setattr(dropout, "draw", lambda *_shape: None)
    assert {"coords", "generator"} < set(differing(ours, theirs, workspace))


def out_of_memory(*_given: object, **_named: object) -> Never:
    """Fail as torch does."""
    raise torch.OutOfMemoryError("CUDA out of memory.")


def fails_at(count: int, error: Exception) -> Callable[..., torch.Tensor]:
    """Return a score that fails when it is asked for the last of so many times."""
    call, calls = Score.__call__, iter(range(1, count + 1))

    def score(self: Score, coordinates: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        if next(calls) == count:
            raise error
        return call(self, coordinates, times)

    return score


@pytest.mark.parametrize(
    ("owner", "name", "instead"),
    [
        pytest.param(own_way, "free_memory", lambda _device: 1000, id="too little memory"),
        pytest.param(conditioning, "biases", out_of_memory, id="no memory for biases"),
        pytest.param(
            Score, "__call__", fails_at(2, torch.OutOfMemoryError("out of memory")), id="none for a step"
        ),
        pytest.param(Score, "__call__", fails_at(3, KeyError("a")), id="a defect"),
    ],
)
def test_where_ours_cannot_be_done_the_prediction_is_boltzs_own_and_the_log_says_so_once(
    owner: object,
    name: str,
    instead: Callable[..., object],
    cache: Path,
    ours: Loaded,
    theirs: Loaded,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    workspace = featurised(PEPTIDE, FEW, cache, tmp_path)
    monkeypatch.setattr(owner, name, instead)
    assert differing(ours, theirs, workspace) == []
    assert own_ways(caplog) == 1


def test_an_input_that_has_no_room_in_boltzs_own_way_either_is_told_so(
    cache: Path, ours: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = featurised(PEPTIDE, FEW, cache, tmp_path)
    tried = []

    def refuses(name: str) -> Callable[..., Never]:
        def fail(*_given: object, **_named: object) -> Never:
            tried.append(name)
            out_of_memory()

        return fail

    monkeypatch.setattr(Score, "__call__", refuses("ours"))
    monkeypatch.setattr(DiffusionModule, "forward", refuses("Boltz's"))
    with pytest.raises(FailedError) as failed:
        predict(ours, workspace)
    assert failed.value.failure.code is Code.OUT_OF_MEMORY
    assert tried == ["ours", "Boltz's"]


def test_what_is_no_number_is_not_tried_again() -> None:
    with pytest.raises(RuntimeError, match="singular"):
        own_way.unless_it_fails(lambda: torch.linalg.inv(torch.zeros(2, 2)))


@pytest.mark.parametrize(("free", "enough"), [(199, False), (200, True), (None, True)])
def test_a_device_has_room_where_a_step_has_as_much_as_ours_holds(
    free: int | None, enough: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_way, "free_memory", lambda _device: free)
    assert own_way.has_room(100, CPU) is enough
