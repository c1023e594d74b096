"""The asyncio driver: gives a Node its sockets and clock, and carries out what it wants done."""

from __future__ import annotations

import asyncio
import math
import os
import socket as sockets
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from masq.core.accountant.effects import AccountantEffect
from masq.core.effects import (
    Accepted,
    Bind,
    CloseLink,
    CloseSocket,
    Connect,
    Dial,
    EndSocket,
    Log,
    Reading,
    Resolve,
    Resolved,
    SaveConfig,
    SendDatagram,
    WriteLink,
    WriteSocket,
)
from masq.core.failure import CLIENT, SERVER, Cause, Failure, FailureError
from masq.core.node import Node, NodeEffect
from masq.errors import LocalError
from masq.shell.connections import ClientConnection, Connection, LinkConnection, StreamConnection
from masq.shell.datagrams import Association, Deliver, ExitSocket
from masq.shell.log import log
from masq.shell.resolve import Resolver, refusal
from masq.types import Endpoint
from masq.wire.circuit import MAX_DATA, Addresses
from masq.wire.proxy import Command, Target, socks_reply

DIAL_TIMEOUT: Final = 5.0
LINK_BUFFER: Final = 512 * 1024
STREAM_PIECES: Final = 2
"""Cells, or packages, of a stream that are read at once."""
SHARING: Final = 128
"""Bytes of a cell that a full read of a stream leaves to other messages."""
FAILURES: Final = 32
"""Failures of the user's streams that are remembered for `status`."""
ASK_AFTER: Final = 0.01
"""Seconds after which what has happened may set an earlier alarm."""
LOG_EVERY: Final = 10.0
"""Seconds in which log lines of one kind are counted rather than written, after the first few."""
LOG_BURST: Final = 5


class Money(Protocol):
    """Carries out what the Accountant wants: saving books, and talking to the chain."""

    def perform(self, effect: AccountantEffect) -> None: ...

    def save_config(self, name: str, value: str) -> None: ...


