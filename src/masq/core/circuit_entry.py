"""Circuits of our own: streams of our users over routes on which every Node can (protocol.md 15.3-15.6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from masq.chain.wallet import Wallet
from masq.core.circuits import cells_of
from masq.core.effects import CloseSocket, EndSocket, Log, Owe, Reading, SendFrame, Service, WriteSocket
from masq.core.routing import Route, Routes
from masq.core.terminal import Outbox, Terminal, TerminalStream
from masq.crypto import Keys
from masq.errors import CryptoError, MalformedError, UnavailableError
from masq.types import PublicKey
from masq.wire import cbor
from masq.wire.circuit import (
    CLOSE_TEXTS,
    END_TEXTS,
    EXTENSION,
    FRAME_HEAD,
    OPEN_LIFE,
    Close,
    Command,
    Control,
    End,
    Layer,
    Message,
    Seal,
    circuit_frame,
    encode_begin,
    messages_of,
)
from masq.wire.package import Component, Hop, Payer
from masq.wire.secure_link import FrameType

LIFE: Final = 600.0
"""Seconds in which a circuit takes new streams."""
IDLE: Final = 60.0
"""Seconds after its last stream and its life that a circuit is kept."""
RETRIES: Final = 3
MAX_UNANSWERED: Final = 256 * 1024
SERVER_FIRST: Final = 0.01
"""Seconds that BEGIN waits for the client's first bytes, to share a cell with them."""
BUSY: Final = 512 * 1024
"""Bytes that have come over a circuit of late beyond which a new stream gets a circuit of its own."""
MAX_SPREAD: Final = 4
"""Circuits of one group among which streams are spread."""
BLAME_LIFE: Final = 600.0
"""Seconds that a Node which failed us is avoided."""
OVERBILLED: Final = 0.01
OVERBILLED_CELLS: Final = 4

EntryEffect = WriteSocket | EndSocket | CloseSocket | Reading | SendFrame | Owe | Log


@dataclass(slots=True)
class HopBook:
    """One hop of our circuit: its keys, and what we owe it for this circuit."""

    service: Service
    backward: Layer
    control: Control
    cells: int = 0
    wei: int = 0


@dataclass(slots=True)
class OwnCircuit:
    """A circuit that we opened."""

    terminal: Terminal
    route: Route
    hops: list[HopBook]
    group: str
    opened: float
    active: float
    next_stream: int = 1
    recent: float = 0.0
    """Bytes received of late, decaying: how busy the circuit is."""
    recent_at: float = 0.0
    overbilled: bool = False


@dataclass(slots=True)
class OwnStream(TerminalStream):
    """A stream of a client, with what a retry needs."""

    circuit: OwnCircuit | None = None
    group: str = ""
    begun: bool = False
    unanswered: list[bytes] | None = field(default_factory=list)
    retries: int = RETRIES
    tried: set[PublicKey] = field(default_factory=set)


