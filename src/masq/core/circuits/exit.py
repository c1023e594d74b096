"""The exit's end of circuits: their streams, datagrams and look-ups on the Internet (protocol.md 15.4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from masq.core.circuits.pace import Budget
from masq.core.circuits.passage import Billing, Passage
from masq.core.circuits.quiet import HalfEnded
from masq.core.circuits.terminal import LAZY, Departures, HeldBack, Outbox, Terminal, TerminalStream
from masq.core.circuits.ways import Ways
from masq.core.effects import (
    Bind,
    CloseSocket,
    Connect,
    EndCircuit,
    EndSocket,
    Log,
    Reading,
    Resolve,
    SendDatagram,
    SendFrame,
    WriteSocket,
)
from masq.core.failure import END_CODES, Cause, Failure
from masq.core.limits import DATAGRAMS_PER_NAME, QUIET_FOR, QUIET_UNDER_PRESSURE, WINDOWS, Limits
from masq.core.sockets import OwnSockets, Sockets
from masq.wire import cbor
from masq.wire.circuit import (
    NO_SUCH_NAME,
    Addresses,
    CellMessage,
    Close,
    Command,
    Resolution,
    StreamEnd,
    decode_begin,
    decode_datagram,
    decode_resolve,
    encode_datagram,
    encode_end,
    encode_resolved,
    end_of,
    messages_of,
    paid_bytes,
)

MAX_STREAMS: Final = 4_096
"""Streams of one circuit, however many may be served."""
MAX_HELD: Final = 64 * 1024 * 1024
"""Bytes that are kept for all streams: what a Node lends to slow servers, and to originators who give no credit."""
LOOK_EVERY: Final = 4 * 1024 * 1024
"""Bytes to be kept more, from one look at all that is held to the next."""

NOT_DONE: Final = (Cause.OVERLOADED, Cause.STOPPED)
"""Why a look-up has no answer that would be paid for: the exit has not asked, or not to the end."""
TOO_MANY: Final = Failure(Cause.OVERLOADED, detail="too many streams at this exit")

ExitEffect = (
    Connect
    | Bind
    | Resolve
    | WriteSocket
    | SendDatagram
    | EndSocket
    | CloseSocket
    | Reading
    | SendFrame
    | EndCircuit
    | Log
)


class CircuitExit:
    """All streams of circuits that end here."""

    def __init__(
        self,
        billing: Billing,
        sockets: Sockets,
        ways: Ways,
        limits: Limits = Limits(),
    ) -> None:
        self._billing = billing
        self._limits = limits
        self.windows = Budget(WINDOWS)
        """What others' windows are larger by than usual."""
        self._kept = 0
        """Bytes that were kept since the last look at all that is held."""
        self._sockets: OwnSockets[tuple[Passage, Terminal, TerminalStream]] = OwnSockets(sockets, self)
        self._held = HeldBack(ways.crowded)
        self._quiet: HalfEnded[TerminalStream] = HalfEnded()
        self.departures: Departures[Passage] = Departures()

    def streams(self) -> Iterator[TerminalStream]:
        return (stream for _, _, stream in self._sockets)

    # --- from the originator ---

    def cell(self, passage: Passage, data: memoryview, now: float, effects: list[ExitEffect]) -> None:
        """A cell came to its end. CryptoError: it was altered. Overdrawn, MalformedError: it breaks the rules.

        `effects` are added to: what was done until an error has to be carried out all the same.
        """
        terminal = passage.terminal
        assert terminal
        outbox: Outbox = []
        billed: int | None = None
        for message in messages_of(terminal.unpack(data)):
            if message.command == Command.DATA:
                billed = (billed or 0) + len(message.data)
                effects += self._data(terminal, message, outbox, now)
            elif message.command == Command.DATAGRAM:
                billed = (billed or 0) + len(message.data)
                effects += self._datagram(terminal, message, outbox, now)
            else:
                effects += self._message(passage, terminal, message, outbox, now)
        effects += self._go_on(terminal, outbox, now)
        if billed is not None:
            effects += self._billing.earn(passage, billed, True, now)
        # An answer alone can wait for what the server says, or for the next of its bytes.
        lazy = len(outbox) == 1 and outbox[0][1] == Command.ECHOED
        effects += self._send(passage, terminal, outbox, now, lazy)
        effects += self._relieve()

    def _data(self, terminal: Terminal, message: CellMessage, outbox: Outbox, now: float) -> list[ExitEffect]:
        stream = terminal.streams.get(message.stream)
        size = len(message.data)
        if stream is None or stream.ended_in or stream.carries != Command.DATA:  # It has just ended, most likely.
            outbox += terminal.discarded(size, now)
            return []
        terminal.arrived(stream, size)
        if not stream.connected:
            stream.early += message.data
            outbox += terminal.kept(stream, size, now)
            self._kept += size
            return []
        if stream.congested:
            outbox += terminal.kept(stream, size, now)
            self._kept += size
        else:
            outbox += terminal.handed_on(stream, size, now)
        return [WriteSocket(stream.socket, message.data)]

    def _datagram(self, terminal: Terminal, message: CellMessage, outbox: Outbox, now: float) -> list[ExitEffect]:
        stream = terminal.streams.get(message.stream)
        size = len(message.data)
        if stream is None or not stream.udp:
            outbox += terminal.discarded(size, now)
            return []
        terminal.arrived(stream, size)
        datagram = decode_datagram(message.data)
        if stream.connected and not stream.congested:
            outbox += terminal.handed_on(stream, size, now)
            return [SendDatagram(stream.socket, *datagram)]
        # What waits, for the socket or for a look-up, is lent: credit for more comes once it is gone.
        outbox += terminal.kept(stream, size, now)
        self._kept += size
        if stream.connected:
            return [SendDatagram(stream.socket, *datagram)]
        if len(stream.early_datagrams) < DATAGRAMS_PER_NAME:
            stream.early_datagrams.append(bytes(message.data))
        return []

    def _message(
        self,
        passage: Passage,
        terminal: Terminal,
        message: CellMessage,
        outbox: Outbox,
        now: float,
    ) -> list[ExitEffect]:
        stream = terminal.streams.get(message.stream)
        match message.command:
            case Command.BEGIN | Command.RESOLVE if stream is None and message.stream:
                begun = self._begin(passage, terminal, message, now)
                if begun is None:
                    outbox.append((message.stream, Command.END, encode_end(StreamEnd.OVERLOADED, str(TOO_MANY))))
                return begun or []
            case Command.END if stream is not None:
                stream.ended_in = True
                code, _ = end_of(message.data)
                if code != StreamEnd.DONE or stream.ended_out or stream.udp:
                    # What a server doesn't read would be kept for it for good.
                    return self._forget(terminal, stream, Failure(Cause.STOPPED) if stream.congested else None)
                self._quiet.add(stream, now)
                return [EndSocket(stream.socket)] if stream.connected else []
            case Command.WINDOW | Command.ECHO | Command.ECHOED:
                terminal.about_credit(message, outbox, now)
                return []
            case _:
                return []

    def _begin(self, passage: Passage, terminal: Terminal, message: CellMessage, now: float) -> list[ExitEffect] | None:
        """None: it would be too much."""
        offered = 0
        if message.command == Command.RESOLVE:
            (host, paid), port, carries = decode_resolve(message.data), 0, 0
            offered = len(message.data) if paid else 0
        else:
            host, port, udp = decode_begin(message.data)
            carries = Command.DATAGRAM if udp else Command.DATA
        # A socket for datagrams is two: one for IPv4, one for IPv6.
        places = 2 if carries == Command.DATAGRAM else 1
        holders = ("link", passage.back[0]), ("circuit", passage.back), ("payer", passage.payer)
        if len(terminal.streams) >= MAX_STREAMS or not self._sockets.room(holders, places):
            return None
        socket = self._sockets.new()
        stream = TerminalStream(message.stream, socket, host, port, now, carries=carries, offered=offered)
        terminal.streams[stream.id] = stream
        self._sockets.serve(socket, (passage, terminal, stream), holders, places)
        if message.command == Command.RESOLVE:
            return [Resolve(socket, host, passage.payer, bool(offered))]
        return [Bind(socket, passage.payer)] if stream.udp else [Connect(socket, host, port, passage.payer)]

    def _go_on(self, terminal: Terminal, outbox: Outbox, now: float) -> list[ExitEffect]:
        """If credit has come: send what waited, and read again. Once per cell, as it may concern all streams."""
        effects: list[ExitEffect] = []
        for stream in terminal.take_granted():
            messages, reading = terminal.go_on(stream)
            outbox += messages
            effects += reading
            if stream.ended_in and stream.ended_out:
                effects += self._forget(terminal, stream)
            elif stream.ended_out:
                self._quiet.add(stream, now)
        return effects

    def _relieve(self) -> list[ExitEffect]:
        """If too much is held for all circuits, the one that holds most ends."""
        if self._kept < LOOK_EVERY:
            return []
        self._kept = 0
        held: dict[tuple[int, int], int] = {}
        for passage, _, stream in self._sockets:
            held[passage.back] = held.get(passage.back, 0) + stream.held
        effects: list[ExitEffect] = []
        while sum(held.values()) > MAX_HELD:
            worst = max(held, key=held.__getitem__)
            detail = f"{held.pop(worst)} bytes were kept for slow readers"
            effects += [
                Log("warning", "circuit_overloaded", detail),
                EndCircuit(*worst, Close.OVERLOADED, detail),
            ]
        return effects

    def closed_circuit(self, passage: Passage) -> list[ExitEffect]:
        """A circuit is over, and so are its connections."""
        terminal = passage.terminal
        if terminal is None:
            return []
        self.departures.discard(terminal)
        streams = terminal.close()
        for stream in streams:
            self._sockets.drop(stream.socket)
            self._quiet.drop(stream.socket)
        return [CloseSocket(stream.socket, Failure(Cause.CLOSED)) for stream in streams]

    # --- towards the originator ---

    def _send(
        self, passage: Passage, terminal: Terminal, outbox: Outbox, now: float, lazy: bool = False
    ) -> list[ExitEffect]:
        """Messages leave soon, with others that come until then; at once if they fill a cell."""
        if terminal.post(outbox, now + LAZY if lazy else now):
            return self._pack(passage, terminal, now)
        if outbox:
            self.departures.add(terminal, passage)
        return []

    def _pack(self, passage: Passage, terminal: Terminal, now: float) -> list[ExitEffect]:
        effects: list[ExitEffect] = []
        for frame, size in terminal.cells():
            effects.append(SendFrame(terminal.link, frame, terminal.circuit))
            if size is not None:
                # The bill that may be among these was layered after the cell, so it has to follow it.
                effects += self._billing.earn(passage, size, True, now)
        # All that was posted is sent now, so these are, too.
        answers, passage.answers = passage.answers, []
        for size in answers:
            effects += self._billing.earn(passage, size, True, now)
        return effects

    def flush(self, now: float) -> list[ExitEffect]:
        """The cells whose time has come."""
        effects: list[ExitEffect] = []
        for passage in self.departures.leaving(now):
            if passage.terminal is not None:
                effects += self._pack(passage, passage.terminal, now)
        return effects

    def link_free(self, link: int) -> list[ExitEffect]:
        """A link is crowded no more: what goes over it is read again."""
        effects: list[ExitEffect] = []
        for socket in self._held.take(link):
            known = self._sockets.get(socket)
            if known is not None:
                _, terminal, stream = known
                effects += terminal.read_on(stream)
        return effects

    # --- time ---

    def tick(self, now: float) -> list[ExitEffect]:
        """Streams whose ends have no use for each other any more are closed at both."""
        pressed = self._limits.pressed(len(self._sockets))
        effects: list[ExitEffect] = []
        for stream in self._quiet.over(now, QUIET_UNDER_PRESSURE if pressed else QUIET_FOR):
            # An end that the originator has not heard of yet is the server's; else he is told that nobody listens.
            code = StreamEnd.STOPPED if stream.ended_out else StreamEnd.DONE
            effects += self._end(stream.socket, encode_end(code, "nothing was said any more"), now)
        return effects

    # --- the servers ---

    def connected(self, socket: int, address: str, now: float) -> list[ExitEffect]:
        known = self._sockets.get(socket)
        if known is None:
            return [CloseSocket(socket)]
        passage, terminal, stream = known
        stream.connected = True
        outbox: Outbox = [(stream.id, Command.CONNECTED, cbor.encode({"address": address}))]
        effects: list[ExitEffect] = []
        if stream.early:
            effects.append(WriteSocket(socket, bytes(stream.early)))
        effects += [SendDatagram(socket, *decode_datagram(data)) for data in stream.early_datagrams]
        stream.early, stream.early_datagrams = bytearray(), []
        if not stream.congested:
            outbox += terminal.handed_on(stream, 0, now)
        if stream.ended_in:
            effects.append(EndSocket(socket))
        # The originator has told its client that it is connected: this can wait for what the server says.
        return effects + self._send(passage, terminal, outbox, now, lazy=True)

    def connect_failed(self, socket: int, failure: Failure, now: float) -> list[ExitEffect]:
        return self._end(socket, encode_end(END_CODES.get(failure.cause, StreamEnd.NOT_CONNECTED), str(failure)), now)

    def resolved(self, socket: int, found: Addresses | Failure, now: float) -> list[ExitEffect]:
        known = self._sockets.get(socket)
        if known is None:
            return []
        passage, terminal, stream = known
        terminal.drop(stream.id)
        self._sockets.drop(socket)
        resolution = _resolution(found)
        if stream.offered and not (isinstance(found, Failure) and found.cause in NOT_DONE):
            resolution = resolution._replace(paid=True)
        answer = encode_resolved(resolution)
        if resolution.paid:
            passage.answers.append(paid_bytes(stream.offered, len(answer)))
        return self._send(passage, terminal, [(stream.id, Command.RESOLVED, answer)], now)

    def closed(self, socket: int, failure: Failure, now: float) -> list[ExitEffect]:
        return self._end(socket, encode_end(StreamEnd.BROKEN, str(failure)), now)

    def _end(self, socket: int, end: bytes, now: float) -> list[ExitEffect]:
        known = self._sockets.get(socket)
        if known is None:
            return []
        passage, terminal, stream = known
        return self._forget(terminal, stream) + self._send(passage, terminal, [(stream.id, Command.END, end)], now)

    def received(self, socket: int, data: memoryview, now: float) -> list[ExitEffect]:
        known = self._sockets.get(socket)
        if known is None:
            return [CloseSocket(socket)]
        passage, terminal, stream = known
        effects = self._send(passage, terminal, terminal.take(stream, data), now)
        effects += self._held.after_read(terminal, stream)
        if stream.backlog:
            self._kept += len(data)
            effects += self._relieve()
        return effects

    def datagram(self, socket: int, host: str, port: int, data: bytes, now: float) -> list[ExitEffect]:
        """A datagram came from a server. It is lost if there is no credit for it."""
        known = self._sockets.get(socket)
        if known is None:
            return [CloseSocket(socket)]
        passage, terminal, stream = known
        message = terminal.datagram(stream, encode_datagram(host, port, data))
        return self._send(passage, terminal, message, now)

    def ended(self, socket: int, now: float) -> list[ExitEffect]:
        known = self._sockets.get(socket)
        if known is None:
            return [CloseSocket(socket)]
        passage, terminal, stream = known
        stream.eof = True
        outbox, effects = terminal.go_on(stream)
        done: list[ExitEffect] = [*effects]
        if stream.ended_in and stream.ended_out:
            done += self._forget(terminal, stream)
        elif stream.ended_out:
            self._quiet.add(stream, now)
        return self._send(passage, terminal, outbox, now) + done

    def congested(self, socket: int) -> None:
        known = self._sockets.get(socket)
        if known is not None:
            known[2].congested = True

    def drained(self, socket: int, now: float) -> list[ExitEffect]:
        known = self._sockets.get(socket)
        if known is None:
            return []
        passage, terminal, stream = known
        stream.congested = False
        return self._send(passage, terminal, terminal.handed_on(stream, 0, now), now)

    def link_lost(self, link: int) -> None:
        self._held.take(link)

    def _forget(self, terminal: Terminal, stream: TerminalStream, failure: Failure | None = None) -> list[ExitEffect]:
        terminal.drop(stream.id)
        self._sockets.drop(stream.socket)
        self._quiet.drop(stream.socket)
        return [CloseSocket(stream.socket, failure)]


def _resolution(found: Addresses | Failure) -> Resolution:
    if not isinstance(found, Failure):
        return Resolution(found)
    if found.cause is Cause.NO_SUCH_NAME:
        return Resolution((), NO_SUCH_NAME)
    return Resolution((), str(found))
