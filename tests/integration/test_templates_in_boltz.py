"""Templates as worker/repair leaves them against what Boltz reads of those that need no repair.

If a new version of Boltz fails here, its parsers of structures have changed: see what of worker/repair goes.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from integration.example_reader import built
from support.backbones import chain, codes, ligand, mmcif, models, seqres
from support.inputs import TRP_CAGE
from support.patience import NEVER

from inputs.read import read_input
from local.small_model import DEFAULT, ensure
from schemas.failure import FailedError
from schemas.options import Options
from worker.boltz2.featurise import featurise
from worker.boltz2.manifest import COMPONENTS
from worker.boltz2.workspace import Workspace
from worker.child_pool import PRELOAD, ChildPool
from worker.prepare import Prepared, here
from worker.repair.references import repaired

CAGE, OTHER = codes(TRP_CAGE), codes("GYDPETGTWGLRRASLGGYDP")
RIGHT = seqres(OTHER) + seqres(CAGE, "B") + chain(OTHER) + chain(CAGE, "B")
ATOMS = chain(OTHER) + chain(CAGE, "B")


def template_features(
    folder: Path, name: str, content: str, more: str = "", *, repair: bool = True
) -> dict[str, Any]:
    """Return what the model reads of a template."""
    folder.mkdir()
    text = (
        f"sequences:\n- protein: {{id: A, sequence: {TRP_CAGE}, msa: empty}}\n"
        f"templates: [{{{name[2:]}: {name}, chain_id: A{more}}}]\n"
    )
    (folder / "in.yaml").write_text(text)
    (folder / name).write_text(content)
    prepared = Prepared(folder / "in.yaml", read_input("in.yaml", text.encode()), text)
    if repair:
        prepared = repaired(prepared, here)
    components = ensure(DEFAULT) / COMPONENTS
    workspace = Workspace(prepared.input_file, Options(), 1, folder / "out", components)
    featurise(workspace, ())
    features: dict[str, Any] = torch.load(workspace.features, weights_only=False)
    return {name: value for name, value in features.items() if "template" in name}


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the features of a template that Boltz reads as it is."""
    found = template_features(tmp_path_factory.mktemp("right") / "in", "t.pdb", RIGHT, repair=False)
    assert found["template_mask"].sum() == len(CAGE)
    return found


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("name", "content", "more"),
    [
        ("t.pdb", ATOMS, ""),
        ("t.pdb", ATOMS, ", template_id: B"),
        ("t.pdb", RIGHT, ", template_id: B"),
        ("t.pdb", RIGHT.split("ATOM")[0] + models(ATOMS, ATOMS), ""),
        ("t.pdb", RIGHT + ligand("DRG"), ""),
        ("t.cif", mmcif(ATOMS), ""),
        ("t.cif", mmcif(ATOMS + ligand("DRG", "B")), ", template_id: B"),
        ("t.cif", mmcif(models(ATOMS, ATOMS)), ""),
    ],
)
def test_what_boltz_cannot_read_gives_what_it_reads_of_the_same_structure(
    tmp_path: Path, right: dict[str, Any], name: str, content: str, more: str
) -> None:
    with pytest.raises(FailedError):
        template_features(tmp_path / "as-it-is", name, content, more, repair=False)
    assert same(template_features(tmp_path / "repaired", name, content, more), right)


@pytest.mark.parametrize("suffix", ["pdb", "cif"])
def test_what_boltz_wrote_is_a_template_with_every_residue(tmp_path: Path, suffix: str) -> None:
    """Its PDB files have no SEQRES, and call the ligand LIG, which no dictionary has."""
    entries = f"- protein: {{id: A, sequence: {TRP_CAGE}, msa: empty}}\n- ligand: {{id: D, smiles: CCO}}\n"
    (tmp_path / "first.yaml").write_text(f"sequences:\n{entries}")
    with ChildPool(NEVER, *PRELOAD) as children:
        children.run(built, tmp_path / "first.yaml", ensure(DEFAULT) / COMPONENTS, tmp_path, suffix)
    ours = (tmp_path / f"model_0.{suffix}").read_text()
    found = template_features(tmp_path / "second", f"t.{suffix}", ours)
    assert found["template_mask_frame"].sum() == len(CAGE)


def test_residues_that_are_missing_are_passed_over(tmp_path: Path) -> None:
    """Boltz aligns without gaps: the unknown residues in their place keep what is behind them."""
    numbers = [*range(1, 9), *range(12, 21)]
    there = [CAGE[number - 1] for number in numbers]
    found = template_features(tmp_path / "in", "t.pdb", chain(there, numbers=numbers))
    assert found["template_mask_frame"].sum() == len(there)


def test_a_residue_of_no_dictionary_is_an_unknown_one(tmp_path: Path) -> None:
    odd = ["B-X" if at == 4 else code for at, code in enumerate(CAGE)]
    found = template_features(tmp_path / "in", "t.pdb", seqres(odd) + chain(odd))
    assert found["template_mask_frame"].sum() == len(CAGE)