class CircuitEntry:
    """All circuits and streams of our own users."""

    def __init__(
        self,
        keys: Keys,
        routes: Routes,
        wallet: Wallet | None,
        hops: int,
        random: Callable[[int], bytes],
        next_link: Callable[[PublicKey], int | None],
        new_id: Callable[[int], int],
        epoch: float,
    ) -> None:
        self._keys = keys
        self._routes = routes
        self._wallet = wallet
        self._hops = hops
        self._random = random
        self._next_link = next_link
        self._new_id = new_id
        self._epoch = epoch
        self._circuits: dict[tuple[int, int], OwnCircuit] = {}
        self._sockets: dict[int, OwnStream] = {}
        self._payers: dict[PublicKey, Payer] = {}
        self._blamed: dict[PublicKey, tuple[float, str]] = {}

    def streams(self) -> Iterator[OwnStream]:
        return iter(self._sockets.values())

    def owns(self, socket: int) -> bool:
        return socket in self._sockets

    def owns_circuit(self, link: int, circuit: int) -> bool:
        return (link, circuit) in self._circuits

    # --- from the client ---

    def open(self, socket: int, host: str, port: int, group: str, now: float) -> list[EntryEffect]:
        """A client wants to be connected. UnavailableError: there is no route of Nodes that can circuits."""
        stream = OwnStream(0, socket, host, port, now, group=group)
        effects = self._attach(stream, now)
        self._sockets[socket] = stream
        return effects

    def received(self, socket: int, data: bytes, now: float) -> list[EntryEffect]:
        stream = self._sockets.get(socket)
        if stream is None or stream.circuit is None:
            return [CloseSocket(socket)]
        if stream.unanswered is not None:
            stream.unanswered.append(data)
            if sum(map(len, stream.unanswered)) > MAX_UNANSWERED:
                stream.unanswered = None
        outbox = self._begin(stream)
        outbox += stream.circuit.terminal.take(stream, data)
        effects = self._send(stream.circuit, outbox, now)
        if stream.reading and not stream.circuit.terminal.may_read(stream):
            stream.reading = False
            effects.append(Reading(socket, False))
        return effects

    def ended(self, socket: int, now: float) -> list[EntryEffect]:
        """The client sends no more; it may still read."""
        stream = self._sockets.get(socket)
        if stream is None or stream.circuit is None:
            return [CloseSocket(socket)]
        stream.eof = True
        outbox = self._begin(stream)
        effects = self._continue(stream, outbox)
        sent = self._send(stream.circuit, outbox, now)
        if stream.ended_in and stream.ended_out:
            effects += self._forget(stream)
        return sent + effects

    def closed(self, socket: int, now: float) -> list[EntryEffect]:
        """The client is gone: the exit is told to stop."""
        stream = self._sockets.get(socket)
        return [] if stream is None else self._stop(stream, now)

    def congested(self, socket: int) -> None:
        stream = self._sockets.get(socket)
        if stream is not None:
            stream.congested = True

    def drained(self, socket: int, now: float) -> list[EntryEffect]:
        stream = self._sockets.get(socket)
        if stream is None or stream.circuit is None:
            return []
        stream.congested = False
        return self._send(stream.circuit, stream.circuit.terminal.handed_on(stream, 0), now)

    # --- frames ---

    def frame(self, link: int, circuit: int, type: int, data: memoryview, now: float) -> list[EntryEffect]:
        own = self._circuits.get((link, circuit))
        if own is None:
            return []
        match type:
            case FrameType.CELL:
                return self._cell(own, data, now)
            case FrameType.CONTROL:
                return self._control(own, data, now)
            case FrameType.CLOSE:
                reason = Close(data[0]) if len(data) and data[0] in Close._value2member_map_ else Close.DONE
                return self._lost(own, CLOSE_TEXTS[reason], now)
            case _:
                return self._abandon(own, Close.PROTOCOL, now)

    def link_lost(self, link: int, now: float) -> list[EntryEffect]:
        effects: list[EntryEffect] = []
        lost = [own for (at, _), own in self._circuits.items() if at == link]
        for own in lost:
            self._blamed[own.route.over[1]] = (now, "the first Node of the route closed the link")
        for own in lost:
            effects += self._lost(own, "the link was closed", now)
        return effects

    def _cell(self, own: OwnCircuit, data: memoryview, now: float) -> list[EntryEffect]:
        effects: list[EntryEffect] = []
        outbox: Outbox = []
        billed: int | None = None
        own.active = now
        own.recent = self._busy(own, now) + len(data)
        own.recent_at = now
        try:
            for message in messages_of(own.terminal.unpack(data)):
                if message.command == Command.DATA:
                    billed = (billed or 0) + len(message.data)
                effects += self._message(own, message, outbox, now)
        except CryptoError:
            return self._abandon(own, Close.TAMPERED, now)
        except MalformedError:
            return effects + self._abandon(own, Close.CREDIT, now)
        return [self._owe(own, len(data), billed), *effects, *self._send(own, outbox, now)]

    def _busy(self, own: OwnCircuit, now: float) -> float:
        age = now - own.recent_at
        return 0.0 if age > 0.5 else own.recent * (1.0 - 2 * age)

    def _message(self, own: OwnCircuit, message: Message, outbox: Outbox, now: float) -> list[EntryEffect]:
        if message.command == Command.WINDOW:
            own.terminal.granted(message.stream, message.data)
            entry = own.terminal.streams.get(message.stream)
            going = list(own.terminal.streams.values()) if message.stream == 0 else [entry] if entry else []
            effects: list[EntryEffect] = []
            for each in going:
                if isinstance(each, OwnStream):
                    effects += self._continue(each, outbox)
            return effects
        stream = own.terminal.streams.get(message.stream)
        if not isinstance(stream, OwnStream):
            if message.command == Command.DATA:  # For a stream that has ended here.
                own.terminal.allowance -= len(message.data)
                own.terminal.unreturned += len(message.data)
            return []
        match message.command:
            case Command.CONNECTED:
                stream.connected = True
                return []
            case Command.DATA:
                stream.unanswered = None
                own.terminal.arrived(stream, len(message.data))
                if stream.congested:
                    stream.unreturned += len(message.data)
                    own.terminal.unreturned += len(message.data)
                else:
                    outbox += own.terminal.handed_on(stream, len(message.data))
                return [WriteSocket(stream.socket, bytes(message.data))]
            case Command.END:
                code = message.data[0] if message.data else 0
                if code != End.DONE:
                    text = END_TEXTS[End(code)] if code in End._value2member_map_ else f"reason {code}"
                    return self._failed(stream, f"the exit {name_of(own.route.exit.key)} says: {text}", now)
                stream.unanswered = None
                stream.ended_in = True
                return self._forget(stream) if stream.ended_out else [EndSocket(stream.socket)]
            case _:
                return []

    def _control(self, own: OwnCircuit, data: memoryview, now: float) -> list[EntryEffect]:
        """Layer after layer is removed until one hop's key fits: that hop speaks."""
        scratch = bytearray(data)
        for position, hop in enumerate(own.hops):
            hop.backward.apply(scratch, scratch)
            try:
                value = hop.control.open(bytes(scratch))
            except MalformedError:
                return self._abandon(own, Close.PROTOCOL, now)
            if value is None:
                continue
            if isinstance(value.get("bill"), dict):
                return self._check_bill(own, hop, value["bill"])
            role = "exit" if position == len(own.hops) - 1 else f"relay {position + 1}"
            reason = str(value.get("failed", "unknown"))[:100]
            # A hop that can't reach the next one may be right or lie: the one after it is avoided, too.
            blamed = own.hops[min(position + 1, len(own.hops) - 1)] if "unreachable" in reason else hop
            self._blamed[blamed.service.key] = (now, reason)
            return [Log("info", "circuit_failed", f"{role} {name_of(hop.service.key)}: {reason}")]
        return self._abandon(own, Close.TAMPERED, now)

    def _check_bill(self, own: OwnCircuit, hop: HopBook, bill: dict[str, Any]) -> list[EntryEffect]:
        try:
            cells, wei = int(bill["cells"]), int(bill["wei"])
        except (KeyError, TypeError, ValueError):
            return []
        # What is still under way to us was booked there, and is no fraud.
        slack = max(OVERBILLED_CELLS * max(1, hop.wei // max(1, hop.cells)), int(hop.wei * OVERBILLED))
        under_way = own.terminal.allowance * hop.service.rates.routing_byte_rate * 2
        if wei <= hop.wei + slack + under_way:
            return []
        own.overbilled = True
        self._blamed[hop.service.key] = (own.active, "over-billing")
        text = f"{name_of(hop.service.key)} bills {wei} wei for {cells} cells, we count {hop.wei} for {hop.cells}"
        return [Log("warning", "overbilled", text)]

    # --- circuits ---

    def _attach(self, stream: OwnStream, now: float) -> list[EntryEffect]:
        """Give a stream a circuit of its group, opening one if there is none or all are busy."""
        usable = [
            own
            for own in self._circuits.values()
            if own.group == stream.group
            and now - own.opened < LIFE
            and not own.overbilled
            and own.route.exit.key not in stream.tried
            and len(own.terminal.streams) < 2_048
        ]
        usable.sort(key=lambda own: self._busy(own, now))
        effects: list[EntryEffect] = []
        own = usable[0] if usable else None
        if own is None or (self._busy(own, now) > BUSY and len(usable) < MAX_SPREAD):
            try:
                own, effects = self._new(stream.group, tuple(stream.tried), now)
            except UnavailableError:
                if own is None:
                    raise
        stream.id, own.next_stream = own.next_stream, own.next_stream + 1
        stream.circuit, stream.begun = own, False
        own.terminal.streams[stream.id] = stream
        return effects

    def _new(self, group: str, avoid: tuple[PublicKey, ...], now: float) -> tuple[OwnCircuit, list[EntryEffect]]:
        self._blamed = {key: why for key, why in self._blamed.items() if now - why[0] < BLAME_LIFE}
        try:
            route, link = self._way((*avoid, *self._blamed))
        except UnavailableError:
            route, link = self._way(avoid)
        way = route.over
        circuit = self._new_id(link)
        secrets = [self._random(32) for _ in way[1:]]
        expires = int(self._epoch + now) + OPEN_LIFE
        elements = []
        for position, (reader, secret) in enumerate(zip(way[1:], secrets, strict=True), 1):
            following = way[position + 1] if position + 1 < len(way) else b""
            component = Component.HOPPER if following else Component.PROXY_CLIENT
            hop = Hop(following, self._payer(reader), component, secret, expires)
            elements.append(self._keys.seal(reader, hop.encode()))
        # One element more, so that the first relay can't tell that it is the first.
        elements.append(self._keys.garbage(len(elements[0])))
        backward = [Layer(secret, False) for secret in secrets]
        services = [*route.relays_over, route.exit]
        hops = [
            HopBook(service, layer, Control(secret))
            for service, layer, secret in zip(services, backward, secrets, strict=True)
        ]
        terminal = Terminal(
            link,
            circuit,
            Seal(secrets[-1], True),
            Seal(secrets[-1], False),
            [Layer(secret, True) for secret in secrets],
            backward,
        )
        own = OwnCircuit(terminal, route, hops, group, now, now)
        self._circuits[link, circuit] = own
        return own, [SendFrame(link, circuit_frame(FrameType.OPEN, circuit, cbor.encode(elements)), circuit)]

    def _way(self, avoid: tuple[PublicKey, ...]) -> tuple[Route, int]:
        """A route, and our secure link to its first Node. A neighbor whose link was just lost is still known as one."""
        unlinked: tuple[PublicKey, ...] = ()
        while True:
            route = self._routes.find(self._hops, 1_000, (*avoid, *unlinked), EXTENSION)
            link = self._next_link(route.over[1])
            if link is not None:
                return route, link
            unlinked += (route.over[1],)

    def _payer(self, reader: PublicKey) -> Payer | None:
        if self._wallet is None:
            return None
        payer = self._payers.get(reader)
        if payer is None:
            if len(self._payers) > 4096:
                self._payers.clear()
            payer = self._payers[reader] = Payer.sign(self._wallet, self._keys.digest_of(reader))
        return payer

    def overrun(self, link: int, circuit: int, now: float) -> list[EntryEffect]:
        own = self._circuits.get((link, circuit))
        return [] if own is None else self._abandon(own, Close.OVERLOADED, now)

    def _abandon(self, own: OwnCircuit, reason: Close, now: float) -> list[EntryEffect]:
        """Close a circuit from our side."""
        effects = self._lost(own, CLOSE_TEXTS[reason], now)
        terminal = own.terminal
        frame = circuit_frame(FrameType.CLOSE, terminal.circuit, bytes((reason,)))
        return [SendFrame(terminal.link, frame, terminal.circuit), *effects]

    def _lost(self, own: OwnCircuit, reason: str, now: float) -> list[EntryEffect]:
        """A circuit is gone: its streams are taken over another one if nothing was delivered yet, or end."""
        self._circuits.pop((own.terminal.link, own.terminal.circuit), None)
        effects: list[EntryEffect] = []
        for hop in own.hops:
            if hop.service.key in self._blamed:
                reason = f"{name_of(hop.service.key)}: {self._blamed[hop.service.key][1]}"
        # If a relay is to blame, the exit may serve over another way; perhaps it is the only one.
        exit_failed = not any(hop.service.key in self._blamed for hop in own.hops[:-1])
        for stream in list(own.terminal.streams.values()):
            if isinstance(stream, OwnStream):
                effects += self._failed(stream, reason, now, exit_failed)
        return effects

    def tick(self, now: float) -> list[EntryEffect]:
        effects: list[EntryEffect] = []
        for stream in list(self._sockets.values()):
            if not stream.begun and now - stream.opened >= SERVER_FIRST and stream.circuit is not None:
                effects += self._send(stream.circuit, self._begin(stream), now)
        for own in list(self._circuits.values()):
            if not own.terminal.streams and now - own.opened > LIFE and now - own.active > IDLE:
                effects += self._abandon(own, Close.DONE, now)
        return effects

    def next_wake(self, now: float) -> float:
        waiting = [stream.opened + SERVER_FIRST for stream in self._sockets.values() if not stream.begun]
        return max(now, min([now + 10.0, *waiting]))

    # --- streams ---

    def _begin(self, stream: OwnStream) -> Outbox:
        if stream.begun:
            return []
        stream.begun = True
        return [(stream.id, Command.BEGIN, encode_begin(stream.host, stream.port))]

    def _send(self, own: OwnCircuit, outbox: Outbox, now: float) -> list[EntryEffect]:
        effects: list[EntryEffect] = []
        for messages in cells_of(outbox):
            sizes = [len(data) for _, command, data in messages if command == Command.DATA]
            frame = own.terminal.pack(messages)
            effects.append(self._owe(own, len(frame) - FRAME_HEAD, sum(sizes) if sizes else None))
            effects.append(SendFrame(own.terminal.link, frame, own.terminal.circuit))
            own.active = now
        return effects

    def _owe(self, own: OwnCircuit, size: int, data: int | None) -> Owe:
        *relays, last = own.hops
        for hop in relays:
            hop.cells += 1
            hop.wei += hop.service.rates.routing_charge(size)
        if data is not None:
            last.cells += 1
            last.wei += last.service.rates.exit_charge(data)
        return Owe(last.service, data, own.route.relays_over, size)

    def _continue(self, stream: OwnStream, outbox: Outbox) -> list[EntryEffect]:
        assert stream.circuit
        terminal = stream.circuit.terminal
        outbox += terminal.take(stream, b"")
        if stream.eof and not stream.backlog and not stream.ended_out:
            stream.ended_out = True
            outbox.append((stream.id, Command.END, bytes((End.DONE,))))
        if not stream.reading and not stream.eof and terminal.may_read(stream):
            stream.reading = True
            return [Reading(stream.socket, True)]
        return []

    def _failed(self, stream: OwnStream, reason: str, now: float, exit_failed: bool = True) -> list[EntryEffect]:
        """A stream failed: it goes another way if its client has seen nothing yet, or the client is told."""
        own = stream.circuit
        assert own
        own.terminal.streams.pop(stream.id, None)
        again = stream.unanswered
        if again is None or stream.retries == 0:
            self._sockets.pop(stream.socket, None)
            return [CloseSocket(stream.socket, reason)]
        stream.retries -= 1
        if exit_failed:
            stream.tried.add(own.route.exit.key)
        fresh = OwnStream(0, stream.socket, stream.host, stream.port, now, group=stream.group)
        fresh.retries, fresh.tried, fresh.unanswered, fresh.eof = stream.retries, stream.tried, again, stream.eof
        fresh.congested = stream.congested
        try:
            effects = self._attach(fresh, now)
        except UnavailableError:
            self._sockets.pop(stream.socket, None)
            return [CloseSocket(stream.socket, reason)]
        self._sockets[stream.socket] = fresh
        assert fresh.circuit
        outbox = self._begin(fresh)
        for data in again:
            outbox += fresh.circuit.terminal.take(fresh, data)
        effects += self._continue(fresh, outbox)
        if not stream.reading and fresh.reading and not fresh.eof:
            effects.append(Reading(fresh.socket, True))
        return effects + self._send(fresh.circuit, outbox, now)

    def _stop(self, stream: OwnStream, now: float) -> list[EntryEffect]:
        own = stream.circuit
        assert own
        self._forget(stream)
        if not stream.begun:
            return []
        return self._send(own, [(stream.id, Command.END, bytes((End.STOPPED,)))], now)

    def _forget(self, stream: OwnStream) -> list[EntryEffect]:
        self._sockets.pop(stream.socket, None)
        if stream.circuit is not None:
            stream.circuit.terminal.streams.pop(stream.id, None)
        return [CloseSocket(stream.socket)]


def name_of(key: PublicKey) -> str:
    """How a Node is named to people: the first characters of its key."""
    return key.hex()[:8]
