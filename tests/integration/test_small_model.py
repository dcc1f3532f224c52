"""The laptop's model: the same bytes every time, never half a folder, all that Boltz-2 looks for."""

import hashlib
import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from boltz.data import const
from rdkit import Chem

from local import small_model
from local.small_model import COMPONENTS, DEFAULT, build, ensure


@pytest.fixture(scope="module")
def small() -> Path:
    return ensure(DEFAULT)


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_folder_has_all_that_boltz_looks_for_so_that_nothing_is_downloaded(small: Path) -> None:
    assert (small / "boltz2_conf.ckpt").stat().st_size < 10_000_000
    assert (small / "boltz2_aff.ckpt").stat().st_size < 10_000_000
    assert (small / "mols.tar").stat().st_size == 0
    assert {path.stem for path in (small / "mols").iterdir()} == set(COMPONENTS)
    assert set(const.canonical_tokens) <= set(COMPONENTS)


@pytest.mark.parametrize(("code", "atoms"), [("ATP", 47), ("HEM", 75), ("ZN", 1), ("NAG", 30), ("SEP", 19)])
def test_a_component_is_a_molecule_with_named_atoms_and_coordinates(
    small: Path, code: str, atoms: int
) -> None:
    molecule = pickle.loads((small / "mols" / f"{code}.pkl").read_bytes())  # noqa: S301 (built by us)
    names = {atom.GetProp("name") for atom in molecule.GetAtoms()}
    assert (molecule.GetNumAtoms(), len(names)) == (atoms, atoms)
    assert molecule.GetConformer().GetProp("name") == "Ideal"
    assert atoms == 1 or Chem.GetDistanceMatrix(molecule).max() < atoms  # bonded into one piece


def test_a_damaged_folder_is_built_anew_once_for_all_callers_and_every_build_has_the_same_bytes(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builds = list[Path]()

    def build_and_count(folder: Path) -> None:
        builds.append(folder)
        build(folder)

    monkeypatch.setattr(small_model, "build", build_and_count)
    folder = tmp_path / small.name
    (folder / "mols").mkdir(parents=True)
    (folder / "contents.json").write_text(json.dumps({"mols/ALA.pkl": 1000}))
    with ThreadPoolExecutor(3) as pool:
        assert set(pool.map(ensure, [tmp_path] * 3)) == {folder}
    assert len(builds) == 1
    assert {path.name for path in tmp_path.iterdir()} == {folder.name, f"{folder.name}.lock"}
    assert digests(folder) == digests(small)


def test_a_whole_folder_is_left_alone(small: Path) -> None:
    before = (small / "boltz2_conf.ckpt").stat().st_ino
    assert ensure(DEFAULT) == small
    assert (small / "boltz2_conf.ckpt").stat().st_ino == before
