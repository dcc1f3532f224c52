"""The forms of an answer: the best structure, all scores as JSON, or all files as a ZIP archive."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from schemas.checks import Checks, Verdict
from schemas.job import Model
from schemas.options import Options
from schemas.outputs import BEST_STRUCTURES, BINARY, content_type_of
from worker.web.predict import Predicted

SUMMARY = "prediction.json"


class Format(StrEnum):
    """Media types that a client may accept."""

    CIF = "chemical/x-cif"
    PDB = "chemical/x-pdb"
    JSON = "application/json"
    ZIP = "application/zip"


STRUCTURES: Mapping[Literal["mmcif", "pdb"], Format] = {"mmcif": Format.CIF, "pdb": Format.PDB}


class File(BaseModel):
    """One file of a prediction. ``text`` is its content; None for arrays, which are in the archive."""

    model_config = ConfigDict(frozen=True)

    name: str
    content_type: str
    size: int = Field(ge=0, description="Bytes.")
    text: str | None


class Prediction(BaseModel):
    """The answer in JSON.

    Timings are seconds by stage. Scores are Boltz-2's, and those made from its PAE.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    job_id: str = Field(pattern=r"^[0-9a-f]{16}$")
    model: Model
    options: Options
    decided: dict[str, str] = Field(description="Options that were left to dropfold, and why.")
    warnings: tuple[str, ...] = Field(description="How files that the input names were read otherwise.")
    scores: dict[str, float]
    timings: dict[str, float]
    checks: Checks
    files: tuple[File, ...]


def offers(asked_for: Literal["mmcif", "pdb"] | None, usual: Literal["mmcif", "pdb"]) -> list[Format]:
    """List the forms that there are, the preferred first; an output format that is asked for is binding."""
    if asked_for:
        return [STRUCTURES[asked_for], Format.JSON, Format.ZIP]
    return sorted(Format, key=lambda form: form is not STRUCTURES[usual])


def negotiated(accept: str, offered: Sequence[Format]) -> Format | None:
    """Choose by an Accept header (RFC 9110, 12.5.1), or say None where no offer is accepted."""
    ranges = dict(_range(part) for part in accept.split(",") if part.strip()) or {"*/*": 1.0}
    best = max(offered, key=lambda form: _quality(form, ranges))  # the first of equals
    return best if _quality(best, ranges) > 0 else None


class Answer(NamedTuple):
    """A prediction in the form that was asked for, and the verdict on its structures."""

    content: bytes
    verdict: Verdict


def rendered(predicted: Predicted, form: Format) -> Answer:
    """Write a prediction in a form."""
    return Answer(_written(predicted, form), predicted.checks.verdict)


def _written(predicted: Predicted, form: Format) -> bytes:
    if form is Format.JSON:
        return _summary(predicted, texts=True)
    if form is Format.ZIP:
        return _archive(predicted)
    return next(path for name, path in predicted.files.items() if name in BEST_STRUCTURES).read_bytes()


def _range(part: str) -> tuple[str, float]:
    kind, *parameters = (word.strip().lower() for word in part.split(";"))
    weight = next((value[2:] for value in parameters if value.startswith("q=")), "1")
    try:
        return kind, float(weight)
    except ValueError:
        return kind, 0.0


def _quality(form: Format, ranges: Mapping[str, float]) -> float:
    """Return the weight of the most specific range that the form is in."""
    wider = (form.value, f"{form.partition('/')[0]}/*", "*/*")
    return next((ranges[kind] for kind in wider if kind in ranges), 0.0)


def _archive(predicted: Predicted) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in predicted.files.items():
            archive.write(path, name)
        archive.writestr(SUMMARY, _summary(predicted, texts=False))
    return content.getvalue()


def _summary(predicted: Predicted, *, texts: bool) -> bytes:
    files = tuple(_file(name, path, texts=texts) for name, path in predicted.files.items())
    about = {name: getattr(predicted, name) for name in Prediction.model_fields if name != "files"}
    return Prediction(files=files, **about).model_dump_json(indent=2).encode()


def _file(name: str, path: Path, *, texts: bool) -> File:
    kind = content_type_of(path)
    text = path.read_text() if texts and kind != BINARY else None
    return File(name=name, content_type=kind, size=path.stat().st_size, text=text)
