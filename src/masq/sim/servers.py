"""What a Node reaches as an exit: servers, datagrams, look-ups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from masq.core.failure import SERVER, Cause, Failure
from masq.sim.sockets import Sockets
from masq.sim.turn import Turn
from masq.sim.workloads.application import Application

ADDRESS: Final = "192.0.2.1"
"""Where all servers are."""
TIME_TO_LIVE: Final = 60


@dataclass(slots=True)
class Internet:
    """What is there outside the network of Nodes."""

    servers: dict[tuple[str, int], Callable[[], Application]] = field(default_factory=dict)
    """By host and port: the application that meets each connection."""
    datagram_servers: dict[tuple[str, int], Callable[[bytes], list[bytes]]] = field(default_factory=dict)
    """By host and port: the answers to a datagram."""
    names: dict[str, str] = field(default_factory=dict)


class Servers:
    """The way of one Node to the Internet."""

    def __init__(self, turn: Turn, sockets: Sockets, internet: Internet) -> None:
        self._turn = turn
        self._sockets = sockets
        self._internet = internet
        self._bound: dict[int, None] = {}

    def connect(self, socket: int, host: str, port: int) -> None:
        self._turn.after_latency(lambda: self._connect(socket, host, port))

    def _connect(self, socket: int, host: str, port: int) -> None:
        turn = self._turn
        if not turn.alive:
            return
        server = self._internet.servers.get((host, port))
        if server is None:
            failure = Failure(Cause.REFUSED, SERVER, f"{host}:{port} refuses")
            turn.carry(turn.node.connect_failed(socket, failure, turn.now))
            return
        self._sockets.add(socket, server())
        turn.carry(turn.node.connected(socket, ADDRESS, turn.now))

    def resolve(self, socket: int, host: str) -> None:
        turn, names = self._turn, self._internet.names
        known = ((names[host], TIME_TO_LIVE),) if host in names else None
        found = known or Failure(Cause.NOT_RESOLVED, SERVER, "no such host")
        turn.after_latency(lambda: turn.carry(turn.node.resolved(socket, found, turn.now)))

    def bind(self, socket: int) -> None:
        turn = self._turn
        self._bound[socket] = None
        turn.after_latency(lambda: turn.carry(turn.node.connected(socket, "", turn.now)))

    def send_datagram(self, socket: int, host: str, port: int, data: bytes) -> None:
        server = self._internet.datagram_servers.get((host, port))
        if socket in self._bound and server is not None:
            for answer in server(data):
                self._answer(socket, port, answer)

    def _answer(self, socket: int, port: int, data: bytes) -> None:
        turn = self._turn
        turn.after_latency(lambda: turn.carry(turn.node.datagram_received(socket, ADDRESS, port, data, turn.now)))

    def close_datagrams(self, socket: int) -> None:
        self._bound.pop(socket, None)
