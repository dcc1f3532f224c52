"""Options of an upload, read from the object's metadata ``dropfold-*``.

``gsutil -h x-goog-meta-dropfold-samples:5 cp foo.yaml gs://IN/run42/`` asks for five samples.
"""

import difflib
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from schemas.failure import Code, Failure

PREFIX = "dropfold-"
"""Prefix of the metadata keys that are read; all others are the uploader's own."""


AUTO = "auto"
"""Value of an option that the worker decides on; it is not stored: earlier releases would not read it."""


def _none_for_auto(value: object) -> object:
    return None if isinstance(value, str) and value.lower() == AUTO else value


class Options(BaseModel):
    """Options of Boltz-2. Names and defaults are those of ``boltz predict`` 2.2.1, limits are ours.

    So is the default of ``potentials``: None, which is auto. Until that is decided, they are off.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    samples: int = Field(1, ge=1, le=25, description="Structures to sample (--diffusion_samples).")
    seed: int | None = Field(None, ge=0, le=2**32 - 1, description="Random seed; from the file if absent.")
    recycling_steps: int = Field(3, ge=0, le=20, description="Recycling steps of the trunk.")
    sampling_steps: int = Field(200, ge=1, le=1000, description="Diffusion steps per structure.")
    sampling_steps_affinity: int = Field(200, ge=1, le=1000, description="Diffusion steps for the affinity.")
    samples_affinity: int = Field(5, ge=1, le=25, description="Samples that the affinity is averaged over.")
    potentials: Annotated[bool | None, BeforeValidator(_none_for_auto)] = Field(
        None,
        exclude_if=lambda value: value is None,
        description="Steer sampling with physical potentials (--use_potentials). If absent, or auto: where "
        "the weights are real, and a ligand or modified residue has a stereocentre.",
    )
    output_format: Literal["mmcif", "pdb"] = Field("mmcif", description="Format of the structure files.")


class RequestedOptions(BaseModel):
    """Everything an uploader asked for: the options, and what the result itself does not depend on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    options: Options
    batch: str | None = Field(None, max_length=256, description="Batch name; the object's folder if absent.")
    fresh: bool = Field(False, description="Compute, also where an equal result could be copied.")


def read_metadata(metadata: Mapping[str, str], defaults: Options) -> RequestedOptions | tuple[Failure, ...]:
    """Return the request in an object's custom metadata, or every reason why it cannot be one.

    Keys are compared in lower case with dashes for underscores, since HTTP header names have no case.
    """
    given = [(_name(key), value) for key, value in metadata.items() if key.lower().startswith(PREFIX)]
    asked = dict(given)
    unusable = [_unknown(name) for name in asked if name not in _names()]
    unusable += [_twice(name) for name, times in Counter(name for name, _ in given).items() if times > 1]
    if unusable:
        return tuple(unusable)
    besides = {"batch": asked.pop("batch", None) or None, "fresh": asked.pop("fresh", False)}
    try:
        options = Options.model_validate({**defaults.model_dump(), **asked})
        return RequestedOptions.model_validate({"options": options, **besides})
    except ValidationError as error:
        return tuple(
            _out_of_range(detail["loc"][0], detail["msg"], detail["input"]) for detail in error.errors()
        )


def _name(key: str) -> str:
    return key.lower().removeprefix(PREFIX).replace("-", "_")


def _names() -> list[str]:
    return [*Options.model_fields, "batch", "fresh"]


def _header(name: object) -> str:
    return PREFIX + str(name).replace("_", "-")


def _unknown(name: str) -> Failure:
    near = difflib.get_close_matches(name, _names(), n=1)
    known = ", ".join(_header(known) for known in _names())
    hint = f"Did you mean {_header(near[0])}? " if near else ""
    return Failure(
        code=Code.INVALID_INPUT,
        message=f"Unknown option {_header(name)} in the object's metadata.",
        field=f"metadata.{_header(name)}",
        remedy=f"{hint}Known: {known}.",
    )


def _twice(name: str) -> Failure:
    return Failure(
        code=Code.INVALID_INPUT,
        message=f"Option {_header(name)} is in the object's metadata more than once.",
        field=f"metadata.{_header(name)}",
        remedy="Keep one of them: capitals, and underscores for dashes, make no difference.",
    )


def _out_of_range(name: object, why: str, value: object) -> Failure:
    return Failure(
        code=Code.INVALID_INPUT,
        message=f"Option {_header(name)} is not usable: {why}.",
        field=f"metadata.{_header(name)}",
        value=str(value),
        remedy=f"Set {_header(name)} within its limits, or leave it out for the default.",
    )
