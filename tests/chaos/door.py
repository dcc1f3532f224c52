"""A door before an emulator: what passes it can be refused, cut off or held up for a while."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from local.processes import free_ports

Trouble = Literal["refused", "cut", "stalled"]
PIECE = 65536
LINGER_NOT = struct.pack("ii", 1, 0)
"""Close with a reset."""


class Door:
    """Listens on ``port`` of 127.0.0.1 and passes connections on to another, unless there is trouble."""

    def __init__(self, to: int) -> None:
        [self.port] = free_ports(1)
        self._to = to
        self._open: set[socket.socket] = set()
        self._flowing = threading.Event()
        self._flowing.set()
        self._cutting = False
        self._listener = self._listen()

    @contextmanager
    def trouble(self, kind: Trouble) -> Iterator[None]:
        """Refuse connections, cut them off, or let nothing through on them, while the block runs.

        Refused and cut off are the connections that there are, too.
        """
        begin, end = self._troubles(kind)
        begin()
        try:
            yield
        finally:
            end()

    def close(self) -> None:
        """Close for good."""
        self._shut()

    def _troubles(self, kind: Trouble) -> tuple[Callable[[], None], Callable[[], None]]:
        match kind:
            case "refused":
                return self._shut, self._reopen
            case "cut":
                return self._begin_to_cut, self._cease_to_cut
            case "stalled":
                return self._flowing.clear, self._flowing.set

    def _shut(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._reset_all()

    def _reopen(self) -> None:
        self._listener = self._listen()

    def _begin_to_cut(self) -> None:
        self._cutting = True
        self._reset_all()

    def _cease_to_cut(self) -> None:
        self._cutting = False

    def _listen(self) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it was closed
            while True:
                near, _ = listener.accept()
                self._pass_on(near)

    def _pass_on(self, near: socket.socket) -> None:
        if self._cutting:
            _reset(near)
            return
        far = socket.create_connection(("127.0.0.1", self._to))
        self._open |= {near, far}
        for source, target in ((near, far), (far, near)):
            threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(PIECE):
                self._flowing.wait()
                target.sendall(piece)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            self._open.discard(end)

    def _reset_all(self) -> None:
        for end in list(self._open):
            _reset(end)
        self._open.clear()


def _reset(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        end.shutdown(socket.SHUT_RDWR)
    end.close()
