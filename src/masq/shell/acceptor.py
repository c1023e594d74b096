"""Takes connections in, and no more than there is room for: the rest wait in the kernel.

An event loop's own server takes all that wait at once, before anybody can say that it is enough: a few hundred are the
last descriptors of a process. It takes half the time, though, so it is used while there is plenty of room.
"""

from __future__ import annotations

import asyncio
import socket as sockets
from collections.abc import Callable
from typing import Final

from masq.shell.process import is_scarcity
from masq.shell.turn import Turn

OPENING: Final = 8
"""Connections that are taken in at the same time, where room is scarce."""
REST: Final = 0.02
"""Seconds until it is looked again whether there is room."""
BACKLOG: Final = 1_024
"""Connections that wait in the kernel, which the loop may take all at once."""
PLENTY: Final = 2 * BACKLOG
"""Room below which the loop takes none: so many may have come and not be counted yet, and as many come next."""
AMPLE: Final = 3 * BACKLOG
"""Room from which on it does again."""

Protocol = Callable[[], asyncio.BaseProtocol]


def listener_at(ip: str, port: int) -> sockets.socket:
    """A socket that listens there; port 0: at any free one. OSError if nobody can."""
    family = sockets.AF_INET6 if ":" in ip else sockets.AF_INET
    return sockets.create_server((ip, port), family=family, backlog=BACKLOG)


class Acceptor:
    """A listening socket. Each connection gets a protocol of its own."""

    def __init__(self, turn: Turn, listener: sockets.socket, protocol: Protocol, room: Callable[[], int]) -> None:
        """`room`: how many connections may come now, those counted that have come already."""
        self._turn = turn
        self._listener = listener
        self._protocol = protocol
        self._room = room
        self._opening = 0
        self._closed = False
        self._server: asyncio.Server | None = None
        """The loop's own, while there is plenty of room. It has the same socket under another descriptor."""

    async def start(self) -> Acceptor:
        self._listener.setblocking(False)
        self._listener.listen(BACKLOG)
        if self._room() >= AMPLE:
            await self._take_all()
        else:
            self._go_on()
        return self

    @property
    def place(self) -> tuple[str, int]:
        """Address and port."""
        name = self._listener.getsockname()
        return str(name[0]), int(name[1])

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._server is not None:
            self._server.close()
        self._turn.loop.remove_reader(self._listener)
        self._listener.close()

    # --- plenty of room ---

    async def _take_all(self) -> None:
        try:
            server = await self._turn.loop.create_server(self._taken, sock=self._listener.dup(), backlog=BACKLOG)
        except OSError:  # No descriptor is left for it.
            self._go_on()
            return
        if self._closed:
            server.close()
        else:
            self._server = server

    def _taken(self) -> asyncio.BaseProtocol:
        if self._server is not None and self._room() < PLENTY:
            # Not at once, as the loop is at it.
            self._turn.loop.call_soon(self._become_careful, self._server)
            self._server = None
        return self._protocol()

    def _become_careful(self, server: asyncio.Server) -> None:
        server.close()
        self._go_on()

    # --- one after the other ---

    def _go_on(self) -> None:
        if not self._closed:
            self._turn.loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        """One of those that wait; the loop calls again if there are more."""
        room = self._room()
        if room >= AMPLE:
            self._turn.loop.remove_reader(self._listener)
            self._turn.spawn(self._take_all())
            return
        if room <= self._opening:
            self._rest(REST)
            return
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            if not is_scarcity(error):
                raise
            self._rest(REST)
            return
        self._opening += 1
        self._turn.spawn(self._open(connection))
        if self._opening == OPENING:
            self._rest(0)

    async def _open(self, connection: sockets.socket) -> None:
        try:
            await self._turn.loop.connect_accepted_socket(self._protocol, connection)
        except BaseException as error:
            connection.close()
            if not isinstance(error, OSError):  # It is gone already, or there is nothing left to serve it with.
                raise
        finally:
            self._opening -= 1

    def _rest(self, seconds: float) -> None:
        """Leave the others in the kernel for a moment."""
        self._turn.loop.remove_reader(self._listener)
        self._turn.loop.call_later(seconds, self._go_on)
