"""The grammar of a Boltz-2 input file (boltz 2.2.1): its keys, and the values of each.

Stricter than Boltz, which ignores unknown keys and turns unknown letters into unknown residues. What concerns
several parts of a file at once is in checks.py. Distances are in ångström, positions count from 1.
Format: docs/prediction.md of Boltz, and its boltz/data/parse/schema.py, which decides.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Literal

from pydantic import (
    Field,
)

from inputs.fields import (
    Atom,
    CcdCode,
    CcdCodes,
    ChainIds,
    CifName,
    Distance,
    DnaLetters,
    Flag,
    Items,
    Msa,
    Omittable,
    Part,
    PdbName,
    Position,
    ProteinLetters,
    RnaLetters,
    Smiles,
    TemplateChainIds,
    Threshold,
    Token,
)


class Modification(Part):
    """A residue that is replaced by a component of the CCD."""

    position: Position = Field(description="Residue number, from 1.", examples=[5])
    ccd: CcdCode = Field(description="Code in the Chemical Component Dictionary.", examples=["SEP"])


class Molecule(Part):
    """One kind of molecule, present once for each chain id."""

    id: ChainIds = Field(
        description="Chain id, or a list of them for identical copies.", examples=["A", ["A", "B"]]
    )


class Polymer(Molecule):
    """A chain of residues, one letter each."""

    sequence: str
    modifications: Items[Modification] = Field(
        (),
        description="Residues that are replaced by components of the CCD.",
        examples=[[{"position": 5, "ccd": "SEP"}]],
    )
    cyclic: Flag = Field(False, description="The last residue is bound to the first.", examples=[True])

    @cached_property
    def modified(self) -> Mapping[int, str]:
        """Code of each residue that is replaced, by its position."""
        return {each.position: each.ccd for each in self.modifications}


class Protein(Polymer):
    """A protein."""

    sequence: ProteinLetters = Field(
        description="One-letter codes in capitals; B, J, O, U, X and Z are read as unknown residues.",
        examples=["NLYIQWLKDGGPSSGRPPPS"],
    )
    msa: Msa = Field(
        None,
        validate_default=True,
        description="`empty` for single-sequence mode, or the name of an .a3m or .csv file beside this one.",
        examples=["empty", "chain_a.a3m"],
    )


class Dna(Polymer):
    """A single strand of DNA."""

    sequence: DnaLetters = Field(
        description="Letters A, C, G, T, or N for unknown.",
        examples=["CGCGAATTCGCG"],
    )


class Rna(Polymer):
    """A single strand of RNA."""

    sequence: RnaLetters = Field(
        description="Letters A, C, G, U, or N for unknown.",
        examples=["GGCGCUUGCGUC"],
    )


class Ligand(Molecule):
    """A small molecule, an ion, or several CCD components that form one chain (a glycan)."""

    one_of = ("smiles", "ccd")
    smiles: Omittable[Smiles] = Field(
        None, description="The molecule as SMILES.", examples=["CC(=O)Oc1ccccc1C(=O)O"]
    )
    ccd: Omittable[CcdCodes] = Field(None, description="CCD code, or a list of them.", examples=["ATP"])


class Entry(Part):
    """One item of ``sequences``."""

    one_of = ("protein", "dna", "rna", "ligand")
    protein: Omittable[Protein] = Field(
        None,
        description="A protein.",
        examples=[{"id": "A", "sequence": "NLYIQWLKDGGPSSGRPPPS", "msa": "empty"}],
    )
    dna: Omittable[Dna] = Field(
        None, description="A single strand of DNA.", examples=[{"id": ["A", "B"], "sequence": "CGCGAATTCGCG"}]
    )
    rna: Omittable[Rna] = Field(
        None, description="A single strand of RNA.", examples=[{"id": "A", "sequence": "GGCGCUUGCGUC"}]
    )
    ligand: Omittable[Ligand] = Field(
        None, description="A small molecule, an ion, or a glycan.", examples=[{"id": "L", "ccd": "ATP"}]
    )

    @property
    def molecule(self) -> Polymer | Ligand:
        """The molecule, whichever kind it is."""
        chosen: Polymer | Ligand = getattr(self, self.kind)
        return chosen


class Bond(Part):
    """A covalent bond between two atoms."""

    atom1: Atom = Field(
        description="[chain id, residue number, atom name]; a ligand of one component has residue 1.",
        examples=[["A", 6, "SG"]],
    )
    atom2: Atom = Field(
        description="[chain id, residue number, atom name]; a ligand of one component has residue 1.",
        examples=[["L", 1, "FE"]],
    )


class Pocket(Part):
    """A chain binds where these residues or atoms are."""

    binder: str = Field(description="Id of the chain that binds.", examples=["L"])
    contacts: Items[Token] = Field(
        min_length=1,
        description="[chain id, residue number], or [chain id, atom name] for a ligand.",
        examples=[[["A", 2], ["A", 3]]],
    )
    max_distance: Distance = Field(6.0, description="Distance in ångström, 4 to 20.", examples=[8])
    force: Flag = Field(False, description="Enforce it with a potential.", examples=[True])


class Contact(Part):
    """Two residues or atoms are near each other."""

    token1: Token = Field(
        description="[chain id, residue number], or [chain id, atom name] for a ligand.", examples=[["A", 5]]
    )
    token2: Token = Field(
        description="[chain id, residue number], or [chain id, atom name] for a ligand.",
        examples=[["L", "PG"]],
    )
    max_distance: Distance = Field(6.0, description="Distance in ångström, 4 to 20.", examples=[8])
    force: Flag = Field(False, description="Enforce it with a potential.", examples=[True])


class Constraint(Part):
    """One item of ``constraints``."""

    one_of = ("bond", "pocket", "contact")
    bond: Omittable[Bond] = Field(
        None,
        description="A covalent bond between two atoms.",
        examples=[{"atom1": ["A", 6, "SG"], "atom2": ["L", 1, "FE"]}],
    )
    pocket: Omittable[Pocket] = Field(
        None,
        description="A chain binds where these residues or atoms are.",
        examples=[{"binder": "L", "contacts": [["A", 2], ["A", 3]]}],
    )
    contact: Omittable[Contact] = Field(
        None,
        description="Two residues or atoms are near each other.",
        examples=[{"token1": ["A", 5], "token2": ["L", "PG"]}],
    )


class Template(Part):
    """A known structure to start from, for protein chains."""

    one_of = ("cif", "pdb")
    cif: Omittable[CifName] = Field(
        None, description="Name of an mmCIF file beside this one.", examples=["1ubq.cif"]
    )
    pdb: Omittable[PdbName] = Field(
        None, description="Name of a PDB file beside this one.", examples=["1ubq.pdb"]
    )
    chain_id: Omittable[ChainIds] = Field(
        None, description="Chains of this file; all proteins if left out.", examples=["A", ["A", "B"]]
    )
    template_id: Omittable[TemplateChainIds] = Field(
        None, description="Chains of the template, in that order.", examples=["A1", ["A1", "B1"]]
    )
    force: Flag = Field(
        False, description="Hold the backbone near the template; needs a threshold.", examples=[True]
    )
    threshold: Omittable[Threshold] = Field(
        None, description="Allowed deviation in ångström.", examples=[2.0]
    )

    @property
    def file(self) -> str:
        """Name of the template's file, whichever format it has."""
        return self.cif or self.pdb or ""


