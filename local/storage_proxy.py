"""A proxy for ``gcloud storage``: answers the one request that fake-gcs-server does not know.

``gcloud storage cp -r`` first asks for the bucket's ``storageLayout``. All else is forwarded to
fake-gcs-server; other clients go there themselves.
"""

import argparse
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import partial
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase

CHUNK_BYTES = 2**16
TIMEOUT_SECONDS = 120
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "host"}


class Door(BaseHTTPRequestHandler):
    """One request: answered here if it is about a layout, else forwarded to ``upstream`` chunk by chunk."""

    def __init__(self, upstream: str, *arguments: object) -> None:
        self.upstream = upstream
        super().__init__(*arguments)  # type: ignore[arg-type]  # socketserver's own three arguments

    def answer(self) -> None:
        """Serve any method; the connection is closed after it, which also ends a body of unknown length."""
        if self.path.partition("?")[0].endswith("/storageLayout"):
            self._layout()
        elif "transfer-encoding" in self.headers:
            self.send_error(411, "Send a Content-Length: bodies of unknown length are not forwarded.")
        else:
            with closing(HTTPConnection(self.upstream, timeout=TIMEOUT_SECONDS)) as connection:
                self._forward(connection)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = answer  # noqa: N815  # names that the base calls

    def _layout(self) -> None:
        body = json.dumps({"kind": "storage#storageLayout", "hierarchicalNamespace": {"enabled": False}})
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(body.encode())

    def _forward(self, connection: HTTPConnection) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = _chunks(self.rfile, length) if length else None
        connection.request(self.command, self.path, body, _end_to_end(self.headers.items()))
        response = connection.getresponse()
        self.log_request(response.status)
        self.send_response_only(response.status, response.reason)
        for name, value in _end_to_end(response.getheaders()).items():
            self.send_header(name, value)
        self.end_headers()
        shutil.copyfileobj(response, self.wfile)


def _end_to_end(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name: value for name, value in headers if name.lower() not in HOP_BY_HOP}


def _chunks(file: BufferedIOBase, length: int) -> Iterator[bytes]:
    while length and (chunk := file.read(min(length, CHUNK_BYTES))):
        length -= len(chunk)
        yield chunk


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port to listen on, on 127.0.0.1")
    parser.add_argument("--upstream", required=True, help="host:port of fake-gcs-server")
    options = parser.parse_args()
    ThreadingHTTPServer(("127.0.0.1", options.port), partial(Door, options.upstream)).serve_forever()


if __name__ == "__main__":
    main()
