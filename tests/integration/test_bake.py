"""A baked cache: the same weights and predictions, known without being read; else refused in one line."""

import functools
import hashlib
import multiprocessing
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from boltz.model.models.boltz2 import Boltz2
from click.testing import CliRunner, Result
from support.inputs import BINDER
from support.patience import until

from benchmarks.exactness import warm_predictor
from benchmarks.startup import CHECKPOINTS, differences, ours, stock, tensors
from local.small_model import DEFAULT, ensure
from schemas.options import Options
from worker.bake import main
from worker.boltz2 import weights
from worker.boltz2.manifest import AFFINITY, COMPONENTS, STRUCTURE, CacheError

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def small() -> Path:
    return ensure(DEFAULT)


class Baked(NamedTuple):
    """A cache, and what baking it said."""

    cache: Path
    said: str


@pytest.fixture(scope="module")
def whole(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Baked:
    """Bake the small model, with nothing pinned."""
    cache = tmp_path_factory.mktemp("images") / "boltz"
    result = bake(cache, small)
    assert result.exit_code == 0, result.output
    return Baked(cache, result.output)


@pytest.fixture(scope="module")
def baked(whole: Baked) -> Path:
    """Return the small model, baked; not to be changed."""
    return whole.cache


@pytest.fixture(scope="module")
def pinned(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Baked:
    """Bake the structure model alone, pinned as the components' archive is; not to be changed."""
    folder = tmp_path_factory.mktemp("pinned")
    source = copy_to(folder, small)
    with tarfile.open(source / "mols.tar", "w") as archive:
        archive.add(small / COMPONENTS, COMPONENTS)
    result = bake(folder / "boltz", source, pin(source / STRUCTURE), pin(source / "mols.tar"))
    assert result.exit_code == 0, result.output
    return Baked(folder / "boltz", result.output)


@pytest.fixture
def source(small: Path, tmp_path: Path) -> Path:
    """Return a folder to damage: the structure model and the components."""
    return copy_to(tmp_path, small)


def copy_to(place: Path, small: Path) -> Path:
    folder = place / "source"
    folder.mkdir()
    shutil.copy(small / STRUCTURE, folder)
    (folder / COMPONENTS).symlink_to(small / COMPONENTS)
    return folder


def bake(cache: Path, source: Path, *options: str) -> Result:
    return CliRunner().invoke(main, [str(cache), "--from", str(source), *options])


def refusal(source: Path, *options: str) -> str:
    """Return the one line with which baking was refused; nothing may be left of it."""
    place = source.with_name("image")
    place.mkdir()
    result = bake(place / "boltz", source, *options)
    assert result.exit_code == 1, result.output
    assert not list(place.iterdir())
    line = result.output.splitlines()[-1]
    assert line.startswith("Error: ")
    return line


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pin(path: Path) -> str:
    return f"--sha256={path.name}={sha256(path)}"


@pytest.fixture(scope="module")
def published(small: Path) -> Callable[[str], Boltz2]:
    """Return what loads a published checkpoint as Boltz does, each once."""
    return functools.cache(lambda name: stock()(small / name, CPU))


@pytest.mark.parametrize(
    "name",
    [STRUCTURE, *(pytest.param(name, marks=pytest.mark.extra) for name in CHECKPOINTS if name != STRUCTURE)],
)
def test_a_baked_checkpoint_loads_as_boltz_loads_the_published_one(
    published: Callable[[str], Boltz2], baked: Path, name: str
) -> None:
    own = ours()(baked / name, CPU)
    assert list(differences(published(name), own)) == []
    assert tensors(own).keys() - own.state_dict().keys()  # compared, too: buffers that no file holds
    assert list(differences(published(name), stock()(baked / name, CPU))) == []


def test_a_baked_cache_describes_itself_as_the_published_one_does(small: Path, baked: Path) -> None:
    assert weights.describe(baked) == weights.describe(small)


@pytest.mark.extra
def test_predictions_from_a_baked_cache_are_the_same_bits(small: Path, baked: Path, tmp_path: Path) -> None:
    def predict(cache: Path) -> dict[str, bytes]:
        out = tmp_path / cache.name
        with warm_predictor(cache) as predictor:
            predictor.predict(tmp_path / "binder.yaml", options, 7, out, lambda: None)
        return {path.name: path.read_bytes() for path in (out / "predictions" / "binder").iterdir()}

    options = Options(recycling_steps=0, sampling_steps=2, sampling_steps_affinity=2, samples_affinity=1)
    (tmp_path / "binder.yaml").write_text(BINDER)
    plain = predict(small)
    assert {"binder_model_0.cif", "affinity_binder.json"} <= plain.keys()
    assert predict(baked) == plain


def test_what_only_training_reads_is_left_out(
    published: Callable[[str], Boltz2], source: Path, tmp_path: Path
) -> None:
    content = weights.mapped(source / STRUCTURE)
    content |= {"optimizer_states": [torch.ones(1_000_000)], "callbacks": {}}
    torch.save(content, tmp_path / "trained.ckpt")
    (tmp_path / "trained.ckpt").replace(source / STRUCTURE)
    cache = tmp_path / "boltz"
    assert bake(cache, source).exit_code == 0
    assert (cache / STRUCTURE).stat().st_size < (source / STRUCTURE).stat().st_size - 3_900_000
    assert list(differences(published(STRUCTURE), ours()(cache / STRUCTURE, CPU))) == []
    assert weights.describe(cache).weights_digest == f"sha256:{sha256(source / STRUCTURE)}"


def test_the_digest_is_told_to_be_pinned_and_a_pinned_one_is_confirmed(
    small: Path, whole: Baked, pinned: Baked
) -> None:
    for name in CHECKPOINTS:
        assert pin(small / name).replace("=", " ", 1) in whole.said
    assert "as pinned" in pinned.said
    assert "These weights are random" in pinned.said
    names = {path.name for path in (small / COMPONENTS).iterdir()}
    assert {path.name for path in (pinned.cache / COMPONENTS).iterdir()} == names


def test_a_truncated_checkpoint_is_refused(source: Path) -> None:
    os.truncate(source / STRUCTURE, 5_000_000)
    assert "boltz2_conf.ckpt is cut off or damaged" in refusal(source)


def test_one_flipped_bit_is_refused_without_a_pin(source: Path) -> None:
    content = bytearray((source / STRUCTURE).read_bytes())
    content[4_000_000] ^= 1
    (source / STRUCTURE).write_bytes(content)
    assert "boltz2_conf.ckpt is cut off or damaged (Bad CRC-32" in refusal(source)


def test_another_digest_than_the_pinned_one_is_refused(source: Path) -> None:
    line = refusal(source, f"--sha256=boltz2_conf.ckpt={'0' * 64}")
    assert f"boltz2_conf.ckpt has SHA-256 {sha256(source / STRUCTURE)}, but {'0' * 64} is pinned" in line


def test_a_pin_for_a_file_that_is_not_there_is_refused(source: Path) -> None:
    assert "boltz2_aff.ckpt is pinned, but" in refusal(source, f"--sha256={AFFINITY}={'0' * 64}")


def test_a_pin_that_is_no_digest_is_a_wrong_argument(source: Path, tmp_path: Path) -> None:
    result = bake(tmp_path / "boltz", source, "--sha256=boltz2_conf.ckpt=abc")
    assert (result.exit_code, "64 hex digits" in result.output) == (2, True)


def without_weights(source: Path) -> None:
    (source / STRUCTURE).unlink()


def with_something_else(source: Path) -> None:
    torch.save({"state_dict": {}}, source / STRUCTURE)


def with_a_weight_that_is_no_number(source: Path) -> None:
    content = torch.load(source / STRUCTURE, weights_only=False)
    content["state_dict"]["s_norm.bias"][0] = torch.nan
    torch.save(content, source / STRUCTURE)


def without_a_residue(source: Path) -> None:
    components = (source / COMPONENTS).resolve()
    (source / COMPONENTS).unlink()
    shutil.copytree(components, source / COMPONENTS)
    (source / COMPONENTS / "TRP.pkl").unlink()


def with_half_an_archive(source: Path) -> None:
    with tarfile.open(source / "mols.tar", "w") as archive:
        archive.add((source / COMPONENTS).resolve(), COMPONENTS)
    os.truncate(source / "mols.tar", 51_200)
    (source / COMPONENTS).unlink()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (without_weights, "boltz2_conf.ckpt is missing"),
        (with_something_else, "is no checkpoint of Boltz-2's: KeyError: 'hyper_parameters'"),
        (with_a_weight_that_is_no_number, "s_norm.bias has other values"),
        (without_a_residue, "mols/ lacks TRP"),
        (with_half_an_archive, "mols.tar is cut off"),
    ],
)
def test_what_cannot_be_used_is_refused(source: Path, damage: Callable[[Path], None], said: str) -> None:
    damage(source)
    assert said in refusal(source)


