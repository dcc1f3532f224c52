"""The checks read what Boltz's own parser and writers make: names, numbers and chains in both formats."""

from pathlib import Path

import numpy as np
import pytest
from integration.example_reader import built
from support.patience import NEVER
from support.structures import Built, arrays, components

from schemas.checks import CheckedSample, Verdict
from schemas.options import Options
from worker.checks.run import Asking, check
from worker.child_pool import PRELOAD, ChildPool

INPUT = """\
sequences:
- protein:
    id: [B, A]
    sequence: LRRAXMG
    msa: empty
    modifications: [{position: 1, ccd: SEP}, {position: 6, ccd: MSE}, {position: 7, ccd: TPO}]
- dna: {id: E, sequence: CGCN, modifications: [{position: 3, ccd: 5CM}]}
- ligand: {id: F, ccd: NAG}
- rna: {id: H, sequence: GUG, modifications: [{position: 2, ccd: PSU}]}
- ligand: {id: I, ccd: MG}
- ligand: {id: J, smiles: 'C[C@H](O)[C@@H](N)C(=O)O'}
- ligand: {id: [K, L], smiles: 'OC(=O)/C=C/C(=O)O'}
- protein: {id: M, sequence: LRRASLG, msa: empty}
"""
AFFINITY = """\
sequences:
- protein: {id: A, sequence: LRRASMG, msa: empty}
- ligand: {id: B, smiles: 'NC(=[NH2+])c1ccc(C[C@H]([NH3+])C(=O)[O-])cc1'}
properties:
- affinity: {binder: B}
"""


def checked(text: str, suffix: str, folder: Path) -> tuple[CheckedSample, Built]:
    (folder / "in.yaml").write_text(text)
    with ChildPool(NEVER, *PRELOAD) as children:
        structure = children.run(built, folder / "in.yaml", components(), folder, suffix)
    options = Options(output_format="mmcif" if suffix == "cif" else "pdb")
    files = {f"model_0.{suffix}": folder / f"model_0.{suffix}"} | arrays(structure, folder)
    asking = Asking(structure.document, options, files, folder / "molecules.pkl", components())
    return check(asking).samples[0], structure


@pytest.mark.parametrize("suffix", ["cif", "pdb"])
def test_a_right_structure_passes_as_boltz_writes_it(suffix: str, tmp_path: Path) -> None:
    sample, structure = checked(INPUT, suffix, tmp_path)
    assert (sample.outliers, sample.unchecked, sample.verdict) == ((), None, Verdict.PASSED)
    assert sample.looked_at["alone"] == len(structure.chains) == 10
    assert sample.looked_at["double bond"] == 2


def test_the_ligand_of_an_affinity_is_known_by_the_names_that_boltz_gave_it(tmp_path: Path) -> None:
    """It was standardised, so that its charges are others than in the SMILES, and with them the names."""
    sample, structure = checked(AFFINITY, "cif", tmp_path)
    assert sample.verdict == Verdict.PASSED, (sample.outliers, sample.unchecked)
    own = structure.molecules["LIG1"]
    charges = [atom.GetFormalCharge() for atom in own.GetAtoms()]
    assert np.abs(charges).sum() == 0
