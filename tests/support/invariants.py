"""What holds of all that is read: the declared error and no other; what is accepted comes back the same.

Held against generated data by tests/unit/test_properties.py, and against a fuzzer's by tests/fuzz/.
"""

import io
import json
from collections.abc import Mapping

from inputs import template
from inputs.msa import check_beginning, check_file
from inputs.read import InvalidInputError, read_input, references
from inputs.sidecars import beside
from schemas.failure import Failure
from schemas.job import Source
from schemas.messages import MAX_ATTRIBUTE_BYTES, Event, UndecodableMessageError
from schemas.options import Options, RequestedOptions, read_metadata
from schemas.trace import trace_of, traceparent
from schemas.upload import UndecodableEventError, decode_upload
from support.inputs import one_protein

_TEMPLATES = "templates: [{cif: t.cif, template_id: A}, {pdb: u.pdb, template_id: A}]\n"
TEMPLATED = read_input("x.yaml", f"{one_protein('MKTAYIAKQR')}{_TEMPLATES}".encode())
CHAIN = read_input("x.yaml", one_protein("MKTAYIAKQR", "x.a3m").encode())


def message_comes_back(event: Event) -> None:
    """Send an event and read it; a subject too long for Pub/Sub is left out."""
    message = event.encode()
    decoded = type(event).decode(message.data, message.attributes)
    assert all(len(value.encode()) <= MAX_ATTRIBUTE_BYTES for value in message.attributes.values())
    dropped = {name for name in ("subject",) if getattr(decoded, name, None) is None}
    assert decoded.model_dump(exclude=dropped) == event.model_dump(exclude=dropped)


def message_or_undecodable(kind: type[Event], data: bytes, attributes: Mapping[str, str]) -> None:
    """Read a message as an event of a kind."""
    try:
        event = kind.decode(data, attributes)
    except UndecodableMessageError:
        return
    message_comes_back(event)


def upload_or_undecodable(data: object) -> None:
    """Read the data of an upload's event, and the options in it."""
    try:
        source = decode_upload(data)
    except UndecodableEventError:
        return
    assert Source.model_validate_json(source.model_dump_json()) == source
    request_or_failures(source.metadata)


def request_or_failures(metadata: Mapping[str, str]) -> None:
    """Read an object's metadata as options."""
    result = read_metadata(metadata, Options())
    if isinstance(result, RequestedOptions):
        assert RequestedOptions.model_validate_json(result.model_dump_json()) == result
    else:
        assert result
        assert all(failure.remedy for failure in result)


def trace_kept_or_made(job_id: str, given: str | None) -> None:
    """Read a trace, and write it for the next reader."""
    trace = trace_of(job_id, given)
    assert trace.strip("0")
    assert trace_of("another", traceparent(trace, "0123456789abcdef")) == trace


def input_or_failures(name: str, content: bytes) -> None:
    """Read an input; what is accepted means the same when it is written again."""
    try:
        document = read_input(name, content)
    except InvalidInputError as error:
        _is_said(error.failures)
        return
    plain = document.model_dump(mode="json", exclude_unset=True)
    assert read_input("again.yaml", json.dumps(plain).encode(), msa_service=True) == document
    for file in references(document):
        assert not {"", ".", ".."} & set(beside("run/x.yaml", file).split("/"))


def _is_said(failures: tuple[Failure, ...]) -> None:
    assert 1 <= len(failures) <= 20
    assert all(failure.message.isprintable() and failure.remedy for failure in failures)


def template_or_failure(file: str, content: bytes) -> None:
    """Check a template, as the beginning of an object and as a file."""
    lines = io.StringIO(content.decode(errors="replace"), newline=None)
    for failure in (
        template.check_beginning(file, content, TEMPLATED, whole=True),
        template.check_beginning(file, content, TEMPLATED, whole=False),
        template.check_file(file, lines, TEMPLATED),
    ):
        assert failure is None or failure.message.startswith(f"The template {file} ")
        assert failure is None or failure.message.isprintable()


def alignment_or_failure(file: str, content: bytes) -> None:
    """Read an MSA, as the beginning of an object and as a file."""
    lines = io.TextIOWrapper(io.BytesIO(content), "utf-8")
    for failure in (
        check_beginning(file, content, CHAIN, whole=True),
        check_beginning(file, content, CHAIN, whole=False),
        check_file(file, lines, CHAIN),
    ):
        assert failure is None or failure.message.startswith(f"The MSA {file} ")
