"""Validation of a request: everything is checked before it waits for its turn."""

import posixpath
from http import HTTPStatus
from typing import Protocol

from inputs.read import BoltzInput, references
from inputs.sampling import seeded, unwritable
from schemas.failure import Code
from schemas.options import Options
from worker.web.errors import RefusedError
from worker.web.predict import PredictionRequest
from worker.web.problems import refusal
from worker.web.request import Body, PredictQuery
from worker.web.response import Format, negotiated, offers


class Read(Protocol):
    """Reads an input: ``read_input``, or what calls it in a child."""

    def __call__(self, name: str, content: bytes, /) -> BoltzInput:
        """Return the checked document. Raises InvalidInputError, FailedError where it cost too much."""


def chosen_form(accept: str, query: PredictQuery, defaults: Options) -> tuple[Format, Options]:
    """Choose the form of the answer, and with it the format of the structures. Raises RefusedError."""
    given = query.output_format if "output_format" in query.model_fields_set else None
    options = query.options(defaults)
    offered = offers(given, options.output_format)
    form = negotiated(accept, offered)
    if form is None:
        raise refusal(
            HTTPStatus.NOT_ACCEPTABLE,
            Code.INVALID_INPUT,
            f"There is no answer of type {accept} to this request.",
            f"Accept one of {', '.join(offered)}.",
            field="header.Accept",
            value=accept,
        )
    formats = {Format.CIF: "mmcif", Format.PDB: "pdb"}
    return form, options.model_copy(update={"output_format": formats.get(form, options.output_format)})


def folder_beside(query: PredictQuery, input_bucket: str) -> str | None:
    """Return the folder, in the input bucket, of the files that the input names. Raises RefusedError."""
    if query.beside is None:
        return None
    bucket, _, folder = query.beside.removeprefix("gs://").partition("/")
    if bucket != input_bucket or ".." in folder.split("/") or not folder.isprintable():
        raise refusal(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            Code.INVALID_INPUT,
            "The parameter beside names no folder of the input bucket.",
            f"Name one as gs://{input_bucket}/FOLDER/, or send the files in the request.",
            field="query.beside",
            value=query.beside,
        )
    return folder


def validated(job_id: str, body: Body, options: Options, beside: str | None, read: Read) -> PredictionRequest:
    """Check all that can be before predicting. Raises InvalidInputError, RefusedError, FailedError."""
    document = read(f"input{body.suffix}", body.content)
    if refused := unwritable(document, options, "query.output_format"):
        raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, refused)
    files = {posixpath.normpath(name): file for name, file in body.files.items()}
    if unknown := sorted(files.keys() - references(document)):
        raise refusal(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            Code.INVALID_INPUT,
            f"The input does not name the file {unknown[0]}.",
            "Send only files that the input names, under the names that it has for them.",
            field="body.files",
            value=unknown[0],
        )
    return PredictionRequest(
        job_id, body.content, body.suffix, document, seeded(options, document), files, beside
    )
