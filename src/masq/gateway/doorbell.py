"""The port of a window that nobody has looked through yet: the server is loaded when somebody comes.

aiohttp's server costs a start 0.1 s and each Node some MB: most Nodes are never looked at.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

HOST: Final = "127.0.0.1"
BACKLOG: Final = 32


class Closable(Protocol):
    """What was started."""

    async def close(self) -> None: ...


class Doorbell:
    """Listens, and has `answer` serve at the socket from the first connection on."""

    def __init__(self, listener: socket.socket, answer: Callable[[socket.socket], Awaitable[Closable]]) -> None:
        self._listener = listener
        self._answer = answer
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[Closable] | None = None
        self._loop.add_reader(listener.fileno(), self._ring)

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def _ring(self) -> None:
        self._loop.remove_reader(self._listener.fileno())
        self._task = self._loop.create_task(self._come())

    async def _come(self) -> Closable:
        return await self._answer(self._listener)

    async def close(self) -> None:
        """Serve no longer."""
        if self._task is None:
            self._loop.remove_reader(self._listener.fileno())
        else:
            try:
                await (await self._task).close()
            except OSError:
                pass
        self._listener.close()


def listen(port: int) -> socket.socket:
    """A socket that listens, for this machine alone; port 0: any free one. OSError if it can't."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
