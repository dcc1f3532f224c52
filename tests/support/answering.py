"""A real HTTP server on 127.0.0.1 that answers as a test says, and keeps the requests."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from support.http_server import Quiet, answered_by


class Asked(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Reply(NamedTuple):
    """An answer; ``headers`` beside the length."""

    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


Answer = Callable[[Asked], Reply]


@dataclass
class Answering:
    """A running server: its address, and all requests in their order."""

    url: str
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def answering(answer: Answer) -> Iterator[Answering]:
    """Serve for a block, each request in a thread of its own."""

    class Handler(Quiet):
        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Asked(self.command, self.path, dict(self.headers.items()), body)
            running.asked.append(request)
            reply = answer(request)
            self.send_response(reply.status)
            for name, value in (*reply.headers, ("Content-Length", str(len(reply.body)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

    running = Answering("")
    with answered_by(Handler) as running.url:
        yield running
