"""The asyncio driver: gives a Node its sockets and clock, and carries out what it wants done."""

from __future__ import annotations

import asyncio
import socket as sockets
from collections.abc import Callable, Sequence
from typing import Final, Protocol, cast

import structlog

from masq.core.accountant.effects import AccountantEffect
from masq.core.effects import (
    CloseLink,
    CloseSocket,
    Connect,
    Dial,
    EndSocket,
    Log,
    Reading,
    SaveConfig,
    WriteLink,
    WriteSocket,
)
from masq.core.node import Node, NodeEffect
from masq.errors import LocalError, UnavailableError
from masq.shell.resolve import Resolver, refusal
from masq.types import Endpoint
from masq.wire.circuit import MAX_DATA
from masq.wire.proxy import Failure, Greeting, Refused, Speech, accepted, refused

log = structlog.get_logger()

DIAL_TIMEOUT: Final = 5.0
GREETING_TIMEOUT: Final = 30.0
LINK_BUFFER: Final = 256 * 1024
LINK_HIGH_WATER: Final = 256 * 1024
SOCKET_HIGH_WATER: Final = 128 * 1024
ASK_AFTER: Final = 0.004
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
        fail: Callable[[LocalError], None],
    ) -> None:
        """`fail` is called with what makes going on impossible, such as a full disk."""
        self.node = node
        self._money = money
        self._bind_ip = bind_ip
        self._resolver = resolver
        self._own = own_addresses
        self._allow_private = allow_private
        self.package_data = package_data
        self._fail = fail
        self._loop = asyncio.get_running_loop()
        self._links: dict[int, LinkConnection] = {}
        self._sockets: dict[int, StreamConnection] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._asking = False
        self._stopped = False
        self._logged: dict[str, tuple[float, int]] = {}
        self.link_buffer = bytearray(LINK_BUFFER)

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
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)

    # --- effects ---

    def carry(self, effects: Sequence[NodeEffect]) -> None:
        """Carry out effects in their order, then see when the Node wants to be woken."""
        if self._stopped:
            return
        try:
            for effect in effects:
                self._perform(effect)
        except LocalError as error:
            self._fail(error)
            return
        self._set_timer()

    def _perform(self, effect: NodeEffect) -> None:
        match effect:
            case WriteLink(link, data):
                connection = self._links.get(link)
                if connection is not None:
                    connection.transport.write(data)
            case WriteSocket(socket, data):
                stream = self._sockets.get(socket)
                if stream is not None:
                    stream.transport.write(data)
                    stream.answered = True
            case Reading(socket, on):
                stream = self._sockets.get(socket)
                if stream is not None:
                    stream.set_reading(on)
            case EndSocket(socket):
                stream = self._sockets.get(socket)
                if stream is not None:
                    stream.end()
            case CloseSocket(socket, reason):
                stream = self._sockets.pop(socket, None)
                if stream is not None:
                    stream.finish(reason)
            case Connect(socket, host, port):
                self.spawn(self._connect(socket, host, port))
            case Dial(link, endpoint):
                self.spawn(self._dial(link, endpoint))
            case CloseLink(link):
                connection = self._links.pop(link, None)
                if connection is not None:
                    connection.transport.close()
            case SaveConfig(name, value):
                self._money.save_config(name, value)
            case Log(level, event, detail):
                self.tell(level, event, detail)
            case _:
                self._money.perform(effect)

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

    def _set_timer(self) -> None:
        # Asking the Node when to wake it costs more than a cell: so it is asked a few milliseconds after the first
        # of many inputs, not after each.
        if not self._asking:
            self._asking = True
            self._loop.call_later(ASK_AFTER, self._ask_when)

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
            self._set_timer()
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

    async def listen_for_clients(self, ip: str, port: int) -> asyncio.Server:
        return await self._loop.create_server(lambda: ClientConnection(self), ip, port, backlog=1024)

    async def _connect(self, socket: int, host: str, port: int) -> None:
        try:
            addresses = await self._resolver.addresses(host)
            refusals = [refusal(address, self._own, self._allow_private) for address in addresses]
            allowed = [address for address, why in zip(addresses, refusals, strict=True) if why is None]
            if not allowed:
                raise UnavailableError(next(why for why in refusals if why))
            if not 0 < port < 65536:
                raise UnavailableError(f"{port} is no port")
            address = await self._connect_first(socket, allowed, port)
        except UnavailableError as error:
            self.carry(self.node.connect_failed(socket, str(error), self.now))
            return
        self.carry(self.node.connected(socket, address, self.now))

    async def _connect_first(self, socket: int, addresses: list[str], port: int) -> str:
        problem = ""
        for address in addresses[:4]:
            try:
                async with asyncio.timeout(DIAL_TIMEOUT):
                    await self._loop.create_connection(lambda: StreamConnection(self, socket), address, port)
                return address
            except (OSError, TimeoutError) as error:
                problem = f"{address}:{port}: {error or 'no answer'}"
        raise UnavailableError(f"could not connect to {problem}")

    def register(self, socket: int, connection: StreamConnection) -> None:
        self._sockets[socket] = connection

    def forget(self, socket: int) -> bool:
        return self._sockets.pop(socket, None) is not None


