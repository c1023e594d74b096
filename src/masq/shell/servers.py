"""The exit's side: names looked up, what the exit policy allows connected to, datagrams sent."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Final

from masq.core.failure import SERVER, Cause, Failure, FailureError
from masq.shell.connection import Connection, Piece, go_far, is_far
from masq.shell.datagrams import ExitSocket, Lent
from masq.shell.exit_policy import ExitPolicy
from masq.shell.journal import Journal
from masq.shell.look_ups import LookUps
from masq.shell.process import is_scarcity
from masq.shell.resolve import literal_of
from masq.shell.streams import Reader, StreamConnection
from masq.types import Address
from masq.wire.circuit import Addresses

CONNECT_TIMEOUT: Final = 5.0
MAX_TRIED: Final = 4
"""Addresses of one host that are tried."""
LAST_PORT: Final = 65_535


class ServerConnection(StreamConnection):
    """A connection to a server. One that ends at this machine, however it is called, comes to nothing."""

    def __init__(self, reader: Reader, socket: int, may_be_own: bool, tell: Callable[[], None]) -> None:
        """`tell` is called once it stands."""
        super().__init__(reader, socket)
        self._may_be_own = may_be_own
        self._tell = tell
        self.is_own = False
        self._wanted = True
        """Whether the Node wants to read it."""
        self._held = False
        """Whether it waits until more may be read: by the operator's rate."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self._may_be_own:
            own, peer = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
            if own and peer and own[0] == peer[0]:
                self.is_own = True
                Connection.connection_made(self, transport)
                self.transport.abort()
                return
        super().connection_made(transport)
        if is_far(self.raw):
            go_far(self.raw)
        self._tell()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._reader.buffer[: self._turn.traffic.piece]

    def buffer_updated(self, nbytes: int) -> None:
        turn = self._turn
        wait = turn.traffic.read(nbytes, turn.now)
        super().buffer_updated(nbytes)
        if wait and not self.transport.is_closing():
            self._held = True
            self.transport.pause_reading()
            turn.loop.call_later(wait, self._release)

    def _release(self) -> None:
        self._held = False
        if self._wanted:
            super().set_reading(True)

    def set_reading(self, on: bool) -> None:
        self._wanted = on
        if not (on and self._held):
            super().set_reading(on)

    def write(self, pieces: Sequence[Piece]) -> None:
        self._turn.traffic.sent += sum(map(len, pieces))
        super().write(pieces)


