"""How far two structures lie apart, by atoms of the same name, wherever each of them lies."""

import math
from collections.abc import Callable
from pathlib import Path

import gemmi
import numpy as np
import pytest
from support.predictions import a_prediction

from dropfold.replay.agreement import Deviation
from dropfold.replay.superposition import OtherAtomsError, deviation, superposed

SHIFT = gemmi.Vec3(30, -20, 10)
TURN = gemmi.Mat33([[0, -1, 0], [1, 0, 0], [0, 0, 1]])
Change = Callable[[gemmi.Model], object]


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """Return a helix of 20 alanines with a ligand of 3 atoms."""
    return a_prediction(tmp_path / "first").files["model_0.cif"]


def changed(first: Path, change: Change) -> Path:
    structure = gemmi.read_structure(str(first))
    change(structure[0])
    second = first.with_name("second.cif")
    structure.make_mmcif_document().write_file(str(second))
    return second


def turned(model: gemmi.Model) -> None:
    model.transform_pos_and_adp(gemmi.Transform(TURN, SHIFT))


def test_a_structure_elsewhere_is_the_same(first: Path) -> None:
    assert deviation(first, changed(first, turned)) == pytest.approx((0, 0), abs=0.002)


def test_a_ligand_is_measured_where_the_backbone_puts_it(first: Path) -> None:
    def pushed(model: gemmi.Model) -> None:
        for atom in model["L"][0]:
            atom.pos += gemmi.Position(0, 0, 2)
        turned(model)

    atoms = 20 * 4 + 3
    expected = Deviation(math.sqrt(3 * 2**2 / atoms), 2)
    assert deviation(first, changed(first, pushed)) == pytest.approx(expected, abs=0.002)


def test_a_mirror_image_is_another_structure(first: Path) -> None:
    def mirrored(model: gemmi.Model) -> None:
        for place in model.all():
            place.atom.pos.x *= -1

    assert deviation(first, changed(first, mirrored)).atoms > 3


def test_the_order_of_atoms_makes_no_difference(first: Path) -> None:
    def reordered(model: gemmi.Model) -> None:
        ligand = model["L"].clone()
        model.remove_chain("L")
        model.add_chain(ligand, pos=0)

    assert deviation(first, changed(first, reordered)) == pytest.approx((0, 0), abs=0.002)


def test_without_a_ligand_there_is_nothing_to_say_of_one(first: Path) -> None:
    def bare(model: gemmi.Model) -> None:
        model.remove_chain("L")

    alone = changed(first, bare)
    assert deviation(alone, alone).ligands is None
    with pytest.raises(OtherAtomsError, match="3 atoms"):
        deviation(first, alone)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_atoms_and_those_on_a_line_are_superposed(count: int) -> None:
    """A lone ion, an oxygen molecule, carbon dioxide."""
    fixed = np.array([[1.0, 0, 0], [2.0, 0, 0], [3.0, 0, 0]])[:count]
    moved = np.array([[7.0, 5, 0], [7.0, 6, 0], [7.0, 7, 0]])[:count]
    assert superposed(moved, fixed, np.ones(count, bool)) == pytest.approx(fixed, abs=1e-9)
