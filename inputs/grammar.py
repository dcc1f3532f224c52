"""The grammar of a Boltz-2 input file (boltz 2.2.1): which keys there are, and what each may hold.

Stricter than Boltz, which ignores unknown keys and turns unknown letters into unknown residues. What concerns
several parts of a file at once is in checks.py. Distances are in ångström, positions count from 1.
Format: docs/prediction.md of Boltz, and its boltz/data/parse/schema.py, which decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticOmit

from inputs import values
from inputs.size import MAX_TOKENS, too_many
from inputs.tree import MAX_PROBLEMS, UnreadableError

T = TypeVar("T")

MAX_SMILES = 99
"""Different ones in a file. Boltz keeps five letters of their names LIG1, LIG2, …: LIG100 would be LIG10."""


@dataclass
class Reading:
    """Context of one validation: whether a missing MSA is left to a service, the form and limit of the file.

    ``smiles`` are those that are right, ``atoms`` how many they have together, ``problems`` how many items
    are wrong: they bound the time for one file.
    """

    msa_service: bool = True
    fasta: bool = False
    max_tokens: int = MAX_TOKENS
    smiles: set[str] = field(default_factory=set)
    atoms: int = 0
    problems: int = 0

    @classmethod
    def of(cls, info: ValidationInfo) -> "Reading":
        """Return the context of a validation; one without is lenient."""
        return info.context if isinstance(info.context, cls) else cls()


def _not_null(value: object) -> object:
    if value is None:
        raise values.wrong("is empty", "Fill it in, or remove the key.")
    return value


def _listed(value: object) -> object:
    if value == []:
        raise values.wrong("is an empty list", "Fill it in, or remove the key.")
    return value if isinstance(value, list | tuple) else [value]


def _one_or_list(item: Any) -> BeforeValidator:  # noqa: ANN401 - a type expression, which has no type of its own
    """Take one text for a list of one; editors are told that both may be written."""
    return BeforeValidator(_listed, json_schema_input_type=item | Annotated[list[item], Field(min_length=1)])


def _pattern(expression: str) -> WithJsonSchema:
    """Tell editors the form of a text; the check beside it has the better words."""
    return WithJsonSchema({"type": "string", "pattern": expression})


def _of_shape(*shape: str) -> BeforeValidator:
    """Refuse a list of another length, which pydantic would report item by item."""

    def check(value: object) -> object:
        if not isinstance(value, list | tuple) or len(value) != len(shape):
            raise values.wrong(f"must be a list of {len(shape)}", f"Write [{', '.join(shape)}].")
        return value

    return BeforeValidator(check)


def _spot(value: object) -> object:
    if isinstance(value, str):
        return values.check_atom_name(value)
    if type(value) is not int or value < 1:
        remedy = 'Write a residue number from 1 on, or for a ligand an atom name in quotes such as "C1".'
        raise values.wrong("must be a residue number or an atom name", remedy)
    return value


def _msa(value: str | None, info: ValidationInfo) -> str | None:
    if value is not None:
        return values.check_msa(value)
    reading = Reading.of(info)
    if reading.msa_service:
        return None
    chain = info.data.get("id", ("A",))[0]
    raise values.no_msa(chain, fasta=reading.fasta)


def _smiles(value: str, info: ValidationInfo) -> str:
    reading = Reading.of(info)
    if value in reading.smiles:
        return value
    if len(reading.smiles) == MAX_SMILES:
        what = f"is one of more than {MAX_SMILES} different SMILES, which Boltz-2 cannot tell apart"
        raise values.wrong(what, "Predict some of them in another file, or give CCD codes.")
    molecule = values.check_smiles(value)
    reading.smiles.add(value)
    reading.atoms += len(molecule.names)
    if reading.atoms > reading.max_tokens:
        raise UnreadableError(too_many(reading.atoms, reading.max_tokens, known=False))
    return value


def _counted(value: object, check: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
    """Check an item of a list; leave it out where enough items of the file are wrong already.

    The file is refused for those, and the time and memory for their problems are bounded.
    """
    reading = Reading.of(info)
    if reading.problems > MAX_PROBLEMS:
        raise PydanticOmit
    try:
        return check(value)
    except ValueError:
        reading.problems += 1
        raise


Omittable = Annotated[T | None, BeforeValidator(_not_null)]
"""May be left out; null is refused, since Boltz does not take it for an absent key."""

Items = tuple[Annotated[T, WrapValidator(_counted)], ...]
"""Any number, of which only so many may be wrong."""

Flag = Annotated[bool, Field(strict=True)]
Position = Annotated[int, Field(strict=True, ge=1)]
Distance = Annotated[float, Field(strict=True, ge=4, le=20)]
Threshold = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]

ChainId = Annotated[str, AfterValidator(values.check_chain_id), _pattern(values.CHAIN_ID)]
ChainIds = Annotated[Items[ChainId], _one_or_list(ChainId)]
TemplateChainId = Annotated[str, AfterValidator(values.check_template_chain), _pattern(values.TEMPLATE_CHAIN)]
TemplateChainIds = Annotated[Items[TemplateChainId], _one_or_list(TemplateChainId)]
CcdCode = Annotated[str, AfterValidator(values.check_ccd_code), _pattern(values.CCD_CODE)]
CcdCodes = Annotated[Items[CcdCode], _one_or_list(CcdCode)]
Smiles = Annotated[str, AfterValidator(_smiles), _pattern(values.SMILES)]
AtomName = Annotated[str, AfterValidator(values.check_atom_name), _pattern(values.ATOM_NAME)]
Atom = Annotated[tuple[str, Position, AtomName], _of_shape("CHAIN", "RESIDUE", "ATOM")]
Spot = Annotated[int | str, BeforeValidator(_spot, json_schema_input_type=Position | AtomName)]
Token = Annotated[tuple[str, Spot], _of_shape("CHAIN", "RESIDUE or ATOM")]
ProteinLetters = Annotated[str, AfterValidator(values.check_protein), _pattern(f"^[{values.PROTEIN}]+$")]
DnaLetters = Annotated[str, AfterValidator(values.check_dna), _pattern(f"^[{values.DNA}]+$")]
RnaLetters = Annotated[str, AfterValidator(values.check_rna), _pattern(f"^[{values.RNA}]+$")]
CifName = Annotated[str, AfterValidator(values.check_cif), _pattern(r"\.cif$")]
PdbName = Annotated[str, AfterValidator(values.check_pdb), _pattern(r"\.pdb$")]
Msa = Annotated[str | None, AfterValidator(_msa), _pattern(r"^empty$|\.a3m$|\.csv$")]


def _finish_schema(schema: dict[str, Any], model: type["Part"]) -> None:
    """Say in JSON Schema what the model says in code: no nulls, and exactly one of these keys."""
    for key in schema["properties"].values():
        if {"type": "null"} in key.get("anyOf", ()):
            key["anyOf"].remove({"type": "null"})
            key.pop("default", None)
        if len(key.get("anyOf", ())) == 1:
            key.update(key.pop("anyOf")[0])
    if model.one_of:
        schema["oneOf"] = [{"required": [key]} for key in model.one_of]


class Part(BaseModel):
    """A mapping of the file: closed, frozen, with exactly one of the keys ``one_of`` if there are any."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=_finish_schema)
    one_of: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _few_unknown(cls, data: object) -> object:
        """Leave out unknown keys beyond those that are told."""
        if not isinstance(data, dict) or len(data) <= MAX_PROBLEMS:
            return data
        unknown = (key for key in data if key not in cls.model_fields)
        left_out = set(islice(unknown, MAX_PROBLEMS + 1, None))
        return {key: value for key, value in data.items() if key not in left_out}

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = self.model_fields_set.intersection(self.one_of)
        if self.one_of and len(given) != 1:
            what = f"must have exactly one of: {', '.join(self.one_of)}"
            raise values.wrong(
                what, f"Keep one of {', '.join(sorted(given))}." if given else "Add one of them."
            )
        return self

    @property
    def kind(self) -> str:
        """The key that was chosen from ``one_of``."""
        return next(key for key in self.one_of if key in self.model_fields_set)


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