class Driver:
    """One Node on one event loop. Every callback ends in `carry`, so the Node is never entered twice."""

    def __init__(
        self,
        node: Node,
        money: Money,
        *,
        bind_ip: str | None,
        resolver: Resolver,
        own_addresses: Sequence[str],
        allow_private: bool,
        package_data: int,
        answer_early: bool,
        fail: Callable[[LocalError], None],
    ) -> None:
        """`fail` is called with what makes going on impossible, such as a full disk."""
        self.node = node
        self._money = money
        self._bind_ip = bind_ip
        self._resolver = resolver
        self._own = tuple(own_addresses)
        self._allow_private = allow_private
        self.answer_early = answer_early
        self._fail = fail
        self._loop = asyncio.get_running_loop()
        self._links: dict[int, LinkConnection] = {}
        self._sockets: dict[int, StreamConnection] = {}
        self._datagrams: dict[int, ExitSocket | Association] = {}
        self._look_ups: dict[int, asyncio.Future[Addresses | Failure]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._asking = False
        self._stopped = False
        self._logged: dict[str, tuple[float, int]] = {}
        self._flusher: asyncio.Handle | None = None
        self._flush_at = math.inf
        self.failures: deque[tuple[float, str, Failure]] = deque(maxlen=FAILURES)
        """When, for which target, and why."""
        self.link_view = memoryview(bytearray(LINK_BUFFER))
        """What all links read into."""
        self._piece = min(package_data, MAX_DATA - SHARING)
        """Bytes of a stream that go into one cell or package."""
        self.stream_view = memoryview(bytearray(STREAM_PIECES * self._piece))
        """What all streams read into."""

    @property
    def now(self) -> float:
        return self._loop.time()

    def start(self) -> None:
        self.carry(self.node.start(self.now))

    async def stop(self) -> None:
        """Close everything, at once."""
        self._stopped = True
        if self._timer:
            self._timer.cancel()
        for task in list(self._tasks):
            task.cancel()
        for link in self._links.values():
            link.transport.close()
        for stream in self._sockets.values():
            stream.transport.close()
        for datagrams in self._datagrams.values():
            datagrams.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)

    # --- effects ---

    def carry(self, effects: Sequence[NodeEffect]) -> None:
        """Carry out effects in their order, then see when the Node wants to be woken.

        What goes to one connection is gathered, and written at once.
        """
        if self._stopped:
            return
        gathered: list[Connection] = []
        try:
            for effect in effects:
                if isinstance(effect, WriteLink):
                    link = self._links.get(effect.link)
                    if link is not None and link.gather(effect.data):
                        gathered.append(link)
                elif isinstance(effect, WriteSocket):
                    stream = self._sockets.get(effect.socket)
                    if stream is not None and stream.gather(effect.data):
                        gathered.append(stream)
                else:
                    self._perform(effect)
        except LocalError as error:
            self._fail(error)
            return
        for connection in gathered:
            connection.flush()
        due = self.node.flush_due
        if due < self._flush_at:
            self._flush_later(due)
        if not self._asking:
            # Asking the Node when to wake it costs more than a cell: so it is asked a few milliseconds after the
            # first of many inputs, not after each.
            self._asking = True
            self._loop.call_later(ASK_AFTER, self._ask_when)

    def _flush_later(self, due: float) -> None:
        """What is due now waits until all that the event loop has to tell has been told."""
        if self._flusher is not None:
            self._flusher.cancel()
        now = self.now
        self._flush_at = due
        self._flusher = (
            self._loop.call_soon(self._flush) if due <= now else self._loop.call_later(due - now, self._flush)
        )

    def _flush(self) -> None:
        self._flusher, self._flush_at = None, math.inf
        if not self._stopped:
            self.carry(self.node.flush(self.now))

    def _perform(self, effect: NodeEffect) -> None:
        match effect:
            case Reading(socket, on):
                stream = self._sockets.get(socket)
                if stream is not None:
                    stream.set_reading(on)
            case EndSocket(socket):
                stream = self._sockets.get(socket)
                if stream is not None:
                    stream.end()
            case CloseSocket(socket, failure):
                stream = self._sockets.pop(socket, None)
                if stream is not None:
                    stream.finish(failure)
                elif (datagrams := self._datagrams.pop(socket, None)) is not None:
                    datagrams.close()
            case Accepted(socket):
                stream = self._sockets.get(socket)
                if stream is not None:
                    stream.accept()
            case Connect(socket, host, port):
                self.spawn(self._connect(socket, host, port))
            case SendDatagram(socket, host, port, data):
                self._send_datagram(socket, host, port, data)
            case Bind(socket):
                self.spawn(self._bind(socket))
            case Resolve(socket, host):
                self.spawn(self._resolve(socket, host))
            case Resolved(socket, found):
                asking = self._look_ups.pop(socket, None)
                if asking is not None and not asking.done():
                    asking.set_result(found)
            case Dial(link, endpoint):
                self.spawn(self._dial(link, endpoint))
            case CloseLink(link):
                connection = self._links.pop(link, None)
                if connection is not None:
                    connection.close()
            case SaveConfig(name, value):
                self._money.save_config(name, value)
            case Log(level, event, detail):
                self.tell(level, event, detail)
            case WriteLink() | WriteSocket():
                pass  # Gathered by `carry`.
            case _:
                self._money.perform(effect)

    def failed(self, event: str, target: str, failure: Failure) -> None:
        """A stream of the user's came to nothing: for the log, and for `status`."""
        self.tell("warning" if event == "stream_refused" else "info", event, f"{target}: {failure}")
        self.failures.append((self.now, target, failure))

    def recent_failures(self) -> list[dict[str, Any]]:
        """The latest failures of the user's streams, the newest first."""
        return [
            {"target": target, "reason": str(failure), "cause": failure.cause.name.lower(), "age": self.now - when}
            for when, target, failure in reversed(self.failures)
        ]

    def tell(self, level: str, event: str, detail: str) -> None:
        """Log, but no more than a few lines of one kind in ten seconds: a hostile peer can't fill the disk."""
        since, count = self._logged.get(event, (0.0, 0))
        if self.now - since > LOG_EVERY:
            if count > LOG_BURST:
                log.info("log_lines_left_out", kind=event, lines=count - LOG_BURST)
            since, count = self.now, 0
        self._logged[event] = since, count + 1
        if count < LOG_BURST:
            getattr(log, level)(event, detail=detail)

    def _ask_when(self) -> None:
        self._asking = False
        if self._stopped:
            return
        wake = self.node.next_wake(self.now)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(wake, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.carry(self.node.tick(self.now))

    def spawn(self, work: object) -> None:
        task: asyncio.Task[None] = self._loop.create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- links ---

    async def listen_on(self, listener: sockets.socket) -> asyncio.Server:
        return await self._loop.create_server(lambda: LinkConnection(self, None), sock=listener, backlog=256)

    async def _dial(self, link: int, endpoint: Endpoint) -> None:
        local = (self._bind_ip, 0) if self._bind_ip else None
        try:
            async with asyncio.timeout(DIAL_TIMEOUT):
                await self._loop.create_connection(
                    lambda: LinkConnection(self, link), endpoint.ip, endpoint.port, local_addr=local
                )
        except (OSError, TimeoutError) as error:
            reason = str(error) or f"no answer in {DIAL_TIMEOUT:.0f} s"
            self.carry(self.node.dial_failed(link, reason, self.now))

    def link_up(self, connection: LinkConnection) -> None:
        if connection.link is None:
            peer = connection.transport.get_extra_info("peername")
            connection.link = self.node.accept(Endpoint(peer[0], peer[1]), self.now) if peer else None
            if connection.link is None:
                connection.transport.abort()
                return
            self._links[connection.link] = connection
            self.carry([])
        else:
            self._links[connection.link] = connection
            self.carry(self.node.dialled(connection.link, self.now))

    def link_down(self, link: int) -> None:
        if self._links.pop(link, None) is not None:
            self.carry(self.node.link_closed(link, self.now))

    def link_drained(self, connection: LinkConnection) -> None:
        while not connection.paused and connection.link is not None:
            effects = self.node.link_drained(connection.link, self.now)
            self.carry(effects)
            if not any(isinstance(effect, WriteLink) for effect in effects):
                return

    # --- sockets ---

    def stream_received(self, socket: int, data: memoryview) -> None:
        """Bytes of a client or server, which have been read into one buffer."""
        node, now, piece = self.node, self.now, self._piece
        if len(data) <= piece:
            self.carry(node.socket_received(socket, data, now))
            return
        effects: list[NodeEffect] = []
        for start in range(0, len(data), piece):
            effects += node.socket_received(socket, data[start : start + piece], now)
        self.carry(effects)

    async def listen_for_clients(self, ip: str, port: int) -> asyncio.Server:
        return await self._loop.create_server(lambda: ClientConnection(self), ip, port, backlog=1024)

    async def _connect(self, socket: int, host: str, port: int) -> None:
        try:
            allowed = await self._allowed(host)
            if not 0 < port < 65536:
                raise FailureError(Failure(Cause.NOT_CONNECTED, SERVER, f"{port} is no port"))
            address = await self._connect_first(socket, allowed, port)
        except FailureError as error:
            self.carry(self.node.connect_failed(socket, error.failure, self.now))
            return
        self.carry(self.node.connected(socket, address, self.now))

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
        for address in addresses[:4]:
            try:
                async with asyncio.timeout(DIAL_TIMEOUT):
                    await self._loop.create_connection(lambda: StreamConnection(self, socket), address, port)
                return address
            except (OSError, TimeoutError) as error:
                words = os.strerror(error.errno) if error.errno else "no answer"
                cause = Cause.REFUSED if isinstance(error, ConnectionRefusedError) else Cause.NOT_CONNECTED
                problem = Failure(cause, SERVER, f"could not connect to {address}:{port}: {words}")
        raise FailureError(problem)

    # --- datagrams and look-ups ---

    def _deliver_from(self, socket: int) -> Deliver:
        """Takes the datagrams that come in at a socket."""
        return lambda host, port, data: self.carry(self.node.datagram_received(socket, host, port, data, self.now))

    async def _bind(self, socket: int) -> None:
        try:
            self._datagrams[socket] = await ExitSocket.open(self._deliver_from(socket))
        except FailureError as error:
            self.carry(self.node.connect_failed(socket, error.failure, self.now))
            return
        self.carry(self.node.connected(socket, "", self.now))

    def _send_datagram(self, socket: int, host: str, port: int, data: bytes) -> None:
        datagrams = self._datagrams.get(socket)
        if isinstance(datagrams, Association):
            datagrams.send(host, port, data)
        elif datagrams is not None:
            address = datagrams.known(host)
            if address:
                datagrams.send(address, port, data)
            elif address is None and datagrams.wait(host, port, data):
                self.spawn(self._learn(datagrams, host))

    async def _learn(self, datagrams: ExitSocket, host: str) -> None:
        try:
            datagrams.learn(host, (await self._allowed(host))[0])
        except FailureError as error:
            datagrams.learn(host, "")
            self.tell("info", "exit_refused", str(error))

    async def _resolve(self, socket: int, host: str) -> None:
        found: Addresses | Failure
        try:
            addresses = await self._resolver.look_up(host)
            # What this machine's network calls its own is nobody else's concern.
            found = tuple(pair for pair in addresses if refusal(pair[0], self._own, self._allow_private) is None)
            found = found or Failure(Cause.POLICY, SERVER, f"exit policy: {host} is not on the public Internet")
        except FailureError as error:
            found = error.failure
        self.carry(self.node.resolved(socket, found, self.now))

    async def look_up(self, host: str, group: str) -> Addresses:
        """Ask an exit for a host's addresses. FailureError: there are none, or nobody can be asked."""
        socket, effects = self.node.resolve(host, group, self.now)
        asking: asyncio.Future[Addresses | Failure] = self._loop.create_future()
        self._look_ups[socket] = asking
        self.carry(effects)
        found = await asking
        if isinstance(found, Failure):
            raise FailureError(found)
        return found

    async def serve_request(self, client: ClientConnection, target: Target, group: str) -> None:
        """What a SOCKS5 client wants beside connections. FailureError says why it can't be."""
        if target.command is Command.RESOLVE:
            found = await self.look_up(target.host, group)
            client.answer(socks_reply(0, found[0][0]))
            return
        socket, effects = self.node.open_datagrams(group, self.now)
        peer, local = (client.transport.get_extra_info(name) for name in ("peername", "sockname"))
        if peer is None or local is None:
            self.carry([*effects, *self.node.socket_closed(socket, Failure(Cause.CLOSED, CLIENT), self.now)])
            return
        transport, association = await self._loop.create_datagram_endpoint(
            lambda: Association(peer[0], self._deliver_from(socket)), local_addr=(local[0], 0)
        )
        self._datagrams[socket] = association
        port = transport.get_extra_info("sockname")[1]
        self.register(socket, client)
        client.associate(socket, association, socks_reply(0, local[0], port))
        self.carry(effects)

    # --- connections ---

    def register(self, socket: int, connection: StreamConnection) -> None:
        self._sockets[socket] = connection

    def forget(self, socket: int) -> bool:
        self._datagrams.pop(socket, None)
        return self._sockets.pop(socket, None) is not None
