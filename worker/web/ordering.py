"""From what a request asks for to what is predicted: everything is checked before it waits for its turn."""

import posixpath
from http import HTTPStatus
from typing import Protocol

from inputs.read import BoltzInput, references
from inputs.sampling import seeded, unwritable
from schemas.failure import Code
from schemas.options import Options
from worker.web.answers import Format, negotiated, offers
from worker.web.asked import Asked, Sent
from worker.web.prediction import Order
from worker.web.problems import RefusedError, refusal


class Read(Protocol):
    """Reads an input: ``read_input``, or what calls it in a child."""

    def __call__(self, name: str, content: bytes, /) -> BoltzInput:
        """Return the checked document. Raises InvalidInputError, FailedError where it cost too much."""


def chosen_form(accept: str, ask: Asked, defaults: Options) -> tuple[Format, Options]:
    """Choose the form of the answer, and with it the format of the structures. Raises RefusedError."""
    given = ask.output_format if "output_format" in ask.model_fields_set else None
    options = ask.options(defaults)
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


def folder_beside(ask: Asked, input_bucket: str) -> str | None:
    """Return the folder, in the input bucket, of the files that the input names. Raises RefusedError."""
    if ask.beside is None:
        return None
    bucket, _, folder = ask.beside.removeprefix("gs://").partition("/")
    if bucket != input_bucket or ".." in folder.split("/") or not folder.isprintable():
        raise refusal(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            Code.INVALID_INPUT,
            "The parameter beside names no folder of the input bucket.",
            f"Name one as gs://{input_bucket}/FOLDER/, or send the files in the request.",
            field="query.beside",
            value=ask.beside,
        )
    return folder


def ordered(job_id: str, sent: Sent, options: Options, beside: str | None, read: Read) -> Order:
    """Check all that can be before predicting. Raises InvalidInputError, RefusedError, FailedError."""
    document = read(f"input{sent.suffix}", sent.content)
    if refused := unwritable(document, options, "query.output_format"):
        raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, refused)
    files = {posixpath.normpath(name): file for name, file in sent.files.items()}
    if unknown := sorted(files.keys() - references(document)):
        raise refusal(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            Code.INVALID_INPUT,
            f"The input does not name the file {unknown[0]}.",
            "Send only files that the input names, under the names that it has for them.",
            field="body.files",
            value=unknown[0],
        )
    return Order(job_id, sent.content, sent.suffix, document, seeded(options, document), files, beside)
