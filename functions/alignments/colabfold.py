"""The ticket API of ColabFold's MSA server, as its clients and Boltz's speak it.

A question is posted, and answered with a ticket; the ticket is polled until it is COMPLETE; then an archive
has the answer. A ticket's id is a digest of its question, so that asking again finds the same search. Nothing
but the letters of proteins is sent, to one host: no redirect is followed, no proxy of the environment used.

The API: https://github.com/soedinglab/MMseqs2-App; its client: colabfold/colabfold.py of ColabFold.
"""

import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import IO, Literal

import requests
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from functions.alignments.archive import read_archive, words
from functions.alignments.server import InTime, RefusedError, SearchFailedError, TroubleError
from inputs.alignments import question
from schemas.reason import reason

PAIRED_FILES = ("pair.a3m",)
UNPAIRED_FILES = ("uniref.a3m", "bfd.mgnify30.metaeuk30.smag30.a3m")

CONNECT_SECONDS, READ_SECONDS = 6.0, 60.0
DOWNLOAD_SECONDS = 300.0
FIRST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 1.0, 10.0
RATE_LIMIT_SECONDS, MAINTENANCE_SECONDS = 60.0, 600.0

MAX_REPLY_BYTES = 64 * 1024
MAX_ARCHIVE_BYTES = 512 * 1024 * 1024
CHUNK_BYTES = 1024 * 1024

Headers = Callable[[], Mapping[str, str]]


