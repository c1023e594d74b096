"""Streams, datagrams and look-ups of our own users, over circuits (protocol.md 15.4)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from masq.core.attempt import Attempt
from masq.core.circuits.origin import CLOSING, IDLE, OwnCircuit, OwnCircuits
from masq.core.circuits.quiet import HalfEnded
from masq.core.circuits.terminal import ABOUT_CREDIT, LAZY, Departures, HeldBack, Outbox, Overdrawn, TerminalStream
from masq.core.circuits.vigil import PROBE_HOST, Pulse, Vigil
from masq.core.circuits.ways import Ways
from masq.core.effects import (
    Accepted,
    CloseSocket,
    EndSocket,
    Log,
    Reading,
    Resolved,
    SendDatagram,
    SendFrame,
    SocketEffect,
    Stated,
    WriteSocket,
)
from masq.core.failure import CLIENT, CLOSE_CAUSES, END_CAUSES, SOME_HOP, Cause, Failure, printable
from masq.core.limits import QUIET_FOR
from masq.core.sockets import OwnSockets, Sockets
from masq.core.view import StreamView
from masq.errors import CryptoError, MalformedError, UnavailableError
from masq.wire.circuit import (
    BILLED,
    BLOCK,
    HEAD,
    CellMessage,
    Close,
    Command,
    StreamEnd,
    data_of,
    decode_datagram,
    decode_resolved,
    encode_begin,
    encode_datagram,
    encode_end,
    encode_resolve,
    end_of,
    messages_of,
    reason_of,
)
from masq.wire.noise import TAG
from masq.wire.secure_link import Frame, FrameType

SERVER_FIRST: Final = 0.01
"""Seconds that BEGIN waits for the client's first bytes, to share a cell with them."""
SMALL: Final = 256 * 1024
"""Bytes received beyond which a stream whose client hangs up is taken to have more to come."""
RESOLVE_FOR: Final = 15.0
"""Seconds that an exit has to answer a look-up."""
CONNECTED_FOR: Final = 60.0
"""Seconds that an exit has to tell what became of a stream: it gives a server 5 s for each of its addresses."""

EntryEffect = SocketEffect | SendFrame | Log | Stated


class Wish(IntEnum):
    """What a user wants of an exit: by what it brings that is paid for."""

    STREAM = Command.DATA
    DATAGRAMS = Command.DATAGRAM
    RESOLUTION = 0


@dataclass(slots=True)
class OwnStream(TerminalStream):
    """A stream of a client, with what a retry needs."""

    carries: Wish = Wish.STREAM
    circuit: OwnCircuit | None = None
    group: str = ""
    begun: bool = False
    attempt: Attempt = field(default_factory=Attempt)

    @property
    def patience(self) -> float:
        """Seconds that the exit has to say the first word of it."""
        match self.carries:
            case Wish.STREAM if not self.connected and not self.received:
                return CONNECTED_FOR
            case Wish.RESOLUTION:
                return RESOLVE_FOR
            case _:
                return math.inf

    @property
    def target(self) -> str:
        """For people."""
        match self.carries:
            case Wish.STREAM:
                return f"{self.host}:{self.port}"
            case Wish.DATAGRAMS:
                return "datagrams"
            case Wish.RESOLUTION:
                return f"look-up of {self.host}"

    def first_message(self) -> tuple[int, int, bytes]:
        if self.carries is Wish.RESOLUTION:
            return self.id, Command.RESOLVE, encode_resolve(self.host, paid=True)
        return self.id, Command.BEGIN, encode_begin(self.host, self.port, self.carries is Wish.DATAGRAMS)


