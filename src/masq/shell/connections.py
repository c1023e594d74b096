"""The TCP connections of a Node, as asyncio protocols: links to other Nodes, and streams of clients and to servers."""

from __future__ import annotations

import asyncio
import os
import socket as sockets
import struct
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

from masq.core.failure import Cause, Failure, FailureError
from masq.shell.datagrams import Association
from masq.wire.proxy import Command, Greeting, Refused, Reply, Speech, Target, accepted, refused

if TYPE_CHECKING:
    from masq.shell.driver import Driver

GREETING_TIMEOUT: Final = 30.0
LINGER: Final = 60.0
"""Seconds that the other end of a connection that is over has to read the rest."""
UNSENT: Final = 64 * 1024
"""Bytes that the kernel may hold of a link beyond what is under way: what waits longer, waits where it takes turns."""
NEAR: Final = 2_000
"""Microseconds of a round trip below which a peer is near: large buffers of the kernel would do nothing but make small
streams wait behind bulk ones. Farther off, the kernel suits them to the way."""
NEAR_BUFFER: Final = 128 * 1024
MAX_PIECES: Final = 512

_RTT: Final = struct.Struct("68xI")
"""Where Linux says in its `tcp_info` how long a round trip takes."""

REPLIES: Final = {
    Cause.NO_WALLET: Reply.NO_WALLET,
    Cause.NO_ROUTE: Reply.NO_ROUTE,
    Cause.POLICY: Reply.NOT_ALLOWED,
    Cause.REFUSED: Reply.REFUSED,
}
"""Of whatever else fails a client learns that the server was not reached, and why."""

Piece = bytes | bytearray | memoryview


class Connection(asyncio.BufferedProtocol):
    """A connection that is written to at once: the transport gets only what the kernel doesn't take.

    So what is written may lie in a buffer that is used again, and nothing waits for a turn of the event loop.
    """

    transport: asyncio.Transport
    _descriptor: int

    def __init__(self) -> None:
        self._gathered: list[Piece] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass.
        # Whatever the kernel doesn't take means: stop, until it does.
        self.transport.set_write_buffer_limits(high=0, low=0)
        raw = transport.get_extra_info("socket")
        self._descriptor = raw.fileno()
        if raw.family in (sockets.AF_INET, sockets.AF_INET6):
            raw.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)

    def gather(self, piece: Piece) -> bool:
        """Let a piece be written together with those that follow. Whether it is the first one."""
        self._gathered.append(piece)
        return len(self._gathered) == 1

    def flush(self) -> None:
        """Write what was gathered."""
        pieces, self._gathered = self._gathered, []
        if pieces:
            self.write(pieces)

    def write(self, pieces: Sequence[Piece]) -> None:
        """Write pieces, in their order."""
        transport = self.transport
        if transport.is_closing():
            return  # Its descriptor may be another connection's already.
        if transport.get_write_buffer_size():
            transport.write(b"".join(pieces))
            return
        for start in range(0, len(pieces), MAX_PIECES):
            some = pieces[start : start + MAX_PIECES]
            try:
                taken = os.writev(self._descriptor, some)
            except OSError:  # It is full, or broken, which the transport will find out.
                taken = 0
            if taken < sum(map(len, some)):
                transport.write(b"".join([*some, *pieces[start + MAX_PIECES :]])[taken:])
                return

    def close(self) -> None:
        """After what was written, if the other end reads it in reasonable time."""
        self.flush()
        self.transport.close()
        if self.transport.get_write_buffer_size():
            asyncio.get_running_loop().call_later(LINGER, self.transport.abort)


