"""An application behind a real HTTP server on 127.0.0.1, in a thread of this process."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from local.processes import free_ports

ENDS_SECONDS = 20


class Served:
    """A server that runs; ``call`` does something in the thread of its event loop."""

    def __init__(self, app: FastAPI) -> None:
        [self.port] = free_ports(1)
        self._app = app
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(self, action: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(action)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(ENDS_SECONDS)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(ENDS_SECONDS)
        assert not self._thread.is_alive()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        config = uvicorn.Config(
            self._app, host="127.0.0.1", port=self.port, log_config=None, timeout_graceful_shutdown=5
        )
        self._server = uvicorn.Server(config)
        serving = asyncio.create_task(self._server.serve())
        while not self._server.started and not serving.done():
            await asyncio.sleep(0.01)
        self._ready.set()
        await serving


@contextmanager
def serving(app: FastAPI) -> Iterator[Served]:
    """Serve an app for a block."""
    served = Served(app)
    served.start()
    try:
        yield served
    finally:
        served.stop()