class CircuitEntry:
    """All streams of our own users that go over circuits."""

    def __init__(self, circuits: OwnCircuits, sockets: Sockets, ways: Ways) -> None:
        self.circuits = circuits
        self._sockets: OwnSockets[OwnStream] = OwnSockets(sockets, self)
        self._held = HeldBack(ways.crowded)
        self._quiet: HalfEnded[OwnStream] = HalfEnded()
        self._crowded = ways.crowded
        self.vigil = Vigil()
        self._silent: dict[int, OwnStream] = {}
        """Streams whose clients have said nothing yet."""
        self.departures: Departures[OwnCircuit] = Departures()

    def streams(self) -> Iterator[OwnStream]:
        return iter(self._sockets)

    def view(self, now: float) -> tuple[StreamView, ...]:
        return tuple(
            StreamView(
                id=f"{stream.circuit.terminal.circuit}.{stream.id}",
                target=stream.target,
                route=tuple(key.hex() for key in stream.circuit.route.over),
                back=tuple(key.hex() for key in stream.circuit.route.over[::-1]),
                sent=stream.sent,
                received=stream.received,
                age=now - stream.opened,
            )
            for stream in self.streams()
            if stream.circuit
        )

    # --- from the client ---

    def open(
        self, kind: Wish, host: str, port: int, group: str, now: float, eager: bool = False
    ) -> tuple[int, list[EntryEffect]]:
        """A client wants something: the id of its socket. FailureError: there is no route of Nodes that do circuits.

        `eager`: the client waits to be told that it is connected before it says anything.
        """
        stream = OwnStream(0, 0, host, port, now, carries=kind, group=group)
        effects = self._attach(stream, now)
        socket = stream.socket = self._sockets.new()
        self._sockets.put(socket, stream)
        if kind is Wish.STREAM and not eager:
            self._silent[socket] = stream
            return socket, effects
        assert stream.circuit
        return socket, effects + self._send(stream.circuit, self._begin(stream), now)

    def received(self, socket: int, data: memoryview, now: float) -> list[EntryEffect]:
        stream = self._sockets.get(socket)
        if stream is None or stream.circuit is None:
            return [CloseSocket(socket)]
        stream.attempt.said(data)
        terminal = stream.circuit.terminal
        outbox = self._begin(stream)
        outbox += terminal.take(stream, data)
        return self._send(stream.circuit, outbox, now) + self._held.after_read(terminal, stream)

    def datagram(self, socket: int, host: str, port: int, data: bytes, now: float) -> list[EntryEffect]:
        """A client sends a datagram. It is lost if there is no credit for it."""
        stream = self._sockets.get(socket)
        if stream is None or stream.circuit is None:
            return [CloseSocket(socket)]
        message = stream.circuit.terminal.datagram(stream, encode_datagram(host, port, data))
        return self._send(stream.circuit, message, now)

    def ended(self, socket: int, now: float) -> list[EntryEffect]:
        """The client sends no more; it may still read."""
        stream = self._sockets.get(socket)
        if stream is None or stream.circuit is None:
            return [CloseSocket(socket)]
        stream.eof = True
        outbox = self._begin(stream)
        messages, effects = stream.circuit.terminal.go_on(stream)
        done: list[EntryEffect] = [*effects]
        if stream.ended_in and stream.ended_out:
            done += self._forget(stream)
        else:
            self._quiet.add(stream, now)
        return self._send(stream.circuit, outbox + messages, now) + done

    def closed(self, socket: int, failure: Failure, now: float) -> list[EntryEffect]:
        """The client is gone: the exit is told to stop."""
        stream = self._sockets.get(socket)
        if stream is None:
            return []
        own = stream.circuit
        assert own
        effects = self._forget(stream)
        if not stream.begun:
            return effects
        # Bytes that nobody wants any more are on their way: telling is urgent while a stream has more to come.
        lazy = stream.received < SMALL or stream.ended_in
        return effects + self._send(own, [(stream.id, Command.END, encode_end(StreamEnd.STOPPED))], now, lazy)

    def congested(self, socket: int) -> None:
        stream = self._sockets.get(socket)
        if stream is not None:
            stream.congested = True

    def drained(self, socket: int, now: float) -> list[EntryEffect]:
        stream = self._sockets.get(socket)
        if stream is None or stream.circuit is None:
            return []
        stream.congested = False
        return self._send(stream.circuit, stream.circuit.terminal.handed_on(stream, 0, now), now)

    # --- frames ---

    def frame(self, own: OwnCircuit, frame: Frame, now: float) -> list[EntryEffect]:
        kind, wire = frame
        if kind == FrameType.CELL:
            return self._cell(own, data_of(wire), now)
        if kind == FrameType.CONTROL:
            said = self.circuits.control(own, data_of(wire), now)
            return self._abandon(own, Close.TAMPERED, now) if said is None else list(said)
        if kind == FrameType.CLOSE:
            return self._lost(own, CLOSE_CAUSES[reason_of(wire)], now)
        return self._abandon(own, Close.PROTOCOL, now)

    def link_lost(self, link: int, now: float) -> list[EntryEffect]:
        effects: list[EntryEffect] = []
        lost = self.circuits.over(link)
        for own in lost:
            self.circuits.fail(own, 0, Cause.LINK_LOST, "", now)
        for own in lost:
            effects += self._lost(own, Cause.LINK_LOST, now)
        self._held.take(link)
        return effects

    def link_free(self, link: int) -> list[EntryEffect]:
        """A link is crowded no more: what goes over it is read again."""
        effects: list[EntryEffect] = []
        for socket in self._held.take(link):
            stream = self._sockets.get(socket)
            if stream is not None and stream.circuit is not None:
                effects += stream.circuit.terminal.read_on(stream)
        return effects

    def _cell(self, own: OwnCircuit, data: memoryview, now: float) -> list[EntryEffect]:
        effects: list[EntryEffect] = []
        outbox: Outbox = []
        billed: int | None = None
        heads = 0
        terminal = own.terminal
        own.active = now
        self.circuits.paced(own, len(data), now)
        own.recent = own.busy(now) + len(data)
        own.recent_at = now
        try:
            plain = terminal.unpack(data)
            pulse = own.pulse
            pulse.heard = now
            if pulse.waits is not None:
                self._answered(own, now)
            for message in messages_of(plain):
                size = len(message.data)
                if message.command in BILLED:
                    billed = (billed or 0) + size
                    if size:
                        heads += HEAD
                    stream = terminal.streams.get(message.stream)
                    if (
                        not isinstance(stream, OwnStream)
                        or stream.carries != message.command
                        or stream.ended_in
                        or own.closing is not None
                    ):
                        outbox += self._discarded(own, size, now)
                        continue
                    terminal.arrived(stream, size)
                    if message.command == Command.DATAGRAM:
                        stream.attempt.renewed()
                        effects.append(SendDatagram(stream.socket, *decode_datagram(message.data)))
                    else:
                        stream.attempt.answered()
                        effects.append(WriteSocket(stream.socket, message.data))
                    if stream.congested:
                        outbox += terminal.kept(stream, size, now)
                    else:
                        outbox += terminal.handed_on(stream, size, now)
                else:
                    effects += self._message(own, message, outbox, now)
            nothing = len(data) - TAG - heads - billed if billed else len(data)
            if nothing >= BLOCK:
                own.wasted(nothing)
            effects += self._go_on(own, outbox)
        except CryptoError:
            return self._abandon(own, Close.TAMPERED, now)
        except MalformedError as error:
            # Its seal was good, so it is the exit's.
            reason = Close.CREDIT if isinstance(error, Overdrawn) else Close.PROTOCOL
            log = self.circuits.fail(own, len(own.hops) - 1, CLOSE_CAUSES[reason], str(error), now)
            return [*effects, log, *self._abandon(own, reason, now)]
        self.circuits.owe(own, len(data), billed)
        return [] if own.closing is not None else effects + self._send(own, outbox, now)

    def _discarded(self, own: OwnCircuit, size: int, now: float) -> Outbox:
        """Data came that nobody wants. Until the exit knew that, it may have used the credit that it had for it."""
        expected = min(size, own.late)
        own.late -= expected
        own.wasted(size - expected)
        if own.closing is not None:
            own.terminal.refused(size)
            return []
        return own.terminal.discarded(size, now)

    def _about_credit(self, own: OwnCircuit, message: CellMessage, outbox: Outbox, now: float) -> None:
        own.terminal.about_credit(message, outbox, now)
        if message.command == Command.WINDOW and message.stream:
            self.vigil.granted(own.pulse, int.from_bytes(message.data, "big"), now)

    def _message(self, own: OwnCircuit, message: CellMessage, outbox: Outbox, now: float) -> list[EntryEffect]:
        terminal = own.terminal
        self.circuits.answered(own, message)
        if own.closing is not None:
            return []
        if message.command in ABOUT_CREDIT:
            self._about_credit(own, message, outbox, now)
            return []
        stream = terminal.streams.get(message.stream)
        if not isinstance(stream, OwnStream):
            if message.stream == own.pulse.probe and message.command in (Command.RESOLVED, Command.END):
                self.vigil.proved(own.pulse, now)
                self._timed(own, now)
                return self._take_over(own, now)
            return []
        match message.command:
            case Command.CONNECTED if stream.carries is Wish.STREAM and not stream.connected:
                stream.connected = True
                return [Accepted(stream.socket)]
            case Command.RESOLVED if stream.carries is Wish.RESOLUTION:
                resolution = decode_resolved(message.data)
                if not resolution.error:
                    return [*self._forget(stream), Resolved(stream.socket, resolution.addresses)]
                cause = Cause.NO_SUCH_NAME if resolution.no_such_name else Cause.NOT_RESOLVED
                failure = Failure(cause, own.exit, printable(resolution.error))
                if stream.attempt.retries and not resolution.no_such_name:
                    return self._failed(stream, failure, now)
                return [*self._forget(stream), Resolved(stream.socket, failure)]
            case Command.END:
                code, detail = end_of(message.data)
                if code == StreamEnd.DONE and stream.carries is Wish.STREAM:
                    if stream.ended_in:
                        return []
                    stream.attempt.answered()
                    stream.ended_in = True
                    if stream.ended_out:
                        return self._forget(stream)
                    self._quiet.add(stream, now)
                    return [EndSocket(stream.socket)]
                return self._failed(stream, Failure(END_CAUSES[code], own.exit, detail), now)
            case _:
                return []

    def _go_on(self, own: OwnCircuit, outbox: Outbox) -> list[EntryEffect]:
        """If credit has come: send what waited, and read again. Once per cell, as it may concern all streams."""
        effects: list[EntryEffect] = []
        for stream in own.terminal.take_granted():
            messages, reading = own.terminal.go_on(stream)
            outbox += messages
            effects += reading
            if isinstance(stream, OwnStream) and stream.ended_in and stream.ended_out:
                effects += self._forget(stream)
        return effects

    # --- circuits that end ---

    def overrun(self, link: int, circuit: int, now: float) -> list[EntryEffect]:
        own = self.circuits.get(link, circuit)
        return [] if own is None else self._abandon(own, Close.OVERLOADED, now)

    def _abandon(self, own: OwnCircuit, reason: Close, now: float) -> list[EntryEffect]:
        """Close a circuit from our side."""
        if own.closing is not None:
            self.circuits.remove(own)
            return []
        if reason is Close.TAMPERED and own.failure is None:
            self.circuits.died(own, Cause.TAMPERED, now)
        failure = own.failure or Failure(CLOSE_CAUSES[reason], SOME_HOP)
        return [self.circuits.close(own, reason, now), *self._fail_streams(own, failure, now)]

    def _lost(self, own: OwnCircuit, cause: Cause, now: float) -> list[EntryEffect]:
        """A circuit is gone: its streams are taken over another one if nothing was delivered yet, or end."""
        self.circuits.remove(own)
        if own.failure is None and own.closing is None and cause is not Cause.CLOSED:
            self.circuits.died(own, cause, now)
        return self._fail_streams(own, own.failure or Failure(cause, SOME_HOP), now)

    def _fail_streams(self, own: OwnCircuit, failure: Failure, now: float) -> list[EntryEffect]:
        self.departures.discard(own.terminal)
        # If a relay is to blame, the exit may serve over another way; perhaps it is the only one.
        exit_failed = not own.suspects or (own.route.exit.key in own.suspects and failure.cause is not Cause.SILENT)
        effects: list[EntryEffect] = []
        for stream in _streams_of(own):
            stream.attempt.doubted += own.suspects
            effects += self._failed(stream, failure, now, exit_failed)
        return effects

    # --- time ---

    def tick(self, now: float) -> list[EntryEffect]:
        effects: list[EntryEffect] = []
        for stream in list(self._silent.values()):
            if now - stream.opened >= SERVER_FIRST and stream.circuit is not None:
                effects += self._send(stream.circuit, self._begin(stream), now)
        for own in list(self.circuits):
            if own.closing is not None:
                if now - own.closing > CLOSING:
                    self.circuits.remove(own)
            elif not own.terminal.streams and now - own.opened > own.life and now - own.active > IDLE:
                effects += self._abandon(own, Close.DONE, now)
        if now >= self.vigil.due:
            effects += self._look(now)
        for stream in list(self._sockets):
            if now - stream.opened > stream.patience:
                at = stream.circuit.exit if stream.circuit else SOME_HOP
                effects += self._failed(stream, Failure(Cause.SILENT, at), now)
        for stream in self._quiet.over(now, QUIET_FOR):
            # Its client is as good as gone: the exit is told to stop.
            effects += self.closed(stream.socket, Failure(Cause.CLOSED, CLIENT), now)
        return effects

    def _look(self, now: float) -> list[EntryEffect]:
        """Ask silent circuits whether they live, try other ways beside them, and give up those that are dead."""
        watched = {
            id(own.pulse): own
            for own in self.circuits
            if (own.terminal.streams or own.pulse.probe) and own.closing is None
        }

        def crowded(pulse: Pulse) -> bool:
            return self._crowded(watched[id(pulse)].terminal.link)

        pulses = [(own.pulse, own.terminal.under_way) for own in watched.values()]
        effects: list[EntryEffect] = []
        for own in [watched[id(pulse)] for pulse in self.vigil.look(pulses, crowded, now)]:
            if own.pulse.hedged:
                effects += [self.circuits.died(own, Cause.SILENT, now), *self._abandon(own, Close.DONE, now)]
                continue
            asked = bool(own.pulse.probe)
            if not asked:
                effects += self._probe(own, now)
            # One that has never said anything may never have been opened.
            if asked or not own.pulse.good:
                self.vigil.hedging(own.pulse)
                effects += self._try_beside(own, now)
        return effects

    def _probe(self, own: OwnCircuit, now: float) -> list[EntryEffect]:
        self.vigil.probing(own.pulse, own.next_stream, now)
        own.next_stream += 1
        return self._send(own, [(own.pulse.probe, Command.RESOLVE, encode_resolve(PROBE_HOST))], now)

    def _try_beside(self, own: OwnCircuit, now: float) -> list[EntryEffect]:
        """Ask over another way. If that answers first, it takes over those streams that can be begun again."""
        if not any(stream.attempt.open for stream in _streams_of(own)):
            return []
        try:
            other, effects = self.circuits.choose(own.group, set(), now, own.keys)
        except UnavailableError:
            return []
        if other is own or own in other.beside:
            return []
        other.beside.append(own)
        return [*effects, *([] if other.pulse.probe else self._probe(other, now))]

    def _take_over(self, own: OwnCircuit, now: float) -> list[EntryEffect]:
        """A circuit answered that was tried beside others. Those may have answered before it did."""
        effects: list[EntryEffect] = []
        silent, own.beside = own.beside, []
        for other in silent:
            if other.closing is not None or not other.pulse.hedged:
                continue
            for stream in [stream for stream in _streams_of(other) if stream.attempt.open]:
                if stream.begun:
                    effects += self._send(other, [(stream.id, Command.END, encode_end(StreamEnd.STOPPED))], now)
                stream.attempt.doubted += other.keys
                effects += self._failed(stream, Failure(Cause.SILENT, SOME_HOP), now, exit_failed=False)
        return effects

    def _answered(self, own: OwnCircuit, now: float) -> None:
        """Something has come for what was sent: the circuit lives."""
        if not own.pulse.good:
            self.circuits.praise(own, now)
        first = not own.pulse.good
        self.vigil.answered(own.pulse, now)
        if first:
            self._timed(own, now)

    def _timed(self, own: OwnCircuit, now: float) -> None:
        if own.pulse.rtt is not None:
            self.circuits.reputation.answered_in(own.route.over, own.pulse.rtt, now)

    def next_wake(self, now: float) -> float:
        first = next(iter(self._silent.values()), None)
        return min(self.vigil.due, now + 10.0 if first is None else max(now, first.opened + SERVER_FIRST))

    # --- streams ---

    def _attach(self, stream: OwnStream, now: float) -> list[EntryEffect]:
        own, effects = self.circuits.choose(stream.group, stream.attempt.tried, now, stream.attempt.doubted)
        if not own.terminal.streams and not own.pulse.probe:
            own.pulse.rest()
        stream.id, own.next_stream = own.next_stream, own.next_stream + 1
        stream.circuit = own
        own.terminal.streams[stream.id] = stream
        return list(effects)

    def _begin(self, stream: OwnStream) -> Outbox:
        if stream.begun:
            return []
        stream.begun = True
        self._silent.pop(stream.socket, None)
        first = stream.first_message()
        if stream.carries is Wish.RESOLUTION and stream.circuit is not None:
            stream.circuit.asked[stream.id] = len(first[2])
        return [first]

    def _send(self, own: OwnCircuit, outbox: Outbox, now: float, lazy: bool = False) -> list[EntryEffect]:
        """Messages leave soon, with others that come until then; at once if they fill a cell."""
        if own.closing is not None:
            return []
        if own.terminal.post(outbox, now + LAZY if lazy else now):
            return self._pack(own, now)
        if outbox:
            self.departures.add(own.terminal, own)
        return []

    def _pack(self, own: OwnCircuit, now: float) -> list[EntryEffect]:
        effects: list[EntryEffect] = []
        for frame, plain in own.terminal.cells():
            size = len(data_of(frame))
            self.circuits.owe(own, size, plain)
            self.vigil.sent(own.pulse, size, now)
            effects.append(SendFrame(own.terminal.link, frame, own.terminal.circuit))
            own.active = now
        return effects

    def flush(self, now: float) -> list[EntryEffect]:
        """The cells whose time has come."""
        effects: list[EntryEffect] = []
        for own in self.departures.leaving(now):
            effects += self._pack(own, now)
        return effects

    def _failed(self, stream: OwnStream, failure: Failure, now: float, exit_failed: bool = True) -> list[EntryEffect]:
        """A stream failed: it goes another way if its client has seen nothing yet, or the client is told."""
        own = stream.circuit
        assert own
        _detach(own, stream)
        never_open = failure.cause is Cause.UNREACHABLE and not own.pulse.good
        again = stream.attempt.again(own.route.exit.key if exit_failed else None, never_open)
        if again is None:
            return self._give_up(stream, failure)
        fresh = OwnStream(
            0,
            stream.socket,
            stream.host,
            stream.port,
            now,
            carries=stream.carries,
            congested=stream.congested,
            eof=stream.eof,
            group=stream.group,
            attempt=stream.attempt,
        )
        try:
            effects = self._attach(fresh, now)
        except UnavailableError:
            return self._give_up(stream, failure)
        self._sockets.put(stream.socket, fresh)
        self._quiet.drop(stream.socket)
        if fresh.eof:
            self._quiet.add(fresh, now)
        assert fresh.circuit
        terminal = fresh.circuit.terminal
        outbox = self._begin(fresh)
        for data in again:
            outbox += terminal.take(fresh, data)
        messages, reading = terminal.go_on(fresh)
        effects += reading
        if not stream.reading and fresh.reading and not fresh.eof:
            effects.append(Reading(fresh.socket, True))
        return effects + self._send(fresh.circuit, outbox + messages, now)

    def _give_up(self, stream: OwnStream, failure: Failure) -> list[EntryEffect]:
        self._sockets.drop(stream.socket)
        self._quiet.drop(stream.socket)
        self._silent.pop(stream.socket, None)
        if stream.carries is Wish.RESOLUTION:
            return [Resolved(stream.socket, failure)]
        return [CloseSocket(stream.socket, failure)]

    def _forget(self, stream: OwnStream) -> list[EntryEffect]:
        self._sockets.drop(stream.socket)
        self._quiet.drop(stream.socket)
        self._silent.pop(stream.socket, None)
        if stream.circuit is not None:
            _detach(stream.circuit, stream)
        return [] if stream.carries is Wish.RESOLUTION else [CloseSocket(stream.socket)]


def _streams_of(own: OwnCircuit) -> list[OwnStream]:
    return [stream for stream in own.terminal.streams.values() if isinstance(stream, OwnStream)]


def _detach(own: OwnCircuit, stream: OwnStream) -> None:
    """A stream is a circuit's no more; what its exit may have sent until it knows that is let come."""
    if own.terminal.drop(stream.id) is not None and not stream.ended_in and stream.carries:
        own.late += stream.allowance