class Ticket(BaseModel):
    """A reply about a search."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field("", max_length=200, pattern="^[A-Za-z0-9_=-]*$")
    status: Literal["PENDING", "RUNNING", "COMPLETE", "ERROR", "UNKNOWN", "RATELIMIT", "MAINTENANCE"]
    reason: str = ""


@dataclass(frozen=True)
class ColabFold:
    """A server at an address. ``agent`` names this program and whom to write to; ``credentials`` are headers.

    ``pairing`` is ColabFold's: greedy pairs some of the sequences too, complete all of them or none.
    """

    url: str
    agent: str
    pairing: Literal["greedy", "complete"] = "greedy"
    credentials: Headers = dict
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    def unpaired(self, sequences: Sequence[str], in_time: InTime) -> list[str] | None:
        """Return an a3m for each sequence, None where time is over first. Raises AlignmentError."""
        return self._answer("msa", "env", sequences, UNPAIRED_FILES, in_time)

    def paired(self, sequences: Sequence[str], in_time: InTime) -> list[str] | None:
        """Return paired rows of each sequence, None where time is over first. Raises AlignmentError."""
        return self._answer("pair", f"pair{self.pairing}-env", sequences, PAIRED_FILES, in_time)

    def queued(self) -> int:
        """Return how many searches wait, which only a server that is well knows. Raises AlignmentError."""
        with self._call("GET", "queue") as reply:
            content = _content(reply)
        try:
            return _Queue.model_validate_json(content).queued
        except ValidationError as error:
            raise TroubleError(f"no length of its queue: {words(content)}") from error

    def _answer(
        self, kind: str, mode: str, sequences: Sequence[str], files: Sequence[str], in_time: InTime
    ) -> list[str] | None:
        ticket = self._submitted(kind, {"q": question(sequences), "mode": mode})
        pause = FIRST_LOOK_SECONDS
        while ticket.status != "COMPLETE":
            if ticket.status == "ERROR":
                raise SearchFailedError("an error, without a reason")
            if not in_time():
                return None
            self.sleep(pause)
            pause = min(pause * 1.5, LONGEST_LOOK_SECONDS)
            ticket = self._looked_at(ticket.id)
        return self._downloaded(ticket.id, files, sequences)

    def _submitted(self, kind: str, form: Mapping[str, str]) -> Ticket:
        with self._call("POST", f"ticket/{kind}", form) as reply:
            if reply.status_code == HTTPStatus.BAD_REQUEST:
                raise RefusedError(words(_content(reply)))
            ticket = _ticket(reply)
        if ticket.status == "UNKNOWN" or not ticket.id:
            raise TroubleError("no ticket for a question")
        return ticket

    def _looked_at(self, ticket_id: str) -> Ticket:
        with self._call("GET", f"ticket/{ticket_id}") as reply:
            ticket = _ticket(reply)
        if ticket.status == "UNKNOWN":
            raise TroubleError("that it does not know a search which it had begun")
        return ticket.model_copy(update={"id": ticket_id})

    def _downloaded(self, ticket_id: str, files: Sequence[str], sequences: Sequence[str]) -> list[str]:
        with tempfile.TemporaryFile() as archive:
            with self._call("GET", f"result/download/{ticket_id}") as reply:
                if reply.status_code != HTTPStatus.OK:
                    raise SearchFailedError(f"status {reply.status_code} for a search that is complete")
                _save(reply, archive)
            archive.seek(0)
            return read_archive(archive, files, sequences)

    @contextmanager
    def _call(
        self, method: str, path: str, form: Mapping[str, str] | None = None
    ) -> Iterator[requests.Response]:
        """Ask, and have what is no answer of an MSA server raised as trouble."""
        with requests.Session() as session:
            session.trust_env = False
            try:
                with session.request(
                    method,
                    f"{self.url.rstrip('/')}/{path}",
                    data=form,
                    headers={"User-Agent": self.agent, **self.credentials()},
                    timeout=(CONNECT_SECONDS, READ_SECONDS),
                    allow_redirects=False,
                    stream=True,
                ) as reply:
                    _refuse_trouble(reply)
                    yield reply
            except requests.RequestException as error:
                raise TroubleError(f"no answer ({_cause(error)})") from error


class _Queue(BaseModel):
    queued: int = Field(ge=0)


def _save(reply: requests.Response, archive: IO[bytes]) -> None:
    """Write a body to a file, within its limits of size and time. Raises AlignmentError."""
    ends, left = time.monotonic() + DOWNLOAD_SECONDS, MAX_ARCHIVE_BYTES
    for chunk in reply.iter_content(CHUNK_BYTES):
        left -= len(chunk)
        if left < 0:
            raise SearchFailedError(f"an archive of more than {MAX_ARCHIVE_BYTES:,} bytes")
        if time.monotonic() > ends:
            raise TroubleError(f"an archive that did not come within {DOWNLOAD_SECONDS:.0f} s")
        archive.write(chunk)


def _refuse_trouble(reply: requests.Response) -> None:
    """Raise TroubleError for a status that says nothing about the question."""
    status = reply.status_code
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise TroubleError("that it is asked too often", RATE_LIMIT_SECONDS * random.uniform(1, 1.5))  # noqa: S311
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise TroubleError(f"status {status}: it does not know the credentials, or has blocked this address")
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        raise TroubleError(f"status {status}: a redirect, which is not followed")
    # 500 for a result is the server's own word for one that it made and cannot read; more is a proxy's.
    unreadable = status == HTTPStatus.INTERNAL_SERVER_ERROR and "result/download" in reply.url
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and not unreadable:
        raise TroubleError(f"status {status}: {words(_content(reply))}")


def _ticket(reply: requests.Response) -> Ticket:
    """Read a reply about a search. Raises TroubleError."""
    content = _content(reply)
    try:
        ticket = Ticket.model_validate_json(content)
    except ValidationError as error:
        raise TroubleError(f"status {reply.status_code} and no ticket: {words(content)}") from error
    if ticket.status == "RATELIMIT":
        raise TroubleError("that it is asked too often", RATE_LIMIT_SECONDS)
    if ticket.status == "MAINTENANCE":
        raise TroubleError("that it is being maintained", MAINTENANCE_SECONDS)
    return ticket


def _content(reply: requests.Response) -> bytes:
    """Return the beginning of a body."""
    return next(reply.iter_content(MAX_REPLY_BYTES), b"")


def _cause(error: requests.RequestException) -> str:
    match error:
        case requests.ConnectTimeout():
            return f"no connection within {CONNECT_SECONDS:.0f} s"
        case requests.Timeout():
            return f"nothing for {READ_SECONDS:.0f} s"
        case requests.exceptions.SSLError():
            return "its certificate is not valid"
        case requests.ConnectionError() if "Name or service not known" in str(error) or "resolve" in str(
            error
        ):
            return "its name is not known"
        case requests.ConnectionError() if "refused" in str(error):
            return "connection refused"
        case _:
            return f"the connection broke: {reason(error)}"
