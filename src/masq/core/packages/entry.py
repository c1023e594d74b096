"""The entry: streams of our own users into the network (protocol.md 8.5; MASQ: ProxyServer)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from masq.core.attempt import Attempt
from masq.core.effects import Accepted, CloseSocket, EndSocket, Flow, Forward, Log, Reading, Service, WriteSocket
from masq.core.failure import (
    CLIENT,
    END_CAUSES,
    SOME_HOP,
    Cause,
    Failure,
    Place,
    hop,
    printable,
)
from masq.core.network.routing import Route, Routes
from masq.core.packages.flow import MAX_HELD, ONE_READ, WINDOW, Incoming, Losses, Outgoing, shared_window
from masq.core.packages.unanswered import PATIENCE, Unanswered
from masq.core.purses import Purses
from masq.core.sockets import OwnSockets, Sockets
from masq.core.tab import Tab
from masq.core.view import StreamView
from masq.crypto import Keys, Random
from masq.errors import MalformedError, UnavailableError
from masq.types import Address, PublicKey
from masq.wire.circuit import end_code
from masq.wire.message import ClientRequest, ClientResponse, DnsResolveFailed, encode_message
from masq.wire.package import Package, round_trip, shift
from masq.wire.secure_link import FLOW

ROUTE_LIFE: Final = 60.0
"""Seconds in which new streams of one isolation group share a route."""
ROUTE_MEMORY: Final = 600.0
"""Seconds after its last use that answers over a route are still known; 0.9.1 demands 120."""
SILENT_EXIT: Final = 120.0
"""Seconds without a byte after which a stream over a 0.9.1 exit is over: such an exit often never reports the end."""
ANSWER_WITHIN: Final = 12.0
"""Seconds that a way has for an answer that has to come soon: more than the 10 s in which exits give a name up."""
STALE_FOR: Final = 1.0
"""The same, of a way over Nodes that are linked no more."""

UNLINKED: Final = "Nodes of its route are linked no more"

SERVER_FIRST: Final = 0.03
"""Seconds after which a stream is opened at the exit though the client has said nothing: the server may speak first."""

NOT_REACHED: Final = frozenset((Cause.NOT_RESOLVED, Cause.NOT_CONNECTED, Cause.REFUSED, Cause.POLICY, Cause.OVERLOADED))
"""Causes that another exit may not have (protocol.md 8.5)."""

EntryEffect = Accepted | WriteSocket | EndSocket | CloseSocket | Reading | Forward | Log


@dataclass(slots=True)
class Way:
    """A route with its sealed elements: used for all packets of a stream, and by the streams of one group."""

    route: Route
    hops: list[bytes]
    return_id: int
    made: float
    used: float
    purse: int = 0
    """The number of the consuming wallet that pays."""
    heard: float = float("-inf")
    """When anything came over it last."""
    fallen: float | None = None
    """Since when Nodes of it are linked no more, as far as we know."""

    @property
    def first(self) -> PublicKey:
        return self.route.over[1] if len(self.route.over) > 1 else self.route.over[0]

    @property
    def flow(self) -> bytes:
        """What the first Node tells this route's packages from others by."""
        return self.hops[1][:FLOW]

    @property
    def exit(self) -> Place:
        return Place("exit", self.route.exit.key)

    @property
    def has_credit(self) -> bool:
        """Whether the exit is a Node of ours, which keeps to credit and reports how streams end."""
        return "flow1" in self.route.exit_extensions


@dataclass(slots=True)
class EntryStream:
    """One connection of a client."""

    key: bytes
    socket: int
    host: str
    port: int
    group: str
    way: Way
    opened: float
    active: float
    asked: float = 0.0
    """When the first packet went the way that it goes now."""
    incoming: Incoming = field(default_factory=Incoming)
    outgoing: Outgoing = field(default_factory=Outgoing)
    losses: Losses = field(default_factory=Losses)
    attempt: Attempt = field(default_factory=Attempt)
    granted: int = WINDOW
    congested: bool = False
    held: int = 0
    reading: bool = True
    heard: bool = False
    """Whether anything came back over the way that it goes now."""
    provisional: dict[Address, int] = field(default_factory=dict)
    """Wei that this way has cost before, by wallet."""


