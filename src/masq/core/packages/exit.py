"""The exit: streams of others to servers of the Internet (protocol.md 8.4; MASQ: ProxyClient)."""

from __future__ import annotations

import ipaddress
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from masq.core.effects import CloseSocket, Connect, EndSocket, Flow, Forward, Log, Reading, WriteSocket
from masq.core.failure import END_CODES, SERVER, Cause, Failure
from masq.core.limits import QUIET_FOR, QUIET_UNDER_PRESSURE, STALLED_FOR, Limits
from masq.core.packages.flow import MAX_HELD, WINDOW, Incoming, Losses, Outgoing, shared_window
from masq.core.sockets import OwnSockets, Sockets
from masq.core.tab import Tab
from masq.crypto import Keys
from masq.errors import CryptoError, MalformedError
from masq.types import Address, PublicKey, RatePack
from masq.wire.message import ClientRequest, ClientResponse, DnsResolveFailed, encode_message
from masq.wire.package import Hop, Package, shift
from masq.wire.secure_link import FLOW

MAX_STREAMS: Final = 8_192
IDLE: Final = 7_200.0
"""Seconds without a byte in either direction after which a stream is closed."""

FORGOTTEN: Final = Failure(Cause.UNKNOWN, detail="the exit does not know this stream any more")
NAMELESS: Final = Failure(Cause.NOT_RESOLVED, detail="no host name came with the first packet")
LOST: Final = "a packet was lost on the way"
TOO_MANY: Final = Failure(Cause.OVERLOADED, detail="too many streams at this exit")

ExitEffect = Connect | WriteSocket | EndSocket | CloseSocket | Reading | Forward | Log


@dataclass(slots=True)
class ExitStream:
    """One connection to a server, for somebody whose alias key and way back are all that we know."""

    key: bytes
    socket: int
    host: str
    port: int
    originator_key: bytes
    payer: Address | None
    """None: nobody, which only a zero-hop Node serves."""
    next_key: PublicKey
    hops: list[bytes]
    credits: bool
    """Whether the originator is of ours: it grants credit, reads reasons, and is billed for failures."""
    connected: bool = False
    incoming: Incoming = field(default_factory=Incoming)
    outgoing: Outgoing = field(default_factory=Outgoing)
    losses: Losses = field(default_factory=Losses)
    early: deque[bytes] = field(default_factory=deque)
    """Data that came before the server was connected."""
    held: int = 0
    """Bytes that the server has not taken yet."""
    unbilled: list[int] = field(default_factory=list)
    congested: bool = False
    reading: bool = True
    granted: int = WINDOW
    active: float = 0.0

    @property
    def flow(self) -> bytes:
        """What the next Node tells the packages of this way back from others by."""
        return self.hops[1][:FLOW]


