"""A look at an MSA server: whether it answers, and how much it has to do.

As careful as whoever asks it for alignments: no redirect is followed, no proxy of the environment used, and
nothing is sent but the question for its queue.
"""

from http import HTTPStatus
from urllib.parse import urlsplit

import requests
from pydantic import BaseModel, Field, ValidationError

from schemas.finding import Finding, Outcome

SECONDS = 6.0
MAX_REPLY_BYTES = 64 * 1024
AGENT = "dropfold"


class _Queue(BaseModel):
    queued: int = Field(ge=0)


def queue(url: str) -> Finding:
    """Ask for the length of a server's queue, which only one that is well knows; return the finding."""
    host = urlsplit(url).netloc.rpartition("@")[2]
    with requests.Session() as session:
        session.trust_env = False
        try:
            with session.get(
                f"{url.rstrip('/')}/queue",
                headers={"User-Agent": AGENT},
                timeout=SECONDS,
                allow_redirects=False,
                stream=True,
            ) as reply:
                return _found(host, reply.status_code, next(reply.iter_content(MAX_REPLY_BYTES), b""))
        except requests.Timeout:
            return Finding(Outcome.SILENT, f"nothing from {host} for {SECONDS:.0f} s")
        except requests.RequestException as error:
            return Finding(Outcome.SILENT, f"no connection to {host} ({type(error).__name__})")


def _found(host: str, status: int, content: bytes) -> Finding:
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        detail = f"{host} answers with status {status}: only on_align has the credentials"
        return Finding(Outcome.UNKNOWN, detail)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Finding(Outcome.UNKNOWN, f"{host} answers that it is asked too often")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Finding(Outcome.SILENT, f"{host} answers with status {status}")
    try:
        queued = _Queue.model_validate_json(content).queued
    except ValidationError:
        redirect = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
        what = "a redirect, which is not followed" if redirect else "no length of its queue"
        return Finding(Outcome.MISSING, f"{host} answers with status {status} and {what}")
    return Finding(Outcome.OK, f"{host} answers, {queued} searches queued")