def test_a_cache_that_exists_is_left_alone(source: Path, tmp_path: Path) -> None:
    (tmp_path / "boltz").mkdir()
    (tmp_path / "boltz" / "kept").touch()
    result = bake(tmp_path / "boltz", source)
    assert (result.exit_code, "exists already" in result.output) == (1, True)
    assert [path.name for path in (tmp_path / "boltz").iterdir()] == ["kept"]


def test_a_baked_cache_is_not_baked_again(baked: Path, tmp_path: Path) -> None:
    result = bake(tmp_path / "boltz", baked)  # its digest would be that of what was baked
    assert (result.exit_code, "is baked already" in result.output) == (1, True)


def copied(baked: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(baked, tmp_path / "copy"))


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_checkpoint_that_changed_size_after_baking_is_refused(
    baked: Path, tmp_path: Path, name: str
) -> None:
    cache = copied(baked, tmp_path)
    os.truncate(cache / name, (cache / name).stat().st_size - 1)
    for use in (weights.describe, lambda cache: weights.load(cache / STRUCTURE, CPU)):
        with pytest.raises(CacheError, match=f"{name} has .* bytes, but .* were baked") as caught:
            use(cache)
        assert "\n" not in str(caught.value)


def test_a_checkpoint_that_went_or_came_after_baking_is_refused(
    baked: Path, small: Path, pinned: Baked, tmp_path: Path
) -> None:
    cache = copied(baked, tmp_path)
    (cache / AFFINITY).unlink()
    with pytest.raises(CacheError, match="has no bytes"):
        weights.describe(cache)
    cache = Path(shutil.copytree(pinned.cache, tmp_path / "without affinity"))
    assert weights.describe(cache)
    shutil.copy(small / AFFINITY, cache)
    with pytest.raises(CacheError, match="but none were baked"):
        weights.describe(cache)


