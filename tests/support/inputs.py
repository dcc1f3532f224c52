"""Inputs that tests upload, for those who are not about what an input says."""

TRP_CAGE, CHIGNOLIN = "NLYIQWLKDGGPSSGRPPPS", "GYDPETGTWG"


def one_protein(sequence: str = TRP_CAGE, msa: str = "empty") -> str:
    """Return an input of one protein, chain A."""
    return f"sequences:\n- protein: {{id: A, sequence: {sequence}, msa: {msa}}}\n"


PEPTIDE = one_protein("MKTAYIAKQRQISFV")
BINDER = f"""\
{PEPTIDE}- ligand: {{id: B, smiles: "CC(=O)Oc1ccccc1C(=O)O"}}
properties:
- affinity: {{binder: B}}
"""
"""The same with aspirin, and the question of how tightly it binds."""

INPUT = one_protein().encode()
MSA = f">q\n{TRP_CAGE}\n".encode()
"""Of that protein: its query alone."""