class PackageExit:
    """All streams of which this Node is the exit."""

    def __init__(
        self,
        keys: Keys,
        rates: RatePack,
        sockets: Sockets,
        tab: Tab,
        limits: Limits = Limits(),
    ) -> None:
        self._keys = keys
        self._limits = limits
        self._rates = rates
        self._tab = tab
        self._streams: dict[bytes, ExitStream] = {}
        self._congested: dict[PublicKey | Flow, None] = {}
        """Nodes whose links can't take more now, and flows."""
        self._sockets: OwnSockets[ExitStream] = OwnSockets(sockets, self)

    def __iter__(self) -> Iterator[ExitStream]:
        return iter(self._streams.values())

    # --- from the network ---

    def request(
        self, request: ClientRequest, hop: Hop, package: Package, payer: Address | None, now: float
    ) -> list[ExitEffect]:
        """A request by `payer`, whose proof was verified."""
        stream = self._streams.get(request.stream_key)
        data = request.packet.data
        if stream is None:
            if not data and (request.window is None or request.packet.last):
                return []  # The closing packet of a stream that is over.
            stream = ExitStream(
                request.stream_key,
                self._sockets.new(),
                request.hostname or "",
                request.port,
                request.originator_key,
                payer,
                hop.next_key,
                package.hops,
                request.window is not None,
                active=now,
            )
            if request.window is not None and request.packet.sequence:
                return self._respond(stream, b"", last=True, failure=FORGOTTEN)
            if not request.hostname:
                return self._refuse(stream, NAMELESS)
            # Nobody is who pays nothing: a zero-hop Node's own user.
            holders = () if payer is None else (("payer", payer), ("neighbor", hop.next_key))
            if len(self._streams) >= MAX_STREAMS or not self._sockets.room(holders):
                return self._refuse(stream, TOO_MANY)
            self._streams[stream.key] = stream
            self._sockets.serve(stream.socket, stream, holders)
            effects: list[ExitEffect] = [Connect(stream.socket, _host(request.hostname), request.port, payer)]
        else:
            effects = []
            stream.next_key, stream.hops, stream.payer = hop.next_key, package.hops, payer
            stream.originator_key = request.originator_key
        return effects + self._arrived(stream, request, now)

    def neighbor_lost(self, key: PublicKey) -> list[ExitEffect]:
        """The next Node of ways back is gone: their streams end."""
        lost = [stream for stream in self._streams.values() if stream.next_key == key]
        for stream in lost:
            self._remove(stream)
        return [CloseSocket(stream.socket) for stream in lost]

    # --- from the server ---

    def connected(self, socket: int, address: str, now: float) -> list[ExitEffect]:
        stream = self._sockets.get(socket)
        if stream is None:
            return [CloseSocket(socket)]
        stream.connected, stream.active = True, now
        for size in stream.unbilled:
            self._earn(stream, size)
        stream.unbilled.clear()
        effects: list[ExitEffect] = [WriteSocket(socket, data) for data in stream.early]
        stream.early.clear()
        if not stream.congested:
            stream.held = 0
        if stream.incoming.ended:
            effects += self._no_more_from_client(stream)
        return effects + self._may_read(stream) + self._grant(stream)

    def connect_failed(self, socket: int, failure: Failure, now: float) -> list[ExitEffect]:
        """Name resolution or connecting failed, or the target is not allowed."""
        stream = self._sockets.get(socket)
        if stream is None:
            return []
        self._remove(stream)
        return self._refuse(stream, failure)

    def received(self, socket: int, data: memoryview, now: float) -> list[ExitEffect]:
        """Bytes of the server."""
        stream = self._sockets.get(socket)
        if stream is None:
            return [CloseSocket(socket)]
        stream.active = now
        return self._respond(stream, bytes(data)) + self._may_read(stream)

    def ended(self, socket: int, now: float) -> list[ExitEffect]:
        """The server sends no more."""
        stream = self._sockets.get(socket)
        if stream is None:
            return [CloseSocket(socket)]
        effects = self._respond(stream, b"", last=True)
        if stream.incoming.ended or not stream.credits:
            self._remove(stream)
            effects.append(CloseSocket(socket))
        return effects

    def closed(self, socket: int, failure: Failure, now: float) -> list[ExitEffect]:
        """The connection to the server broke."""
        stream = self._sockets.get(socket)
        return [] if stream is None else self._abort(stream, failure)

    def congested(self, socket: int) -> None:
        stream = self._sockets.get(socket)
        if stream is not None:
            stream.congested = True

    def drained(self, socket: int, now: float) -> list[ExitEffect]:
        """The server has taken what was written."""
        stream = self._sockets.get(socket)
        if stream is None:
            return []
        stream.congested, stream.held = False, 0
        return self._grant(stream)

    def hold(self, what: PublicKey | Flow, on: bool) -> list[ExitEffect]:
        """The link to a Node is congested, or too much waits of a flow, or no more: servers whose data goes there are
        (not) read."""
        effects: list[ExitEffect] = []
        if on:
            self._congested[what] = None
        else:
            self._congested.pop(what, None)
        for stream in self._streams.values():
            if what in (stream.next_key, stream.flow) and stream.connected and not stream.outgoing.ended:
                if on and stream.reading:
                    stream.reading = False
                    effects.append(Reading(stream.socket, False))
                elif not on:
                    effects += self._may_read(stream)
        return effects

    def tick(self, now: float) -> list[ExitEffect]:
        """Streams that nobody has a use for are closed: of which one direction is over, soon. So are those of which
        something was lost; and those that are silent say something, so that it is noticed at the other end."""
        pressed = self._limits.pressed(len(self._streams))
        quiet_for = QUIET_UNDER_PRESSURE if pressed else QUIET_FOR
        effects: list[ExitEffect] = []
        for stream in list(self._streams.values()):
            if now - stream.active > _may_rest(stream, quiet_for):
                if stream.incoming.ended and stream.credits:
                    effects += self.ended(stream.socket, now)  # Told as a failure, it would be tried again elsewhere.
                else:
                    effects += self._abort(stream, Failure(Cause.CLOSED, detail="nothing was sent any more"))
            elif stream.losses.lost(stream.incoming, now):
                effects += self._abort(stream, Failure(Cause.PACKET_LOST, detail=LOST))
            elif self._speaks(stream, now):
                effects += self._respond(stream, b"", last=stream.outgoing.ended)
        return effects

    # --- inside ---

    def _arrived(self, stream: ExitStream, request: ClientRequest, now: float) -> list[ExitEffect]:
        data, window = request.packet.data, request.window
        if data or request.packet.last or window is None or window > (stream.outgoing.limit or 0):
            stream.active = now  # What is said only to be heard keeps no stream.
        if data:
            self._bill(stream, len(data))
        if window == 0:
            self._remove(stream)
            return [CloseSocket(stream.socket)]
        if window is not None:
            stream.outgoing.limit = max(stream.outgoing.limit or 0, window)
        ended = stream.incoming.ended
        try:
            ready = stream.incoming.push(request.packet)
        except MalformedError as error:
            return self._abort(stream, Failure(Cause.PACKET_LOST, detail=str(error)))
        effects = self._to_server(stream, ready) if ready else []
        if stream.key not in self._streams:
            return effects
        if stream.incoming.ended and not ended and stream.connected:
            effects += self._no_more_from_client(stream)
        return effects + self._may_read(stream)

    def _speaks(self, stream: ExitStream, now: float) -> bool:
        """Whether an empty packet is due: that a server is reached which takes its time, or behind what was said."""
        if not stream.credits or not stream.connected or stream.payer is None:
            return False
        return stream.losses.unsure(stream.outgoing, now) or not stream.outgoing.next

    def _to_server(self, stream: ExitStream, data: bytes) -> list[ExitEffect]:
        if stream.congested or not stream.connected:
            stream.held += len(data)
            if stream.held > MAX_HELD:
                words = "the server reads too slowly, and the originator knows no back-pressure"
                return self._abort(stream, Failure(Cause.SLOW_READER, SERVER, words))
        if not stream.connected:
            stream.early.append(data)
            return []
        return [WriteSocket(stream.socket, data), *self._grant(stream)]

    def _grant(self, stream: ExitStream) -> list[ExitEffect]:
        """Credit for the originator, once half of what it had is used up and the server keeps pace."""
        if not stream.credits or stream.congested or not stream.connected or stream.incoming.ended:
            return []
        window = shared_window(len(self._streams))
        limit = stream.incoming.received + window
        if limit - stream.granted < window // 2:
            return []
        stream.granted = limit
        return self._respond(stream, b"", last=stream.outgoing.ended)

    def _may_read(self, stream: ExitStream) -> list[ExitEffect]:
        on = not stream.outgoing.blocked and self._congested.keys().isdisjoint((stream.next_key, stream.flow))
        if on == stream.reading or not stream.connected or stream.outgoing.ended:
            return []
        stream.reading = on
        return [Reading(stream.socket, on)]

    def _no_more_from_client(self, stream: ExitStream) -> list[ExitEffect]:
        if stream.credits and not stream.outgoing.ended:
            return [EndSocket(stream.socket)]
        # An originator of 0.9.1 closes only when its client is gone; and both ends are done otherwise.
        self._remove(stream)
        return [CloseSocket(stream.socket)]

    def _refuse(self, stream: ExitStream, failure: Failure) -> list[ExitEffect]:
        named = _literal(stream.host) is None and bool(stream.host)
        log = Log("info", "exit_refused", str(failure))
        if named:
            told = (str(failure), END_CODES.get(failure.cause)) if stream.credits else ()
            failed = DnsResolveFailed(stream.key, *told)
            if stream.credits:
                self._earn(stream, 0)
            return [*self._send(stream, encode_message(failed)), log]
        return [*self._respond(stream, b"", last=True, failure=failure), log]

    def _abort(self, stream: ExitStream, failure: Failure) -> list[ExitEffect]:
        self._remove(stream)
        effects: list[ExitEffect] = [CloseSocket(stream.socket)]
        if not stream.outgoing.ended or stream.credits:
            effects += self._respond(stream, b"", last=True, failure=failure)
        return effects

    def _remove(self, stream: ExitStream) -> None:
        self._streams.pop(stream.key, None)
        self._sockets.drop(stream.socket)

    def _bill(self, stream: ExitStream, size: int) -> None:
        # Of 0.9.1 a request is free if the server can't be reached; originators of ours book it, so we do.
        if stream.credits or stream.connected:
            self._earn(stream, size)
        else:
            stream.unbilled.append(size)

    def _earn(self, stream: ExitStream, size: int) -> None:
        if stream.payer is not None:
            self._tab.earn(stream.payer, self._rates.exit_charge(size))

    def _respond(
        self, stream: ExitStream, data: bytes, last: bool = False, failure: Failure | None = None
    ) -> list[ExitEffect]:
        packet = stream.outgoing.packet(data, last)
        window = None
        if stream.credits:
            window = 0 if failure is not None else stream.granted
        told = (str(failure), END_CODES.get(failure.cause)) if failure and stream.credits else ()
        message = ClientResponse(stream.key, packet, window, *told)
        self._earn(stream, len(data))
        return self._send(stream, encode_message(message))

    def _send(self, stream: ExitStream, message: bytes) -> list[ExitEffect]:
        try:
            payload = self._keys.seal(stream.originator_key, message)
        except CryptoError as error:
            self._remove(stream)
            return [CloseSocket(stream.socket), Log("warning", "bad_originator_key", str(error))]
        package = Package(shift(stream.hops, self._keys), payload)
        return [Forward(stream.next_key, package, stream.flow)]


def _may_rest(stream: ExitStream, quiet_for: float) -> float:
    """Seconds that a stream may stand without a byte."""
    if stream.incoming.ended == stream.outgoing.ended:
        return IDLE
    unread = not stream.outgoing.ended and (stream.outgoing.blocked or not stream.reading)
    waits = stream.congested or not stream.connected or unread
    return STALLED_FOR if waits else quiet_for


def _host(name: str) -> str:
    """The host without a port that 0.9.1 tolerates inside the name."""
    literal = _literal(name)
    return literal or name


def _literal(name: str) -> str | None:
    """The IP address, if the name is one, with or without a port behind it."""
    for text in (name, name.rpartition(":")[0], name.strip("[]")):
        try:
            return str(ipaddress.ip_address(text))
        except ValueError:
            continue
    return None
