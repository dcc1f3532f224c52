"""Waiting for an answer within its deadline, while its client is there and the server stays."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

from worker.web.errors import DeadlineExceededError, UnavailableError

T = TypeVar("T")


def shutting_down() -> UnavailableError:
    """Return the error of a process that shuts down: it begins nothing more, and waits for nothing more."""
    return UnavailableError("This instance is leaving.")


class Shutdown:
    """The way out: after ``begin`` nothing new is taken, ``grace`` seconds later all is given up."""

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._over = asyncio.Event()
        self.begun = False

    def begin(self) -> None:
        """Begin to leave; called in the thread of the event loop, also by a signal's handler."""
        if not self.begun:
            self.begun = True
            asyncio.get_running_loop().call_later(self._grace, self._over.set)

    async def over(self) -> None:
        """Wait for the end of the grace."""
        await self._over.wait()


async def until_answered(
    work: Coroutine[Any, Any, T], seconds: float, shutdown: Shutdown, client: Request | None = None
) -> T:
    """Wait for work; what ends before it cancels it. ``client`` is one whose body has been read.

    Raises DeadlineExceededError, UnavailableError, ClientDisconnect, and what the work raises.
    """
    working, over = asyncio.create_task(work), asyncio.create_task(shutdown.over())
    gone = [asyncio.create_task(_gone(client))] if client else []
    tasks = {working, over, *gone}
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        if over.done():
            raise shutting_down()
        raise ClientDisconnect if any(task.done() for task in gone) else DeadlineExceededError
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _gone(client: Request) -> None:
    while (await client.receive())["type"] != "http.disconnect":
        pass