class PackageEntry:
    """All streams of our own users."""

    def __init__(
        self,
        keys: Keys,
        alias: Keys,
        routes: Routes,
        purses: Purses,
        hops: int,
        sockets: Sockets,
        tab: Tab,
        random: Random,
    ) -> None:
        """`alias`: the key pair that answers are sealed to. `hops`: 0 means that we are our own exit."""
        self._keys = keys
        self.alias = alias
        self._routes = routes
        self._purses = purses
        self._hops = hops
        self._tab = tab
        self._random = random
        self._streams: dict[bytes, EntryStream] = {}
        self._sockets: OwnSockets[EntryStream] = OwnSockets(sockets, self)
        self._congested: dict[PublicKey | Flow, None] = {}
        """Neighbors whose links can't take more now, and flows."""
        self._ways: dict[int, Way] = {}
        self._shared: dict[str, Way] = {}
        self.unanswered = Unanswered()
        self._next_return_id = int.from_bytes(random(4), "big")

    def __iter__(self) -> Iterator[EntryStream]:
        return iter(self._streams.values())

    def view(self, now: float) -> tuple[StreamView, ...]:
        return tuple(
            StreamView(
                id=stream.key.hex(),
                target=f"{stream.host}:{stream.port}",
                route=tuple(key.hex() for key in stream.way.route.over),
                back=tuple(key.hex() for key in stream.way.route.back),
                sent=stream.outgoing.sent,
                received=stream.incoming.received,
                age=now - stream.opened,
            )
            for stream in self
        )

    # --- from the client ---

    def open(self, host: str, port: int, group: str, now: float, eager: bool = False) -> tuple[int, list[EntryEffect]]:
        """A client wants to be connected: the id of its socket. FailureError says why it can't be.

        `group` isolates: streams of different groups share no route. `eager`: the client waits to hear that it is
        connected, which is said at once: 0.9.1 doesn't report it.
        """
        way = self._way(group, now, ())
        socket = self._sockets.new()
        stream = EntryStream(self._random(20), socket, host, port, group, way, now, now)
        stream.granted = shared_window(len(self._streams) + 1)
        stream.outgoing.limit = WINDOW if way.has_credit else None
        self._streams[stream.key] = stream
        self._sockets.put(socket, stream)
        return socket, [Accepted(socket)] if eager else []

    def received(self, socket: int, data: memoryview, now: float) -> list[EntryEffect]:
        """Bytes of the client."""
        stream = self._sockets.get(socket)
        if stream is None:
            return [CloseSocket(socket)]
        stream.active = now
        return self._send(stream, bytes(data), now) + self._may_read(stream)

    def ended(self, socket: int, now: float) -> list[EntryEffect]:
        """The client sends no more; it may still read."""
        stream = self._sockets.get(socket)
        if stream is None or stream.outgoing.ended:
            return []
        effects = self._send(stream, b"", now, last=True)
        if stream.incoming.ended:
            self._remove(stream)
            effects.append(CloseSocket(socket))
        return effects

    def closed(self, socket: int, failure: Failure, now: float) -> list[EntryEffect]:
        """The client is gone: the exit is told to stop."""
        stream = self._sockets.get(socket)
        return [] if stream is None else self._stop_exit(stream, now)

    def congested(self, socket: int) -> None:
        stream = self._sockets.get(socket)
        if stream is not None:
            stream.congested = True

    def drained(self, socket: int, now: float) -> list[EntryEffect]:
        stream = self._sockets.get(socket)
        if stream is None:
            return []
        stream.congested, stream.held = False, 0
        return self._grant(stream, now)

    # --- from the network ---

    def response(
        self, message: ClientResponse | DnsResolveFailed, return_id: int, payload_size: int, now: float
    ) -> list[EntryEffect]:
        """What an exit answered, over a way of ours."""
        way = self._ways.get(return_id)
        if way is None:
            return [Log("info", "unknown_return_route", "an answer over a route that is forgotten was dropped")]
        way.used = way.heard = now
        size = 0 if isinstance(message, DnsResolveFailed) else len(message.packet.data)
        self._owe(way, size, way.route.relays_back, payload_size)
        stream = self._streams.get(message.stream_key)
        if stream is None or stream.way is not way:
            return []  # It has ended, or goes another way by now: bytes of two exits must not mix.
        stream.active = now
        stream.heard = True
        stream.provisional.clear()
        if isinstance(message, DnsResolveFailed):
            return self._again(stream, _told(stream, message, Cause.NOT_RESOLVED), now)
        return self._answered(stream, message, now)

    def neighbor_lost(self, key: PublicKey, now: float) -> list[EntryEffect]:
        """The first Node of some ways is gone: their streams are taken over another way, or end."""
        self._shared = {group: way for group, way in self._shared.items() if way.first != key}
        effects: list[EntryEffect] = []
        for stream in [stream for stream in self._streams.values() if stream.way.first == key]:
            failure = Failure(Cause.LINK_LOST, hop(0, len(stream.way.route.over) - 1, key))
            effects += self._again(stream, failure, now)
        return effects

    def hold(self, what: PublicKey | Flow, on: bool) -> list[EntryEffect]:
        """The link to a neighbor is congested, or too much waits of a flow, or no more: clients whose data goes there
        are (not) read."""
        effects: list[EntryEffect] = []
        if on:
            self._congested[what] = None
        else:
            self._congested.pop(what, None)
        for stream in self._streams.values():
            if what in (stream.way.first, stream.way.flow) and not stream.outgoing.ended:
                if on and stream.reading:
                    stream.reading = False
                    effects.append(Reading(stream.socket, False))
                elif not on:
                    effects += self._may_read(stream)
        return effects

    def tick(self, now: float) -> list[EntryEffect]:
        if not self._streams and not self._ways and not self._shared:
            return []
        effects: list[EntryEffect] = []
        for way in {id(stream.way): stream.way for stream in self._streams.values()}.values():
            fallen = self._hops and not self._routes.stands(way.route)
            way.fallen = (now if way.fallen is None else way.fallen) if fallen else None
        for stream in list(self._streams.values()):
            if stream.way.has_credit and not stream.outgoing.next and now - stream.opened >= SERVER_FIRST:
                effects += self._emit(stream, b"", False, stream.granted, now)
            if now - stream.asked >= PATIENCE:
                self._give_up(stream)
            over = stream.incoming.received or stream.outgoing.ended
            if not stream.way.has_credit and over and now - stream.active > SILENT_EXIT:
                effects += self._close(stream, None, now)
            elif failure := self._overdue(stream, now):
                effects += self._again(stream, failure, now)
            elif failure := self._lost(stream, now):
                effects += self._close(stream, failure, now)
            elif self._hops and stream.way.has_credit and stream.losses.unsure(stream.outgoing, now):
                # Not as the last one, though it may be behind that: an exit that has forgotten the stream says so then.
                effects += self._emit(stream, b"", False, stream.granted, now)
        in_use = {id(stream.way) for stream in self._streams.values()}
        self._ways = {
            number: way for number, way in self._ways.items() if id(way) in in_use or now - way.used < ROUTE_MEMORY
        }
        self._shared = {group: way for group, way in self._shared.items() if now - way.made < ROUTE_LIFE}
        return effects

    def next_wake(self, now: float) -> float:
        if not self._streams:
            return now + 10.0
        waiting = [
            stream.opened + SERVER_FIRST
            for stream in self._streams.values()
            if stream.way.has_credit and not stream.outgoing.next
        ]
        unanswered = [stream.asked for stream in self._streams.values() if stream.attempt.unanswered is not None]
        due = [asked + delay for asked in unanswered for delay in (STALE_FOR, ANSWER_WITHIN) if asked + delay > now]
        return max(now, min([now + 10.0, *waiting, *due]))

    def renew(self) -> int:
        """New streams get new ways: how many are left to the streams they have."""
        left = len(self._shared)
        self._shared.clear()
        return left

    # --- inside ---

    def _overdue(self, stream: EntryStream, now: float) -> Failure | None:
        """Why nothing will come the way of a stream any more, if an answer should have come by now.

        An exit of ours says that the server is reached. One of 0.9.1 says nothing until the server does, which may
        take as long as it likes, but for a TLS hello. What waits behind others' data on the same way isn't overdue.
        """
        way, waited = stream.way, now - stream.asked
        if not self._hops or not stream.outgoing.next or stream.attempt.unanswered is None:
            return None
        if waited >= STALE_FOR and way.fallen is not None:
            return Failure(Cause.UNREACHABLE, SOME_HOP, UNLINKED)
        silent = min(waited, now - way.heard) if way.has_credit else waited
        if silent >= ANSWER_WITHIN and (way.has_credit or stream.attempt.greets):
            return Failure(Cause.SILENT, way.exit)
        return None

    def _lost(self, stream: EntryStream, now: float) -> Failure | None:
        """Why a stream that was answered can't go on, if something of it was lost on the way."""
        way = stream.way
        if stream.losses.lost(stream.incoming, now):
            return Failure(Cause.PACKET_LOST, SOME_HOP)
        if way.fallen is not None and now - max(way.fallen, way.heard) >= ANSWER_WITHIN:
            return Failure(Cause.UNREACHABLE, SOME_HOP, UNLINKED)
        return None

    def _way(self, group: str, now: float, avoid: tuple[PublicKey, ...]) -> Way:
        way = self._shared.get(group)
        if way is None or avoid or now - way.made >= ROUTE_LIFE or not self._routes.stands(way.route):
            route = self._routes.find(self._hops, 1_000, avoid) if self._hops else self._routes.zero_hop()
            number = self._next_return_id
            self._next_return_id = (number + 1) & 0xFFFFFFFF
            purse = self._purses.of(group, now)
            hops = round_trip(self._keys, route.over, route.back, self._purses[purse].of, number)
            way = Way(route, hops, number, now, now, purse)
            self._ways[number] = self._shared[group] = way
        way.used = now
        return way

    def _send(self, stream: EntryStream, data: bytes, now: float, last: bool = False) -> list[EntryEffect]:
        if stream.outgoing.ended:
            return []
        if data:
            stream.attempt.said(data)
        return self._emit(stream, data, last, stream.granted, now)

    def _emit(self, stream: EntryStream, data: bytes, last: bool, window: int, now: float) -> list[EntryEffect]:
        way = stream.way
        way.used = now
        if not stream.outgoing.next:
            stream.asked = now
        request = ClientRequest(
            stream.key,
            stream.outgoing.packet(data, last),
            stream.host,
            stream.port,
            "TLS" if stream.port == 443 else "HTTP",
            self.alias.public_key,
            window if way.has_credit else None,
        )
        payload = self._keys.seal(way.route.exit.key, encode_message(request))
        package = Package(shift(way.hops, self._keys), payload)
        # 0.9.1 takes nothing for an empty request, though it books one as originator; ours don't book it.
        exit_size = None if way.has_credit and not data else len(data)
        charges = self._owe(way, exit_size, way.route.relays_over, len(payload))
        if not stream.heard:
            for wallet, wei in charges:
                stream.provisional[wallet] = stream.provisional.get(wallet, 0) + wei
        return [Forward(way.first, package, way.flow)]

    def _owe(
        self, way: Way, exit_size: int | None, relays: tuple[Service, ...], payload_size: int
    ) -> list[tuple[Address, int]]:
        """Book what others are paid for: the exit for plain bytes (None: nothing), each relay for the payload."""
        if not self._hops:
            return []
        exit = way.route.exit
        charges = [] if exit_size is None else [(exit.wallet, exit.rates.exit_charge(exit_size))]
        charges += [(relay.wallet, relay.rates.routing_charge(payload_size)) for relay in relays]
        for wallet, wei in charges:
            self._tab.owe(wallet, wei, way.purse)
        return charges

    def _give_up(self, stream: EntryStream) -> None:
        """What its way has cost so far without an answer is listed."""
        self.unanswered.add(stream.provisional)
        stream.provisional.clear()

    def _answered(self, stream: EntryStream, message: ClientResponse, now: float) -> list[EntryEffect]:
        if message.window is not None:
            if message.window == 0:
                failure = _told(stream, message, Cause.CLOSED)
                if failure.cause in NOT_REACHED and not stream.incoming.received:
                    return self._again(stream, failure, now)
                return self._close(stream, _told(stream, message, Cause.CLOSED), now)
            stream.outgoing.limit = max(stream.outgoing.limit or 0, message.window)
        ended = stream.incoming.ended
        try:
            data = stream.incoming.push(message.packet)
        except MalformedError as error:
            failure = Failure(Cause.PACKET_LOST, SOME_HOP, str(error))
            return [*self._stop_exit(stream, now), CloseSocket(stream.socket, failure)]
        refused = stream.incoming.ended and not stream.incoming.received and not stream.way.has_credit
        if refused and not stream.outgoing.ended:
            return self._refused(stream, now)
        stream.attempt.answered()
        effects = self._may_read(stream)
        if data:
            if stream.incoming.received > stream.granted + ONE_READ and stream.way.has_credit:
                return self._close(stream, Failure(Cause.CREDIT, stream.way.exit), now)
            if stream.congested:
                stream.held += len(data)
                if stream.held > MAX_HELD:
                    words = "the client reads too slowly, and this exit (0.9.1) can't be told to wait"
                    return self._close(stream, Failure(Cause.SLOW_READER, CLIENT, words), now)
            effects += [WriteSocket(stream.socket, data), *self._grant(stream, now)]
        if stream.incoming.ended and not ended:
            if stream.outgoing.ended or not stream.way.has_credit:
                self._remove(stream)
                effects.append(CloseSocket(stream.socket))
            else:
                effects.append(EndSocket(stream.socket))
        return effects

    def _refused(self, stream: EntryStream, now: float) -> list[EntryEffect]:
        """An exit of 0.9.1 ended a stream before its first byte: it has no other word for a server that refuses."""
        words = f"{stream.host} refused the connection, or ended it without a word"
        failure = Failure(Cause.NOT_CONNECTED, stream.way.exit, words)
        return self._again(stream, failure, now) if stream.attempt.harmless else self._close(stream, failure, now)

    def _grant(self, stream: EntryStream, now: float) -> list[EntryEffect]:
        """Credit for the exit, once half of what it had is used up and the client keeps pace."""
        if not stream.way.has_credit or stream.congested or stream.incoming.ended:
            return []
        window = shared_window(len(self._streams))
        limit = stream.incoming.received + window
        if limit - stream.granted < window // 2:
            return []
        stream.granted = limit
        return self._emit(stream, b"", stream.outgoing.ended, limit, now)

    def _may_read(self, stream: EntryStream) -> list[EntryEffect]:
        on = not stream.outgoing.blocked and self._congested.keys().isdisjoint((stream.way.first, stream.way.flow))
        if on == stream.reading or stream.outgoing.ended:
            return []
        stream.reading = on
        return [Reading(stream.socket, on)]

    def _again(self, stream: EntryStream, failure: Failure, now: float) -> list[EntryEffect]:
        """Take a stream that nothing was answered to over another way, or close it."""
        self._shared.pop(stream.group, None)
        again = stream.attempt.again(stream.way.route.exit.key)
        if again is None:
            return self._close(stream, failure, now)
        try:
            try:
                way = self._way(stream.group, now, tuple(sorted(stream.attempt.tried)))
            except UnavailableError:
                way = self._way(stream.group, now, ())  # The same exit again, if there is no other, as 0.9.1 does.
        except UnavailableError:
            return self._close(stream, failure, now)
        effects: list[EntryEffect] = []
        ended = stream.outgoing.ended
        if failure.cause is Cause.SILENT and stream.way.has_credit:
            effects += self._emit(stream, b"", True, 0, now)  # One that is only slow serves nobody any more.
        self._give_up(stream)
        del self._streams[stream.key]
        stream.key = self._random(20)  # It may be the same exit, which has begun to answer.
        self._streams[stream.key] = stream
        stream.way, stream.heard = way, False
        stream.incoming, stream.losses = Incoming(), Losses()
        stream.outgoing = Outgoing(limit=WINDOW if way.has_credit else None)
        for data in again:
            effects += self._emit(stream, data, False, stream.granted, now)
        if ended:
            effects += self._emit(stream, b"", True, stream.granted, now)
        return effects + self._may_read(stream)

    def _close(self, stream: EntryStream, failure: Failure | None, now: float) -> list[EntryEffect]:
        effects = [] if failure is None and stream.outgoing.ended else self._stop_exit(stream, now)
        self._remove(stream)
        return [*effects, CloseSocket(stream.socket, failure)]

    def _stop_exit(self, stream: EntryStream, now: float) -> list[EntryEffect]:
        """Tell the exit that nobody listens any more: the last packet, and credit 0 for an exit of ours."""
        ended = stream.outgoing.ended and not stream.way.has_credit
        effects = [] if ended else self._emit(stream, b"", True, 0, now)
        self._remove(stream)
        return effects

    def _remove(self, stream: EntryStream) -> None:
        self._give_up(stream)
        self._streams.pop(stream.key, None)
        self._sockets.drop(stream.socket)


def _told(stream: EntryStream, message: ClientResponse | DnsResolveFailed, otherwise: Cause) -> Failure:
    """What an exit says of why a stream came to nothing. 0.9.1 says no more than that."""
    cause = otherwise if message.code is None else END_CAUSES[end_code(message.code)]
    words = printable(message.reason) if message.reason else ""
    return Failure(cause, stream.way.exit, words or f"it could not resolve or reach {stream.host}")
