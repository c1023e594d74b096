"""All connections of a Node's clients and to servers, by the ids that the Node knows them by."""

from __future__ import annotations

from collections.abc import Iterator

from masq.core.failure import Failure
from masq.sim.connection import Connection
from masq.sim.turn import Turn
from masq.sim.workloads.application import Application


class Sockets:
    """The sockets of one Node."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._connections: dict[int, Connection] = {}

    def __len__(self) -> int:
        return len(self._connections)

    def __iter__(self) -> Iterator[int]:
        return iter(self._connections)

    def add(self, socket: int, application: Application) -> None:
        """From now on an application is at the other end; it may speak at once."""
        connection = Connection(self._turn, socket, application, self._connections.pop)
        self._connections[socket] = connection
        connection.begin()

    def write(self, socket: int, data: bytes | memoryview) -> None:
        connection = self._connections.get(socket)
        if connection is not None:
            connection.write(bytes(data))

    def end(self, socket: int) -> None:
        connection = self._connections.get(socket)
        if connection is not None:
            connection.end()

    def close(self, socket: int, failure: Failure | None) -> None:
        connection = self._connections.get(socket)
        if connection is not None:
            connection.close(failure)

    def set_reading(self, socket: int, on: bool) -> None:
        connection = self._connections.get(socket)
        if connection is not None:
            connection.set_reading(on)

    def waiting(self) -> int:
        """Bytes that applications have ready and that are not read: back-pressure has reached them."""
        return sum(connection.waiting for connection in self._connections.values())

    def unread(self) -> list[int]:
        """Bytes that wait at each socket for its application to read."""
        return [connection.unread for connection in self._connections.values()]
