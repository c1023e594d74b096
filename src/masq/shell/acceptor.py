"""Takes connections in, one after the other, and no more than there is room for: the rest wait in the kernel.

An event loop's own server takes all that wait at once, before anybody can say that it is enough: a few hundred are the
last descriptors of a process.
"""

from __future__ import annotations

import asyncio
import socket as sockets
from collections.abc import Callable
from typing import Final

from masq.shell.process import is_scarcity
from masq.shell.turn import Turn

OPENING: Final = 8
"""Connections that are taken in at the same time."""
REST: Final = 0.02
"""Seconds until it is looked again whether there is room."""
BACKLOG: Final = 1_024


class Acceptor:
    """A listening socket. Each connection gets a protocol of its own."""

    def __init__(
        self,
        turn: Turn,
        listener: sockets.socket,
        protocol: Callable[[], asyncio.BaseProtocol],
        room: Callable[[], int],
    ) -> None:
        """`room`: how many connections may come now, those counted that have come already."""
        self._turn = turn
        self._listener = listener
        self._protocol = protocol
        self._room = room
        self._opening = 0
        self._closed = False
        listener.setblocking(False)
        listener.listen(BACKLOG)
        turn.loop.add_reader(listener, self._accept)

    @classmethod
    def at(
        cls, turn: Turn, ip: str, port: int, protocol: Callable[[], asyncio.BaseProtocol], room: Callable[[], int]
    ) -> Acceptor:
        """OSError if nobody can listen there."""
        family = sockets.AF_INET6 if ":" in ip else sockets.AF_INET
        return cls(turn, sockets.create_server((ip, port), family=family, backlog=BACKLOG), protocol, room)

    @property
    def place(self) -> tuple[str, int]:
        """Address and port."""
        name = self._listener.getsockname()
        return str(name[0]), int(name[1])

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._turn.loop.remove_reader(self._listener)
            self._listener.close()

    def _accept(self) -> None:
        while self._opening < min(OPENING, self._room()):
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if not is_scarcity(error):
                    raise
                break
            self._opening += 1
            self._turn.spawn(self._open(connection))
        self._rest()

    async def _open(self, connection: sockets.socket) -> None:
        try:
            await self._turn.loop.connect_accepted_socket(self._protocol, connection)
        except BaseException as error:
            connection.close()
            if not isinstance(error, OSError):  # It is gone already, or there is nothing left to serve it with.
                raise
        finally:
            self._opening -= 1

    def _rest(self) -> None:
        """Leave the others in the kernel for a moment."""
        self._turn.loop.remove_reader(self._listener)
        self._turn.loop.call_later(REST, self._go_on)

    def _go_on(self) -> None:
        if not self._closed:
            self._turn.loop.add_reader(self._listener, self._accept)
