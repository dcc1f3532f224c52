"""HTTP servers in a thread of the test, for what a client of the product talks to."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Quiet(BaseHTTPRequestHandler):
    """Answers each request by ``respond``, whatever its method, and logs nothing."""

    def respond(self) -> None:
        """Answer a request."""
        raise NotImplementedError

    def do_GET(self) -> None:
        """Answer what is asked for."""
        self.respond()

    def do_POST(self) -> None:
        """Answer what is brought."""
        self.respond()

    def answer(self, status: int, body: bytes = b"", kind: str = "application/json") -> None:
        """Answer with a whole body."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def answered_by(handler: type[Quiet], port: int = 0) -> Iterator[str]:
    """Have requests answered while the block runs, each in a thread; yield the address."""
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
