"""Building blocks of the grammar: the types of its single values, and the base class of its models."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated, Any, ClassVar, Self, TypeVar, get_args

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
"""Most different SMILES of a file. Boltz keeps five letters of LIG1, LIG2, …: LIG100 would be LIG10."""


@dataclass
class Reading:
    """Context of one validation: whether a missing MSA is left to a service, the form and limit of the file.

    ``smiles`` are the valid ones, ``atoms`` is the number of their atoms, ``problems`` the number of invalid
    items: they bound the time for one file.
    """

    msa_service: bool = True
    fasta: bool = False
    max_tokens: int = MAX_TOKENS
    smiles: set[str] = field(default_factory=set)
    atoms: int = 0
    problems: int = 0

    @classmethod
    def of(cls, info: ValidationInfo) -> "Reading":
        """Return the context of a validation, by default a lenient one."""
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
    """Return a validator that takes one text for a list of one; the JSON Schema has both."""
    return BeforeValidator(_listed, json_schema_input_type=item | Annotated[list[item], Field(min_length=1)])


def _pattern(expression: str) -> WithJsonSchema:
    """Return the JSON Schema of a text, for editors; the check beside it has the better words."""
    return WithJsonSchema({"type": "string", "pattern": expression})


def _of_shape(*shape: str) -> BeforeValidator:
    """Return a validator that refuses a list of another length, which pydantic would report item by item."""

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


def _msa(value: object, info: ValidationInfo) -> object:
    """Check the name of an MSA; say what to write instead of what people write where there is none."""
    reading = Reading.of(info)
    if value is None and reading.msa_service:
        return None
    if isinstance(value, str) and not values.means_no_msa(value):
        return values.check_msa(value)
    if isinstance(value, str | bool | int | None) or not value:
        chain = next(iter(info.data.get("id", ())), "A")
        raise values.no_msa(value, chain, fasta=reading.fasta, service=reading.msa_service)
    return value


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
    """Check an item of a list; omit it once more than MAX_PROBLEMS items of the file are wrong.

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
"""A key that may be left out; null is refused, since Boltz does not take it for an absent key."""

Items = tuple[Annotated[T, WrapValidator(_counted)], ...]
"""A list of any length, checked until too many of its items are wrong."""

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
Msa = Annotated[str | None, BeforeValidator(_msa), _pattern(r"^empty$|\.a3m$|\.csv$")]


def _finish_schema(schema: dict[str, Any], model: type["Part"]) -> None:
    """Add to the JSON Schema what the model's validators check: no nulls, and exactly one of these keys."""
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
        """Omit unknown keys beyond those that are reported."""
        if not isinstance(data, dict) or len(data) <= MAX_PROBLEMS:
            return data
        unknown = (key for key in data if key not in cls.model_fields)
        left_out = set(islice(unknown, MAX_PROBLEMS + 1, None))
        return {key: value for key, value in data.items() if key not in left_out}

    @model_validator(mode="before")
    @classmethod
    def _indented(cls, data: object) -> object:
        """Refuse keys beside one of ``one_of`` that belong below it, as one problem instead of many."""
        if isinstance(data, dict):
            for key in cls.one_of:
                if key in data and data[key] is None and (astray := sorted(belong_below(cls, key, data))):
                    what = f"has keys beside `{key}:` instead of below it"
                    raise values.wrong(what, f"Indent {', '.join(astray)} further than `{key}:` is.")
        return data

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = self.model_fields_set.intersection(self.one_of)
        if self.one_of and len(given) != 1:
            what = f"must have exactly one of: {', '.join(self.one_of)}"
            remedy = f"Keep one of {', '.join(sorted(given))}." if given else "Add one of them."
            raise values.wrong(what, remedy)
        return self

    @property
    def kind(self) -> str:
        """The key that was chosen from ``one_of``."""
        return next(key for key in self.one_of if key in self.model_fields_set)


def models_in(annotation: object) -> list[type[BaseModel]]:
    """Return the models in the type of a field."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in models_in(inner)]


def belong_below(model: type[BaseModel], key: str, data: Iterable[str]) -> set[str]:
    """Return the keys of a mapping of ``model`` that it does not know, and the part below ``key`` does."""
    below = {name for inner in models_in(model.model_fields[key].annotation) for name in inner.model_fields}
    return below.difference(model.model_fields).intersection(data)