class Servers:
    """What an exit does for others on the Internet. What comes of it goes into the Node."""

    def __init__(self, reader: Reader, journal: Journal, look_ups: LookUps, policy: ExitPolicy) -> None:
        self._reader = reader
        self._turn = reader.turn
        self._journal = journal
        self._look_ups = look_ups
        self._policy = policy
        self._under_way: dict[int, asyncio.Task[None]] = {}
        """By socket: what goes on until the Node is told of it."""
        self._datagrams: dict[int, ExitSocket] = {}
        self._lent = Lent()

    def judge_by(self, policy: ExitPolicy) -> None:
        """Another exit policy, for what is asked for from now on."""
        self._policy = policy

    def connect(self, socket: int, host: str, port: int, payer: Address | None) -> None:
        """Connect to a server: `Node.connected` or `connect_failed` tells of it."""
        self._begin(socket, self._connect(socket, host, port, payer))

    def bind(self, socket: int, payer: Address | None) -> None:
        """Open a socket for datagrams: told of in the same way."""
        self._begin(socket, self._bind(socket, payer))

    def resolve(self, socket: int, host: str, payer: Address | None, paid: bool = True) -> None:
        """Look a host up: `Node.resolved` tells of it."""
        self._begin(socket, self._resolve(socket, host, payer, paid))

    def send_datagram(self, socket: int, host: str, port: int, data: bytes) -> None:
        """Send a datagram, once its host is known. While one waits for that, the socket is congested."""
        datagrams = self._datagrams.get(socket)
        if datagrams is None:
            return
        target = datagrams.target(host, port)
        literal = literal_of(host) if target is None else None
        if literal is not None:
            target = self._judge([literal], host, port)
            datagrams.remember(host, port, target)
        if target is not None:
            if target:
                datagrams.send(target, port, data)
            return
        if datagrams.wait(host, port, data):
            self._turn.spawn(self._learn(socket, datagrams, host))
        if datagrams.waits:
            self._turn.node.socket_congested(socket)

    def close_socket(self, socket: int) -> None:
        """Nobody wants to hear of it any more."""
        task = self._under_way.pop(socket, None)
        if task is not None:
            task.cancel()
        datagrams = self._datagrams.pop(socket, None)
        if datagrams is not None:
            datagrams.close()

    def close(self) -> None:
        self._look_ups.close()
        for datagrams in self._datagrams.values():
            datagrams.close()

    # --- inside ---

    def _begin(self, socket: int, work: Coroutine[None, None, None]) -> None:
        task = self._turn.spawn(work)
        self._under_way[socket] = task
        task.add_done_callback(lambda _: self._over(socket))

    def _over(self, socket: int) -> None:
        """Nothing is under way for it any more: what is told next may close it, and must not end who tells."""
        self._under_way.pop(socket, None)

    async def _connect(self, socket: int, host: str, port: int, payer: Address | None) -> None:
        turn = self._turn
        try:
            if not 0 < port <= LAST_PORT:
                raise FailureError(Failure(Cause.NOT_CONNECTED, SERVER, f"{port} is no port"))
            await self._connect_first(socket, await self._allowed(host, port, payer), port)
        except FailureError as error:
            self._over(socket)
            turn.carry(turn.node.connect_failed(socket, error.failure, turn.now))

    def _connected(self, socket: int, address: str) -> None:
        """A server is reached. The Node hears of it at once, not when the event loop comes back to who waits for it."""
        self._over(socket)
        turn = self._turn
        turn.carry(turn.node.connected(socket, address, turn.now))

    async def _allowed(self, host: str, port: int, payer: Address | None) -> list[str]:
        """The addresses of a host that may be served. FailureError says why there are none."""
        refusal = self._policy.refusal_of_port(port)
        if refusal is not None:
            raise FailureError(Failure(Cause.POLICY, SERVER, refusal))
        addresses = await self._look_ups.addresses(host, payer)
        refusals = [self._policy.refusal(address, port) for address in addresses]
        allowed = [address for address, why in zip(addresses, refusals, strict=True) if why is None]
        if not allowed:
            raise FailureError(Failure(Cause.POLICY, SERVER, next(why for why in refusals if why)))
        return allowed

    async def _connect_first(self, socket: int, addresses: list[str], port: int) -> None:
        """Connect to the first of these addresses that takes it. FailureError says why the last one didn't."""
        problem = Failure(Cause.NOT_CONNECTED)
        for address in addresses[:MAX_TRIED]:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT):
                    tell = partial(self._connected, socket, address)
                    made = partial(ServerConnection, self._reader, socket, self._policy.allows_private, tell)
                    _, connection = await self._turn.loop.create_connection(made, address, port)
            except (OSError, TimeoutError) as error:
                words = os.strerror(error.errno) if error.errno else "no answer"
                cause = Cause.REFUSED if isinstance(error, ConnectionRefusedError) else Cause.NOT_CONNECTED
                if is_scarcity(error):
                    raise FailureError(Failure(Cause.OVERLOADED, detail=f"no socket to a server: {words}")) from error
                problem = Failure(cause, SERVER, f"could not connect to {address}:{port}: {words}")
                continue
            if not connection.is_own:
                return
            problem = Failure(Cause.POLICY, SERVER, f"exit policy: {address} is the exit itself")
        raise FailureError(problem)

    async def _bind(self, socket: int, payer: Address | None) -> None:
        turn = self._turn

        def deliver(host: str, port: int, data: bytes) -> None:
            turn.carry(turn.node.datagram_received(socket, host, port, data, turn.now))

        datagrams = ExitSocket(payer, self._lent, deliver)
        try:
            await datagrams.open()
        except FailureError as error:
            self._over(socket)
            turn.carry(turn.node.connect_failed(socket, error.failure, turn.now))
            return
        self._over(socket)
        self._datagrams[socket] = datagrams
        turn.carry(turn.node.connected(socket, "", turn.now))

    async def _learn(self, socket: int, datagrams: ExitSocket, host: str) -> None:
        addresses: list[str] = []
        try:
            addresses = await self._look_ups.addresses(host, datagrams.payer)
        except FailureError as error:
            self._journal.note("info", "exit_refused", str(error))
        datagrams.learn(host, lambda host, port: self._judge(addresses, host, port))
        if not datagrams.waits:
            turn = self._turn
            turn.carry(turn.node.socket_drained(socket, turn.now))

    def _judge(self, addresses: list[str], host: str, port: int) -> str:
        """The first of these addresses that datagrams to this port may go to; empty if there is none."""
        why: str | None = None
        for address in addresses:
            why = self._policy.refusal(address, port)
            if why is None:
                return address
        if why is not None:
            self._journal.note("info", "exit_refused", f"datagrams to {host}: {why}")
        return ""

    async def _resolve(self, socket: int, host: str, payer: Address | None, paid: bool) -> None:
        turn = self._turn
        found: Addresses | Failure
        try:
            addresses = await self._look_ups.look_up(host, payer, paid)
            # What this machine's network calls its own is nobody else's concern.
            refusals = [self._policy.refusal(address) for address, _ in addresses]
            found = tuple(pair for pair, why in zip(addresses, refusals, strict=True) if why is None)
            found = found or Failure(Cause.POLICY, SERVER, next(why for why in refusals if why))
        except FailureError as error:
            found = error.failure
        self._over(socket)
        turn.carry(turn.node.resolved(socket, found, turn.now))
