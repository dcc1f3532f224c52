"""What a page calls the values of pLDDT and PAE, and in which order, is what Boltz-2 makes tokens of."""

from pathlib import Path

import pytest
from integration.example_reader import Written, written
from support.patience import NEVER
from support.predictions import in_boltz_order

from inputs.read import read_input
from local import small_model
from worker.child_pool import PRELOAD, ChildPool
from worker.report.prediction import polymers
from worker.report.tokens import tokens

INPUT = """\
sequences:
- protein: {id: A, sequence: LRRAXLG, msa: empty, modifications: [{position: 5, ccd: SEP}]}
- protein: {id: B, sequence: LRRASLG, msa: empty}
- ligand: {id: D, ccd: MG}
- protein: {id: C, sequence: LRRAXLG, msa: empty, modifications: [{position: 5, ccd: SEP}]}
- dna: {id: E, sequence: CGC, modifications: [{position: 3, ccd: 5CM}]}
- ligand: {id: F, ccd: GLY}
- rna: {id: H, sequence: GUG, modifications: [{position: 2, ccd: PSU}]}
- ligand: {id: [I], ccd: MG}
- ligand: {id: J, smiles: CCO}
- protein: {id: K, sequence: LRRASLG, msa: empty}
"""


@pytest.mark.parametrize("suffix", ["cif", "pdb"])
def test_chains_and_residues_of_all_tokens_are_those_of_boltz(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "in.yaml").write_text(INPUT)
    components = small_model.ensure(small_model.DEFAULT) / "mols"
    with ChildPool(NEVER, *PRELOAD) as children:
        found: Written = children.run(written, tmp_path / "in.yaml", components, tmp_path, suffix)
    document = read_input("in.yaml", INPUT.encode())
    ours = tokens(found.structure, polymers(document))
    assert [(token.chain, token.name.split()[1]) for token in ours] == found.tokens
    order = list(dict.fromkeys(chain for chain, _ in found.tokens))
    assert "".join(order) == "ACBKDIEFHJ"
    assert order == [chain for chain, _ in in_boltz_order(document)]