class LinkConnection(Connection):
    """The connection of a link. All links read into one buffer, in which the frames are opened, and sent on from."""

    def __init__(self, driver: Driver, link: int | None) -> None:
        super().__init__()
        self._driver = driver
        self.link = link
        self.paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        bound_queues(transport.get_extra_info("socket"))
        self._driver.link_up(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._driver.link_view

    def buffer_updated(self, nbytes: int) -> None:
        if self.link is not None:
            driver = self._driver
            driver.carry(driver.node.link_received(self.link, driver.link_view[:nbytes], driver.now))
            if nbytes == len(driver.link_view):
                self._take_turns()

    def _take_turns(self) -> None:
        """There is more to read, and the event loop would go on reading it before it looks at anything else."""
        self.transport.pause_reading()
        asyncio.get_running_loop().call_soon(self._read_on)

    def _read_on(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()

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


class StreamConnection(Connection):
    """The connection of a stream: to a server, or of a client once it has said where it wants to go."""

    def __init__(self, driver: Driver, socket: int) -> None:
        super().__init__()
        self._driver = driver
        self.socket = socket
        self.answered = False
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._driver.register(self.socket, self)

    def write(self, pieces: Sequence[Piece]) -> None:
        self.answered = True
        super().write(pieces)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._driver.stream_view

    def buffer_updated(self, nbytes: int) -> None:
        self._driver.stream_received(self.socket, self._driver.stream_view[:nbytes])

    def set_reading(self, on: bool) -> None:
        if self.transport.is_closing() or self._ended:
            return
        if on:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def end(self) -> None:
        self.flush()
        if not self.transport.is_closing() and self.transport.can_write_eof():
            self.transport.write_eof()

    def accept(self) -> None:
        """The exit has reached the server."""

    def finish(self, failure: Failure | None) -> None:
        """Close: after what was written, or, after a failure, in a way that the other end notices."""
        if failure is None:
            self.close()
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
            words = f"the connection broke: {error}" if error else "the connection was closed"
            driver.carry(driver.node.socket_closed(self.socket, Failure(Cause.BROKEN, detail=words), driver.now))


class ClientConnection(StreamConnection):
    """A client of the entry: it says where it wants to go, and is a stream from then on."""

    def __init__(self, driver: Driver) -> None:
        super().__init__(driver, 0)
        self._greeting: Greeting | None = Greeting()
        self._target: Target | None = None
        self._unaccepted = False
        """Whether the client is still to be told that it is connected."""
        self._association: Association | None = None
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        Connection.connection_made(self, transport)
        self._late = asyncio.get_running_loop().call_later(GREETING_TIMEOUT, self.transport.abort)

    def buffer_updated(self, nbytes: int) -> None:
        if self._greeting is not None:
            self._greet(bytes(self._driver.stream_view[:nbytes]))
        elif self._association is None:  # What comes beside an association means nothing.
            super().buffer_updated(nbytes)

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
            Connection.write(self, [greeting.answers])
            greeting.answers = b""
        if target is None:
            return
        self._greeting, self._target = None, target
        if self._late:
            self._late.cancel()
        peer = self.transport.get_extra_info("peername")
        group = target.group or (str(peer[0]) if peer else "")
        if target.command is not Command.CONNECT:
            self.transport.pause_reading()
            driver.spawn(self._serve(target, group))
            return
        early = driver.answer_early or target.speech is Speech.HTTP
        try:
            self.socket, effects = driver.node.open(target.host, target.port, group, driver.now, not early)
        except FailureError as error:
            self._refuse(target, error.failure)
            return
        driver.register(self.socket, self)
        self._unaccepted = True
        if early:
            self.accept()
        driver.carry(effects)
        if target.rest:
            driver.stream_received(self.socket, memoryview(target.rest))

    def accept(self) -> None:
        if self._unaccepted and self._target is not None:
            self._unaccepted = False
            Connection.write(self, [accepted(self._target.speech)])

    async def _serve(self, target: Target, group: str) -> None:
        """What else clients of SOCKS5 ask for: datagrams, and look-ups."""
        try:
            await self._driver.serve_request(self, target, group)
        except FailureError as error:
            self._refuse(target, error.failure)

    def _refuse(self, target: Target, failure: Failure) -> None:
        self._driver.failed("stream_refused", target.place, failure)
        self._answer_and_close(refused(target.speech, reply_to(failure), str(failure)))

    def associate(self, socket: int, association: Association, answer: bytes) -> None:
        """Datagrams are carried for as long as this connection stands."""
        self.socket, self._association = socket, association
        Connection.write(self, [answer])
        self.transport.resume_reading()

    def answer(self, answer: bytes) -> None:
        """Say the last word."""
        self._answer_and_close(answer)

    def finish(self, failure: Failure | None) -> None:
        target = self._target
        if failure is not None and target is not None:
            self._driver.failed("stream_failed", target.place, failure)
            unanswered = self._unaccepted or (target.speech is Speech.HTTP and not self.answered)
            if unanswered and not self.transport.is_closing():
                self._answer_and_close(refused(target.speech, reply_to(failure), str(failure)))
                return
        super().finish(failure)

    def _answer_and_close(self, answer: bytes) -> None:
        if self.transport.is_closing():
            return
        self._greeting = self._greeting or Greeting()
        self.transport.pause_reading()
        self.transport.write(answer)
        self.transport.close()

    def eof_received(self) -> bool:
        if not self.socket or self._association is not None:
            return False
        return super().eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        if self._late:
            self._late.cancel()
        if self._association is not None:
            self._association.close()
        super().connection_lost(error)


def reply_to(failure: Failure) -> Reply:
    """How a failure is told in a client's own protocol."""
    return REPLIES.get(failure.cause, Reply.UNREACHABLE)


def bound_queues(raw: sockets.socket) -> None:
    """Keep what waits for a link where it takes turns, which is not in the kernel."""
    lowat = getattr(sockets, "TCP_NOTSENT_LOWAT", None)
    try:
        if lowat is not None:
            raw.setsockopt(sockets.IPPROTO_TCP, lowat, UNSENT)
        if sys.platform == "linux":
            info = raw.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_INFO, _RTT.size)
            if len(info) == _RTT.size and _RTT.unpack(info)[0] < NEAR:
                raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, NEAR_BUFFER)
    except OSError:
        pass  # The peer is gone already, or the kernel is of a kind that knows none of this.
