"""Elements in structure files, by Boltz's own parser and writer; coordinates are made up."""

from collections.abc import Iterable
from pathlib import Path

import gemmi
import pytest
import torch
from boltz.data.types import StructureV2

from local.small_model import DEFAULT, ensure
from schemas.options import Options
from schemas.outputs import SUFFIXES
from worker.boltz2 import elements
from worker.boltz2.elements import NamedAtom
from worker.boltz2.featurise import featurise
from worker.boltz2.manifest import COMPONENTS
from worker.boltz2.workspace import Workspace
from worker.boltz2.write import write

METALS = [
    *("Ca+2", "Na+", "Cu+2", "Co+2", "Ni+2", "Cd+2", "Zn+2", "Mg+2", "K+", "Fe+3"),
    *("Cs+", "Sr+2", "Ba+2", "Pb+2", "Sm+3", "Xe", "Hg+2", "Nd+3"),
]
MOLECULES = {
    "Cl[Pd]Cl": "CL CL PD",
    "C[Si](C)(C)Br": "BR C C C SI",
    "CC[Se]CC": "C C C C SE",
    "OB(O)c1ccccc1": "B C C C C C C O O",
    "ClCCF": "C C CL F",
}
PROTEIN = "- protein: {id: A, sequence: LRRCSLG, msa: empty, modifications: [{position: 5, ccd: SEP}]}\n"
NUCLEIC = "- dna: {id: D, sequence: GATC}\n- rna: {id: R, sequence: GGN}\n"


def written(folder: Path, ligands: str, output_format: str) -> Path:
    """Parse an input, and write a structure of it."""
    file = folder / "in.yaml"
    file.write_text(f"sequences:\n{ligands}{PROTEIN}{NUCLEIC}")
    options = Options(samples=2, output_format=output_format)
    workspace = Workspace(file, options, 1, folder / "out", ensure(DEFAULT) / COMPONENTS)
    featurise(workspace, ())
    atoms = StructureV2.load(workspace.processed / "structures" / "in.npz").atoms
    places = torch.arange(2 * len(atoms) * 3).reshape(2, len(atoms), 3) / 10
    scores, masks = torch.tensor([0.2, 0.1]), torch.ones(1, len(atoms))
    prediction = {"exception": False, "coords": places, "masks": masks, "confidence_score": scores}
    torch.save({"prediction": prediction}, workspace.raw)
    write(workspace)
    return workspace.predictions / "in" / f"in_model_1.{SUFFIXES[output_format]}"


def ligands(smiles: Iterable[str]) -> str:
    named = zip("BCEFGHIJKLMNOPQSTU", smiles, strict=False)
    return "".join(f"- ligand: {{id: {name}, smiles: '{one}'}}\n" for name, one in named)


def found(path: Path) -> dict[str, list[str]]:
    """Return the elements of each chain, sorted."""
    (model,) = gemmi.read_structure(str(path))
    return {
        chain.name: sorted(atom.element.name.upper() for residue in chain for atom in residue)
        for chain in model
    }


@pytest.mark.parametrize("output_format", ["mmcif", "pdb"])
def test_elements_are_those_of_the_smiles(tmp_path: Path, output_format: str) -> None:
    ours = found(written(tmp_path, ligands([f"[{metal}]" for metal in METALS]), output_format))
    polymers = {ours.pop(chain)[0] for chain in "ADR"}
    assert polymers == {"C"}
    assert [metal for (metal,) in ours.values()] == [metal.strip("+23").upper() for metal in METALS]


@pytest.mark.parametrize("output_format", ["mmcif", "pdb"])
def test_elements_of_molecules_are_those_of_the_smiles_and_of_components(
    tmp_path: Path, output_format: str
) -> None:
    ours = found(written(tmp_path, ligands(MOLECULES), output_format))
    assert [" ".join(ours[chain]) for chain in "BCEFG"] == list(MOLECULES.values())
    assert ours["A"].count("P") == 1


def test_the_list_of_elements_holds_those_that_are_there(tmp_path: Path) -> None:
    path = written(tmp_path, ligands(["[Ca+2]"]), "mmcif")
    block = gemmi.cif.read(str(path)).sole_block()
    assert list(block.find_values("_atom_type.symbol")) == ["C", "CA", "N", "O", "P", "S"]
    assert list(block.find_values("_atom_site.type_symbol")).count("CA") == 1


def test_calcium_is_no_alpha_carbon_in_pdb(tmp_path: Path) -> None:
    codes = "- ligand: {id: B, ccd: CA}\n- ligand: {id: C, smiles: '[Ca+2]'}\n"
    lines = written(tmp_path, codes, "pdb").read_text().splitlines()
    assert {len(line) for line in lines} == {80}
    calcium = [line for line in lines if line.startswith("HETATM")]
    assert [line[12:16] for line in calcium] == ["CA  ", "CA1 "]
    assert [line[76:80] for line in calcium] == ["CA  ", "CA  "]
    alpha = [line for line in lines if line[12:16] == " CA "]
    assert [line[76:78] for line in alpha] == [" C"] * 7


def test_what_boltz_writes_right_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = "- ligand: {id: B, ccd: ATP}\n- ligand: {id: C, ccd: MG}\n"
    ours = written(tmp_path, codes, "mmcif").read_bytes()
    monkeypatch.setattr(elements, "correct", lambda _workspace: None)
    (tmp_path / "boltz").mkdir()
    assert written(tmp_path / "boltz", codes, "mmcif").read_bytes() == ours


def test_an_atom_that_no_molecule_has_keeps_what_boltz_wrote() -> None:
    unknown = [NamedAtom("QX", None)]
    pdb = "HETATM    1  QX  LIG A   1       0.000   0.000   0.000  1.00 50.00           Q  "
    assert list(elements.in_pdb([pdb], unknown)) == [pdb]
    assert list(elements.in_mmcif(["ATOM 1 Q QX", "#"], unknown)) == ["ATOM 1 Q QX", "#"]