class Affinity(Part):
    """Predict how strongly a ligand binds."""

    binder: str = Field(description="Chain id of a ligand that is there once.", examples=["L"])


class Property(Part):
    """One item of ``properties``."""

    one_of = ("affinity",)
    affinity: Omittable[Affinity] = Field(
        None, description="Predict how strongly a ligand binds.", examples=[{"binder": "L"}]
    )


class BoltzInput(Part):
    """A Boltz-2 input: molecules to predict together, and what is known about them."""

    version: Literal[1] = Field(1, description="Version of the format.", examples=[1])
    sequences: Items[Entry] = Field(
        min_length=1,
        description="The molecules.",
        examples=[[{"protein": {"id": "A", "sequence": "NLYIQWLKDGGPSSGRPPPS", "msa": "empty"}}]],
    )
    constraints: Items[Constraint] = Field(
        (),
        description="What is known about bonds and nearness.",
        examples=[[{"contact": {"token1": ["A", 5], "token2": ["L", "PG"]}}]],
    )
    templates: Items[Template] = Field(
        (), description="Known structures to start from.", examples=[[{"cif": "1ubq.cif"}]]
    )
    properties: Items[Property] = Field(
        (),
        max_length=1,
        description="What to compute beside the structure.",
        examples=[[{"affinity": {"binder": "L"}}]],
    )
