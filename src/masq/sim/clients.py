"""What a Node's own user does with it: connections, datagrams, look-ups."""

from __future__ import annotations

from masq.core.failure import Failure
from masq.sim.sockets import Sockets
from masq.sim.turn import Turn
from masq.sim.workloads.application import Application
from masq.wire.circuit import Addresses


class Clients:
    """The user of one Node. UnavailableError if it can't have what it asks for."""

    def __init__(self, turn: Turn, sockets: Sockets) -> None:
        self._turn = turn
        self._sockets = sockets
        self.resolutions: dict[int, Addresses | Failure] = {}
        """Answers to look-ups."""
        self.datagrams: dict[int, list[tuple[str, int, bytes]]] = {}
        """Datagrams that came: host, port, data."""

    def open(self, application: Application, host: str, port: int, group: str) -> None:
        turn = self._turn
        socket, effects = turn.node.open(host, port, group, turn.now)
        self._sockets.add(socket, application)
        turn.carry(effects)

    def open_datagrams(self, group: str) -> int:
        turn = self._turn
        socket, effects = turn.node.open_datagrams(group, turn.now)
        self.datagrams[socket] = []
        turn.carry(effects)
        return socket

    def datagram(self, socket: int, host: str, port: int, data: bytes) -> None:
        turn = self._turn
        turn.carry(turn.node.datagram_received(socket, host, port, data, turn.now))

    def resolve(self, host: str, group: str) -> int:
        turn = self._turn
        socket, effects = turn.node.resolve(host, group, turn.now)
        turn.carry(effects)
        return socket

    def send_datagram(self, socket: int, host: str, port: int, data: bytes) -> None:
        if socket in self.datagrams:
            self.datagrams[socket].append((host, port, data))

    def resolved(self, socket: int, found: Addresses | Failure) -> None:
        self.resolutions[socket] = found
