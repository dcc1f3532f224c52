"""A request taken apart: options in the query, the format in Accept, input and files in the body."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import BinaryIO

from fastapi import Request
from pydantic import ConfigDict, Field
from starlette.datastructures import FormData, UploadFile
from starlette.types import Message as Event
from starlette.types import Receive

from inputs.read import INPUT_SUFFIXES, MAX_INPUT_BYTES
from schemas.failure import Code
from schemas.options import Options
from worker.web.errors import RefusedError
from worker.web.problems import refusal

MULTIPART = "multipart/form-data"
SUFFIXES: Mapping[str, str] = {
    "application/yaml": ".yaml",
    "text/yaml": ".yaml",
    "text/x-fasta": ".fasta",
    "chemical/seq-aa-fasta": ".fasta",
}
"""Media types of an input, and the suffix of a file of it."""

MAX_BODY_BYTES = 32 * 1024 * 1024
"""What Cloud Run lets through in one HTTP/1 request; larger files lie in the bucket (``beside``)."""

MAX_FILES = 100
INPUT, FILES = "input", "files"


class PredictQuery(Options):
    """Query parameters: the options of a prediction, and where files lie that are not in the request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    beside: str | None = Field(
        None,
        max_length=1100,
        pattern=r"^gs://[^/]+/(.*/)?$",
        description="Folder of the input bucket with the files that the input names: gs://BUCKET/FOLDER/.",
    )

    def options(self, defaults: Options) -> Options:
        """Return the options, those that were not asked for from ``defaults``."""
        chosen = self.model_fields_set & Options.model_fields.keys()
        return Options(**{**defaults.model_dump(), **self.model_dump(include=chosen)})


@dataclass(frozen=True)
class Body:
    """A body: the input, the suffix that tells its format, and files by the names they were sent with."""

    content: bytes
    suffix: str
    files: Mapping[str, BinaryIO] = field(default_factory=dict)


@contextmanager
def closed(body: Body) -> Iterator[Body]:
    """Close the files of a body at the end."""
    try:
        yield body
    finally:
        for file in body.files.values():
            file.close()


async def read_body(request: Request) -> Body:
    """Read the body within its limits. Raises RefusedError, starlette's HTTPException, ClientDisconnect."""
    kind = _media_type(request.headers.get("content-type", ""))
    if kind == MULTIPART:
        limited = Request(request.scope, _limited(request, MAX_BODY_BYTES))
        form = await limited.form(max_files=MAX_FILES, max_fields=1, max_part_size=MAX_INPUT_BYTES)
        return await _of_form(form)
    if kind not in SUFFIXES:
        raise _unsupported(kind)
    limited = Request(request.scope, _limited(request, MAX_INPUT_BYTES))
    return Body(await limited.body(), SUFFIXES[kind])


def _media_type(header: str) -> str:
    message = Message()
    message["content-type"] = header
    return message.get_content_type() if header else ""


def _limited(request: Request, limit: int) -> Receive:
    """Receive a body only up to a limit, whatever its length was said to be."""
    left = limit

    async def receive() -> Event:
        nonlocal left
        event = await request.receive()
        left -= len(event.get("body", b""))
        if left < 0:
            raise _too_large("The body", limit)
        return event

    return receive


async def _of_form(form: FormData) -> Body:
    """Sort the parts. Whatever is refused here is closed here."""
    parts = form.multi_items()
    try:
        given = [part for name, part in parts if name == INPUT]
        if len(given) != 1 or not isinstance(given[0], UploadFile):
            raise _unusable(f"The part {INPUT} has to be there once, as a file.", INPUT)
        content = await _content(given[0])
        return Body(content, _suffix(given[0]), dict(_files(parts)))
    except RefusedError:
        await form.close()
        raise


async def _content(part: UploadFile) -> bytes:
    with closing(part.file):
        if (part.size or 0) > MAX_INPUT_BYTES:
            raise _too_large(f"The part {INPUT}", MAX_INPUT_BYTES)
        return await part.read()


def _suffix(part: UploadFile) -> str:
    """Return the suffix of the part's media type, else that of its file name."""
    kind = _media_type(part.content_type or "")
    suffix = SUFFIXES.get(kind) or PurePosixPath(part.filename or "").suffix.lower()
    if suffix not in INPUT_SUFFIXES:
        raise _unsupported(kind)
    return suffix


def _files(parts: list[tuple[str, UploadFile | str]]) -> Iterator[tuple[str, BinaryIO]]:
    seen: set[str] = set()
    for name, part in parts:
        if name == INPUT:
            continue
        if name != FILES or not isinstance(part, UploadFile) or not part.filename:
            raise _unusable(f"Parts are {INPUT}, and any number of {FILES} with file names.", name)
        if part.filename in seen:
            raise _unusable("Two files have the same name.", FILES, part.filename)
        seen.add(part.filename)
        yield part.filename, part.file


def _unusable(message: str, part: str, value: str | None = None) -> RefusedError:
    remedy = f"Send one part {INPUT}, and one part {FILES} for each file, named as the input names it."
    about = {"field": f"body.{part}"} | ({"value": value} if value else {})
    return refusal(HTTPStatus.UNPROCESSABLE_ENTITY, Code.INVALID_INPUT, message, remedy, **about)


def _too_large(what: str, limit: int) -> RefusedError:
    remedy = "Put alignments and templates into the input bucket, and name their folder with `beside`."
    message = f"{what} has more than {limit:,} bytes."
    return refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, Code.TOO_LARGE, message, remedy, field="body")


def _unsupported(kind: str) -> RefusedError:
    message = f"Content of type {kind or 'unknown'} is no Boltz-2 input."
    return refusal(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        Code.UNSUPPORTED_FILE,
        message,
        f"Say what it is by Content-Type: {', '.join(SUFFIXES)}, or {MULTIPART} with the part {INPUT}.",
        field="header.Content-Type",
        value=kind,
    )