class LinkConnection(asyncio.BufferedProtocol):
    """The socket of a link. All links read into one buffer: what was read is copied before the next read."""

    transport: asyncio.Transport

    def __init__(self, driver: Driver, link: int | None) -> None:
        self._driver = driver
        self.link = link
        self.paused = False
        self._view = memoryview(driver.link_buffer)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass.
        self.transport.set_write_buffer_limits(high=LINK_HIGH_WATER, low=LINK_HIGH_WATER // 4)
        no_delay(transport)
        self._driver.link_up(self)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._driver.link_buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self.link is not None:
            driver = self._driver
            driver.carry(driver.node.link_received(self.link, self._view[:nbytes], driver.now))

    def pause_writing(self) -> None:
        self.paused = True
        if self.link is not None:
            self._driver.carry(self._driver.node.link_congested(self.link, self._driver.now))

    def resume_writing(self) -> None:
        self.paused = False
        self._driver.link_drained(self)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        if self.link is not None:
            self._driver.link_down(self.link)


class StreamConnection(asyncio.BufferedProtocol):
    """The socket of a stream: to a server, or of a client once it has said where it wants to go."""

    transport: asyncio.Transport

    def __init__(self, driver: Driver, socket: int) -> None:
        self._driver = driver
        self.socket = socket
        self._buffer = bytearray(min(driver.package_data, MAX_DATA))
        self.answered = False
        self._congested = False
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass.
        self.transport.set_write_buffer_limits(high=SOCKET_HIGH_WATER, low=SOCKET_HIGH_WATER // 4)
        no_delay(transport)
        self._driver.register(self.socket, self)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        driver = self._driver
        data = bytes(memoryview(self._buffer)[:nbytes])
        driver.carry(driver.node.socket_received(self.socket, data, driver.now))

    def set_reading(self, on: bool) -> None:
        if self.transport.is_closing() or self._ended:
            return
        if on:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def end(self) -> None:
        if not self.transport.is_closing() and self.transport.can_write_eof():
            self.transport.write_eof()

    def finish(self, reason: str | None) -> None:
        """Close: after what was written, or, for a reason, in a way that the other end notices."""
        if reason is None:
            self.transport.close()
        else:
            self.transport.abort()

    def pause_writing(self) -> None:
        self._driver.node.socket_congested(self.socket)

    def resume_writing(self) -> None:
        driver = self._driver
        driver.carry(driver.node.socket_drained(self.socket, driver.now))

    def eof_received(self) -> bool:
        self._ended = True
        driver = self._driver
        driver.carry(driver.node.socket_ended(self.socket, driver.now))
        return True  # Half-closed: the other direction goes on.

    def connection_lost(self, error: Exception | None) -> None:
        driver = self._driver
        if driver.forget(self.socket):
            reason = f"the connection broke: {error}" if error else "the connection was closed"
            driver.carry(driver.node.socket_closed(self.socket, reason, driver.now))


class ClientConnection(StreamConnection):
    """A client of the entry: it says where it wants to go, and is a stream from then on."""

    def __init__(self, driver: Driver) -> None:
        super().__init__(driver, 0)
        self._greeting: Greeting | None = Greeting()
        self._speech = Speech.SOCKS5
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass.
        self.transport.set_write_buffer_limits(high=SOCKET_HIGH_WATER, low=SOCKET_HIGH_WATER // 4)
        no_delay(transport)
        self._late = asyncio.get_running_loop().call_later(GREETING_TIMEOUT, self.transport.abort)

    def buffer_updated(self, nbytes: int) -> None:
        if self._greeting is None:
            super().buffer_updated(nbytes)
        else:
            self._greet(bytes(memoryview(self._buffer)[:nbytes]))

    def _greet(self, data: bytes) -> None:
        greeting, driver = self._greeting, self._driver
        assert greeting is not None
        try:
            target = greeting.feed(data)
        except Refused as error:
            driver.tell("info", "client_refused", str(error))
            self._answer_and_close(error.answer)
            return
        if greeting.answers:
            self.transport.write(greeting.answers)
            greeting.answers = b""
        if target is None:
            return
        self._greeting, self._speech = None, target.speech
        if self._late:
            self._late.cancel()
        peer = self.transport.get_extra_info("peername")
        group = target.group or (str(peer[0]) if peer else "")
        try:
            self.socket, effects = driver.node.open(target.host, target.port, group, driver.now)
        except UnavailableError as error:
            driver.tell("warning", "stream_refused", f"{target.host}:{target.port}: {error}")
            failure = Failure.NO_WALLET if "wallet" in str(error) else Failure.NO_ROUTE
            self._answer_and_close(refused(target.speech, failure, str(error)))
            return
        driver.register(self.socket, self)
        self.transport.write(accepted(target.speech))
        driver.carry(effects)
        for start in range(0, len(target.rest), driver.package_data):
            piece = target.rest[start : start + driver.package_data]
            driver.carry(driver.node.socket_received(self.socket, piece, driver.now))

    def finish(self, reason: str | None) -> None:
        if reason is not None:
            self._driver.tell("info", "stream_failed", reason)
            if self._speech is Speech.HTTP and not self.answered:
                self._answer_and_close(refused(self._speech, Failure.UNREACHABLE, reason))
                return
        super().finish(reason)

    def _answer_and_close(self, answer: bytes) -> None:
        self._greeting = self._greeting or Greeting()
        self.transport.pause_reading()
        self.transport.write(answer)
        self.transport.close()

    def eof_received(self) -> bool:
        if not self.socket:
            return False
        return super().eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        if self._late:
            self._late.cancel()
        super().connection_lost(error)


def no_delay(transport: asyncio.BaseTransport) -> None:
    """Small writes go out at once."""
    raw = transport.get_extra_info("socket")
    if raw is not None and raw.family in (sockets.AF_INET, sockets.AF_INET6):
        raw.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
