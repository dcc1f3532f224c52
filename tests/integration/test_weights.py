"""Loading without drawing and without reading: the same model as Boltz's own way, to the last tensor."""

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.startup import CHECKPOINTS, differences, ours, stock, tensors
from local.small_model import DEFAULT, ensure
from worker.boltz2 import weights
from worker.boltz2.manifest import AFFINITY, STRUCTURE

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def cache() -> Path:
    return ensure(DEFAULT)


def edited(cache: Path, folder: Path, **changes: Any) -> Path:  # noqa: ANN401 (tensors, or None to delete)
    """Write the structure checkpoint with other tensors."""
    content = weights.mapped(cache / STRUCTURE)
    stored = content["state_dict"] | changes
    content["state_dict"] = {name: value for name, value in stored.items() if value is not None}
    torch.save(content, folder / STRUCTURE)
    return folder / STRUCTURE


@pytest.mark.extra
@pytest.mark.parametrize("name", CHECKPOINTS)
def test_the_model_is_that_of_load_from_checkpoint(cache: Path, name: str) -> None:
    theirs, own = stock()(cache / name, CPU), ours()(cache / name, CPU)
    assert list(differences(theirs, own)) == []
    unsaved = tensors(own).keys() - own.state_dict().keys()
    assert unsaved  # compared, too: buffers that no file holds


@pytest.mark.extra
def test_the_comparison_sees_one_changed_number(cache: Path) -> None:
    one, other = (weights.load(cache / STRUCTURE, CPU).net for _ in range(2))
    with torch.no_grad():
        other.s_norm.bias[3] += 1e-7
    other.token_bonds.train()
    assert list(differences(one, other)) == ["s_norm.bias", "token_bonds.training"]


def test_weights_stored_in_another_type_or_layout_become_those_that_boltz_would_have(
    cache: Path, tmp_path: Path
) -> None:
    stored = weights.mapped(cache / STRUCTURE)["state_dict"]
    for name, changed in (("s_init.weight", stored["s_init.weight"].half()), ("z_init_1.weight", None)):
        value = stored[name].t().contiguous().t() if changed is None else changed
        path = edited(cache, tmp_path, **{name: value})
        assert list(differences(stock()(path, CPU), ours()(path, CPU))) == []


def test_a_checkpoint_that_lacks_a_tensor_is_refused(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"s_init\.weight"):
        weights.load(edited(cache, tmp_path, **{"s_init.weight": None}), CPU)


def test_arguments_of_another_version_are_left_out(cache: Path, tmp_path: Path) -> None:
    content = weights.mapped(cache / STRUCTURE)
    content["hyper_parameters"]["of_another_version"] = 1
    torch.save(content, tmp_path / STRUCTURE)
    assert "of_another_version" not in weights.load(tmp_path / STRUCTURE, CPU).net.hparams


def test_loading_draws_nothing_and_notes_what_boltz_would_have_drawn(cache: Path) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    loaded = weights.load(cache / AFFINITY, CPU, affinity_mw_correction=False)
    assert torch.equal(torch.get_rng_state(), before)
    for draw in loaded.fills:
        draw.repeat()
    repeated = torch.get_rng_state()
    torch.manual_seed(3)
    stock()(cache / AFFINITY, CPU)
    assert torch.equal(torch.get_rng_state(), repeated)


def test_weights_are_the_files_own_pages_and_are_never_written_back(cache: Path, tmp_path: Path) -> None:
    path = edited(cache, tmp_path)
    before = path.read_bytes()
    net = weights.load(path, CPU).net
    assert str(path) in Path("/proc/self/maps").read_text()
    with torch.no_grad():
        net.s_norm.bias.fill_(7)
    assert path.read_bytes() == before
