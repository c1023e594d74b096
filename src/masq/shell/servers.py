"""The exit's side: names looked up, what the exit policy allows connected to, datagrams sent."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Final

from masq.core.failure import SERVER, Cause, Failure, FailureError
from masq.shell.datagrams import ExitSocket
from masq.shell.journal import Journal
from masq.shell.process import is_scarcity
from masq.shell.resolve import Resolver, refusal
from masq.shell.streams import Reader, StreamConnection
from masq.wire.circuit import Addresses

CONNECT_TIMEOUT: Final = 5.0
MAX_TRIED: Final = 4
"""Addresses of one host that are tried."""


class Servers:
    """What an exit does for others on the Internet. What comes of it goes into the Node."""

    def __init__(
        self,
        reader: Reader,
        journal: Journal,
        resolver: Resolver,
        own_addresses: Sequence[str],
        allow_private: bool,
    ) -> None:
        self._reader = reader
        self._turn = reader.turn
        self._journal = journal
        self._resolver = resolver
        self._own = tuple(own_addresses)
        self._allow_private = allow_private
        self._datagrams: dict[int, ExitSocket] = {}

    def connect(self, socket: int, host: str, port: int) -> None:
        """Connect to a server: `Node.connected` or `connect_failed` tells of it."""
        self._turn.spawn(self._connect(socket, host, port))

    def bind(self, socket: int) -> None:
        """Open a socket for datagrams: told of in the same way."""
        self._turn.spawn(self._bind(socket))

    def resolve(self, socket: int, host: str) -> None:
        """Look a host up: `Node.resolved` tells of it."""
        self._turn.spawn(self._resolve(socket, host))

    def send_datagram(self, socket: int, host: str, port: int, data: bytes) -> None:
        datagrams = self._datagrams.get(socket)
        if datagrams is None:
            return
        address = datagrams.known(host)
        if address:
            datagrams.send(address, port, data)
        elif address is None and datagrams.wait(host, port, data):
            self._turn.spawn(self._learn(datagrams, host))

    def close_datagrams(self, socket: int) -> None:
        datagrams = self._datagrams.pop(socket, None)
        if datagrams is not None:
            datagrams.close()

    def close(self) -> None:
        for datagrams in self._datagrams.values():
            datagrams.close()

    # --- inside ---

    async def _connect(self, socket: int, host: str, port: int) -> None:
        turn = self._turn
        try:
            allowed = await self._allowed(host)
            if not 0 < port < 65536:
                raise FailureError(Failure(Cause.NOT_CONNECTED, SERVER, f"{port} is no port"))
            address = await self._connect_first(socket, allowed, port)
        except FailureError as error:
            turn.carry(turn.node.connect_failed(socket, error.failure, turn.now))
            return
        turn.carry(turn.node.connected(socket, address, turn.now))

    async def _allowed(self, host: str) -> list[str]:
        """The addresses of a host that may be served. FailureError says why there are none."""
        addresses = await self._resolver.addresses(host)
        refusals = [refusal(address, self._own, self._allow_private) for address in addresses]
        allowed = [address for address, why in zip(addresses, refusals, strict=True) if why is None]
        if not allowed:
            raise FailureError(Failure(Cause.POLICY, SERVER, next(why for why in refusals if why)))
        return allowed

    async def _connect_first(self, socket: int, addresses: list[str], port: int) -> str:
        problem = Failure(Cause.NOT_CONNECTED)
        for address in addresses[:MAX_TRIED]:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT):
                    await self._turn.loop.create_connection(
                        lambda: StreamConnection(self._reader, socket), address, port
                    )
                return address
            except (OSError, TimeoutError) as error:
                words = os.strerror(error.errno) if error.errno else "no answer"
                cause = Cause.REFUSED if isinstance(error, ConnectionRefusedError) else Cause.NOT_CONNECTED
                if is_scarcity(error):
                    raise FailureError(Failure(Cause.OVERLOADED, detail=f"no socket to a server: {words}")) from error
                problem = Failure(cause, SERVER, f"could not connect to {address}:{port}: {words}")
        raise FailureError(problem)

    async def _bind(self, socket: int) -> None:
        turn = self._turn

        def deliver(host: str, port: int, data: bytes) -> None:
            turn.carry(turn.node.datagram_received(socket, host, port, data, turn.now))

        try:
            self._datagrams[socket] = await ExitSocket.open(deliver)
        except FailureError as error:
            turn.carry(turn.node.connect_failed(socket, error.failure, turn.now))
            return
        turn.carry(turn.node.connected(socket, "", turn.now))

    async def _learn(self, datagrams: ExitSocket, host: str) -> None:
        try:
            datagrams.learn(host, (await self._allowed(host))[0])
        except FailureError as error:
            datagrams.learn(host, "")
            self._journal.note("info", "exit_refused", str(error))

    async def _resolve(self, socket: int, host: str) -> None:
        turn = self._turn
        found: Addresses | Failure
        try:
            addresses = await self._resolver.look_up(host)
            # What this machine's network calls its own is nobody else's concern.
            found = tuple(pair for pair in addresses if refusal(pair[0], self._own, self._allow_private) is None)
            found = found or Failure(Cause.POLICY, SERVER, f"exit policy: {host} is not on the public Internet")
        except FailureError as error:
            found = error.failure
        turn.carry(turn.node.resolved(socket, found, turn.now))