def test_a_manifest_that_is_none_is_refused(baked: Path, tmp_path: Path) -> None:
    cache = copied(baked, tmp_path)
    (cache / "weights.json").write_text("{}")
    with pytest.raises(CacheError, match=r"weights\.json is not readable"):
        weights.describe(cache)


def test_a_baked_cache_is_described_without_being_read(baked: Path, tmp_path: Path) -> None:
    cache = copied(baked, tmp_path)
    size = (cache / STRUCTURE).stat().st_size
    for change in (0, size):  # zeros of the same size: whoever read them would say something else
        os.truncate(cache / STRUCTURE, change)
    assert weights.describe(cache) == weights.describe(baked)


def test_a_bake_that_is_killed_leaves_no_cache(source: Path, tmp_path: Path) -> None:
    os.mkfifo(source / AFFINITY)  # reading it never ends
    place = tmp_path / "image"
    place.mkdir()
    # Forked: another Python would import torch and Boltz for as long as all other tests here take.
    process = multiprocessing.get_context("fork").Process(target=bake, args=(place / "boltz", source))
    process.start()
    try:
        until(lambda: list(place.glob(f".boltz-*/new/{STRUCTURE}")) or not process.is_alive())
        assert process.is_alive()  # it is at work
    finally:
        process.kill()
        process.join()
    assert not (place / "boltz").exists()
    (source / AFFINITY).unlink()
    assert bake(place / "boltz", source).exit_code == 0  # and what it left is in nobody's way


def test_help_says_what_to_do() -> None:
    command = [sys.executable, "-m", "worker.bake", "--help"]
    told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert "python -m worker.bake /opt/boltz --from" in told.stdout
