"""Circuits of others: those that pass through this Node, and those that end at it (protocol.md 15.3-15.6)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from masq.core.effects import (
    CloseSocket,
    Connect,
    Earn,
    EndSocket,
    Log,
    Reading,
    SendFrame,
    WriteSocket,
)
from masq.core.terminal import Outbox, Terminal, TerminalStream
from masq.crypto import Keys
from masq.errors import CryptoError, MalformedError, PeerError
from masq.types import Address, PublicKey, RatePack
from masq.wire import cbor
from masq.wire.circuit import (
    CLOSE_TEXTS,
    HEAD,
    MAX_PLAIN,
    OPEN_LIFE,
    Close,
    Command,
    Control,
    End,
    Layer,
    Message,
    Seal,
    circuit_frame,
    circuit_of,
    decode_begin,
    messages_of,
    passing_cell,
)
from masq.wire.package import MAX_HOPS, Hop, open_hop, shift
from masq.wire.secure_link import FrameType

MAX_PER_LINK: Final = 1_024
MAX_PER_PAYER: Final = 1_024
MAX_STREAMS: Final = 4_096
"""Streams of one circuit."""
BILL_BYTES: Final = 16 * 1024 * 1024
BILL_SECONDS: Final = 60.0
IDLE: Final = 7_200.0

CircuitEffect = Connect | WriteSocket | EndSocket | CloseSocket | Reading | SendFrame | Earn | Log
Next = Callable[[PublicKey], int | None]
"""The secure link to a Node, if one stands."""


@dataclass(slots=True)
class Bill:
    """What was booked for a circuit: told to its originator, who compares."""

    cells: int = 0
    bytes: int = 0
    wei: int = 0
    told: int = 0
    told_at: float = 0.0

    def add(self, size: int, wei: int) -> None:
        self.cells += 1
        self.bytes += size
        self.wei += wei


@dataclass(slots=True)
class Passage:
    """A circuit as one hop has it. `onward` is None at the exit, where `terminal` is its end."""

    payer: Address
    back: tuple[int, int]
    """Link and circuit id towards the originator."""
    onward: tuple[int, int] | None
    forward: Layer
    backward: Layer
    control: Control
    bill: Bill
    active: float
    terminal: Terminal | None = None


class Circuits:
    """All circuits that others have opened through or to this Node."""

    def __init__(
        self,
        keys: Keys,
        rates: RatePack,
        proven: Callable[[Hop], Address | None],
        delinquent: Callable[[Address], bool],
        owed: Callable[[Address], int],
        next_link: Next,
        outbound: Callable[[int], bool],
        exits: bool,
        epoch: float,
    ) -> None:
        """`proven` gives the verified payer of a hop. `epoch`: unix time at `now` 0."""
        self._keys = keys
        self._rates = rates
        self._proven = proven
        self._delinquent = delinquent
        self._owed = owed
        self._next_link = next_link
        self._outbound = outbound
        self._exits = exits
        self._epoch = epoch
        self._ends: dict[tuple[int, int], Passage] = {}
        self._sockets: dict[int, tuple[Passage, TerminalStream]] = {}
        self._seen: dict[bytes, int] = {}
        self._next_id: dict[int, int] = {}
        self._count: dict[Address, int] = {}

    def __iter__(self) -> Iterator[Passage]:
        return (passage for end, passage in self._ends.items() if end == passage.back)

    def owns(self, socket: int) -> bool:
        return socket in self._sockets

    def new_id(self, link: int) -> int:
        """An id for a circuit that we open on a link: odd if we dialled it, even if the peer did."""
        before = self._next_id.get(link, -1 if self._outbound(link) else 0)
        self._next_id[link] = before + 2
        return before + 2

    # --- frames ---

    def frame(
        self, link: int, type: int, body: memoryview, now: float, socket: Callable[[], int]
    ) -> list[CircuitEffect]:
        """A circuit's frame from a peer. `socket` gives ids for connections to servers."""
        circuit = circuit_of(body)
        data = body[4:]
        passage = self._ends.get((link, circuit))
        if type == FrameType.OPEN:
            return self._open(link, circuit, bytes(data), now)
        if passage is None:
            return []  # Closed a moment ago, most likely.
        forward = passage.back == (link, circuit)
        match type:
            case FrameType.CELL if forward:
                return self._cell_forward(passage, data, now, socket)
            case FrameType.CELL | FrameType.CONTROL if not forward:
                return self._cell_back(passage, type, data, now)
            case FrameType.CLOSE:
                reason = data[0] if len(data) else 0
                self._remove(passage)
                other = passage.onward if forward else passage.back
                frames = [] if other is None else [_closing(other, reason)]
                return [*frames, *self._close_sockets(passage)]
            case _:
                return self.close(passage, Close.PROTOCOL)

    def _open(self, link: int, circuit: int, body: bytes, now: float) -> list[CircuitEffect]:
        back = (link, circuit)
        if back in self._ends or circuit % 2 != (0 if self._outbound(link) else 1):
            return [_closing(back, Close.PROTOCOL)]
        try:
            elements = cbor.array(cbor.decode(body), "OPEN")
            if not 0 < len(elements) <= MAX_HOPS or not all(type(element) is bytes for element in elements):
                raise MalformedError("OPEN: up to 32 byte strings expected")
            hop = open_hop(elements[0], self._keys)
            payer = self._proven(hop)
        except PeerError as error:
            return [_closing(back, Close.REFUSED), Log("info", "circuit_refused", str(error))]
        clock = int(self._epoch + now)
        name = hashlib.sha256(elements[0]).digest()[:16]
        if hop.circuit_key is None or hop.expires is None or payer is None:
            return [_closing(back, Close.REFUSED)]
        if not clock <= hop.expires <= clock + 2 * OPEN_LIFE:
            return [_closing(back, Close.EXPIRED)]
        if name in self._seen:
            return [_closing(back, Close.REPLAYED)]
        self._seen[name] = hop.expires
        passage = Passage(
            payer,
            back,
            None,
            Layer(hop.circuit_key, True),
            Layer(hop.circuit_key, False),
            Control(hop.circuit_key),
            Bill(told_at=now),
            now,
        )
        if self._delinquent(payer):
            return self._refuse(passage, Close.DELINQUENT)
        per_link = sum(end[0] == link for end in self._ends)
        if per_link >= MAX_PER_LINK or self._count.get(payer, 0) >= MAX_PER_PAYER:
            return self._refuse(passage, Close.OVERLOADED)
        if hop.next_key:
            onward = self._next_link(hop.next_key)
            if onward is None:
                return self._refuse(passage, Close.UNREACHABLE)
            passage.onward = (onward, self.new_id(onward))
            self._ends[passage.onward] = passage
            following = cbor.encode(shift(elements, self._keys))
            effects: list[CircuitEffect] = [
                SendFrame(onward, circuit_frame(FrameType.OPEN, passage.onward[1], following), passage.onward[1])
            ]
        else:
            if not self._exits:
                return self._refuse(passage, Close.REFUSED)
            passage.terminal = Terminal(
                *back,
                Seal(hop.circuit_key, False),
                Seal(hop.circuit_key, True),
                [passage.backward],
                [passage.forward],
            )
            effects = []
        self._ends[back] = passage
        self._count[payer] = self._count.get(payer, 0) + 1
        return effects

    def _cell_forward(
        self, passage: Passage, data: memoryview, now: float, socket: Callable[[], int]
    ) -> list[CircuitEffect]:
        passage.active = now
        if passage.onward is not None:
            link, circuit = passage.onward
            frame = passing_cell(FrameType.CELL, circuit, data, passage.forward)
            return [*self._earn(passage, len(data), False, now), SendFrame(link, frame, circuit)]
        return self._cell_here(passage, data, now, socket)

    def _cell_back(self, passage: Passage, type: int, data: memoryview, now: float) -> list[CircuitEffect]:
        passage.active = now
        link, circuit = passage.back
        frame = passing_cell(type, circuit, data, passage.backward)
        earned = self._earn(passage, len(data), False, now) if type == FrameType.CELL else []
        # The bill that `earned` may hold was layered after this cell, so it has to follow it.
        return [SendFrame(link, frame, circuit), *earned]

    def _earn(self, passage: Passage, size: int, as_exit: bool, now: float) -> list[CircuitEffect]:
        charge = self._rates.exit_charge(size) if as_exit else self._rates.routing_charge(size)
        bill = passage.bill
        bill.add(size, charge)
        effects: list[CircuitEffect] = [Earn(passage.payer, size, as_exit)]
        if bill.bytes - bill.told >= BILL_BYTES or now - bill.told_at >= BILL_SECONDS:
            bill.told, bill.told_at = bill.bytes, now
            effects.append(self._tell(passage, self._bill_of(passage)))
        return effects

    def _bill_of(self, passage: Passage) -> dict[str, Any]:
        bill = passage.bill
        owed = self._owed(passage.payer)
        return {"bill": {"cells": bill.cells, "bytes": bill.bytes, "wei": str(bill.wei), "owed": str(owed)}}

    def _tell(self, passage: Passage, value: dict[str, Any]) -> SendFrame:
        """A control message to the originator, layered like a cell."""
        link, circuit = passage.back
        box = memoryview(passage.control.close(value))
        return SendFrame(link, passing_cell(FrameType.CONTROL, circuit, box, passage.backward), circuit)

    # --- ending ---

    def _refuse(self, passage: Passage, reason: Close) -> list[CircuitEffect]:
        failed = {"failed": CLOSE_TEXTS[reason], "detail": ""}
        return [self._tell(passage, failed), _closing(passage.back, reason)]

    def close(self, passage: Passage, reason: Close) -> list[CircuitEffect]:
        """End a circuit from here, and tell both sides."""
        self._remove(passage)
        effects = self._refuse(passage, reason)
        if passage.onward is not None:
            effects.append(_closing(passage.onward, reason))
        return effects + self._close_sockets(passage)

    def overrun(self, link: int, circuit: int) -> list[CircuitEffect]:
        """A frame did not fit into what may wait at a link: its circuit ends."""
        passage = self._ends.get((link, circuit))
        return [] if passage is None else self.close(passage, Close.OVERLOADED)

    def link_lost(self, link: int) -> list[CircuitEffect]:
        effects: list[CircuitEffect] = []
        for (at, _), passage in list(self._ends.items()):
            if at != link or passage.back not in self._ends:
                continue
            self._remove(passage)
            if passage.back[0] == link:
                effects += [] if passage.onward is None else [_closing(passage.onward, Close.UNREACHABLE)]
            else:
                effects += self._refuse(passage, Close.UNREACHABLE)
            effects += self._close_sockets(passage)
        self._next_id.pop(link, None)
        return effects

    def tick(self, now: float) -> list[CircuitEffect]:
        clock = int(self._epoch + now)
        self._seen = {name: expires for name, expires in self._seen.items() if expires >= clock}
        effects: list[CircuitEffect] = []
        for passage in list(self):
            if self._delinquent(passage.payer):
                effects += self.close(passage, Close.DELINQUENT)
            elif now - passage.active > IDLE:
                effects += self.close(passage, Close.DONE)
        return effects

    def _remove(self, passage: Passage) -> None:
        if self._ends.pop(passage.back, None) is not None:
            left = self._count.get(passage.payer, 1) - 1
            if left:
                self._count[passage.payer] = left
            else:
                self._count.pop(passage.payer, None)
        if passage.onward is not None:
            self._ends.pop(passage.onward, None)

    def _close_sockets(self, passage: Passage) -> list[CircuitEffect]:
        terminal = passage.terminal
        if terminal is None:
            return []
        streams = list(terminal.streams.values())
        terminal.streams.clear()
        for stream in streams:
            self._sockets.pop(stream.socket, None)
        return [CloseSocket(stream.socket, "the circuit was closed") for stream in streams]

    # --- the exit's end ---

    def _cell_here(
        self, passage: Passage, data: memoryview, now: float, socket: Callable[[], int]
    ) -> list[CircuitEffect]:
        terminal = passage.terminal
        assert terminal
        effects: list[CircuitEffect] = []
        outbox: Outbox = []
        billed: int | None = None
        try:
            for message in messages_of(terminal.unpack(data)):
                if message.command == Command.DATA:
                    billed = (billed or 0) + len(message.data)
                effects += self._message(passage, terminal, message, outbox, now, socket)
        except CryptoError:
            return self.close(passage, Close.TAMPERED)
        except MalformedError:
            return [*effects, *self.close(passage, Close.CREDIT)]
        if billed is not None:
            effects += self._earn(passage, billed, True, now)
        return effects + self._send(passage, terminal, outbox, now)

    def _message(
        self,
        passage: Passage,
        terminal: Terminal,
        message: Message,
        outbox: Outbox,
        now: float,
        socket: Callable[[], int],
    ) -> list[CircuitEffect]:
        stream = terminal.streams.get(message.stream)
        match message.command:
            case Command.BEGIN if stream is None and message.stream:
                host, port, udp = decode_begin(bytes(message.data))
                if udp or len(terminal.streams) >= MAX_STREAMS:
                    outbox.append((message.stream, Command.END, bytes((End.OVERLOADED,))))
                    return []
                stream = TerminalStream(message.stream, socket(), host, port, now)
                terminal.streams[stream.id] = stream
                self._sockets[stream.socket] = (passage, stream)
                return [Connect(stream.socket, host, port)]
            case Command.DATA:
                # Data for a stream that has just ended still counts against the circuit's credit.
                if stream is None:
                    terminal.allowance -= len(message.data)
                    terminal.unreturned += len(message.data)
                    return []
                terminal.arrived(stream, len(message.data))
                content = bytes(message.data)
                if not stream.connected:
                    stream.unreturned += len(content)  # Returned once the server takes it.
                    terminal.unreturned += len(content)
                    stream.early.append(content)
                    return []
                if stream.congested:
                    stream.unreturned += len(content)
                    terminal.unreturned += len(content)
                else:
                    outbox += terminal.handed_on(stream, len(content))
                return [WriteSocket(stream.socket, content)]
            case Command.END if stream is not None:
                stream.ended_in = True
                if (message.data and message.data[0] != End.DONE) or stream.ended_out:
                    return self._forget(terminal, stream)
                return [EndSocket(stream.socket)] if stream.connected else []
            case Command.WINDOW:
                terminal.granted(message.stream, message.data)
                return self._go_on(terminal, message.stream, outbox)
            case _:
                return []

    def _go_on(self, terminal: Terminal, stream: int, outbox: Outbox) -> list[CircuitEffect]:
        """Credit came: send what waited, and read again."""
        chosen = [terminal.streams[stream]] if stream in terminal.streams else []
        effects: list[CircuitEffect] = []
        for entry in terminal.streams.values() if stream == 0 else chosen:
            effects += _continue(terminal, entry, outbox)
        return effects

    def _forget(self, terminal: Terminal, stream: TerminalStream) -> list[CircuitEffect]:
        terminal.streams.pop(stream.id, None)
        self._sockets.pop(stream.socket, None)
        return [CloseSocket(stream.socket)]

    def _send(self, passage: Passage, terminal: Terminal, outbox: Outbox, now: float) -> list[CircuitEffect]:
        """Messages in as few cells as they fit into, billed as they go."""
        effects: list[CircuitEffect] = []
        for messages in cells_of(outbox):
            sizes = [len(data) for _, command, data in messages if command == Command.DATA]
            if sizes:
                effects += self._earn(passage, sum(sizes), True, now)
            effects.append(SendFrame(terminal.link, terminal.pack(messages), terminal.circuit))
        return effects

    # --- the servers ---

    def connected(self, socket: int, address: str, now: float) -> list[CircuitEffect]:
        entry = self._sockets.get(socket)
        if entry is None:
            return [CloseSocket(socket)]
        passage, stream = entry
        terminal = passage.terminal
        assert terminal
        stream.connected = True
        outbox: Outbox = [(stream.id, Command.CONNECTED, cbor.encode({"address": address}))]
        effects: list[CircuitEffect] = [WriteSocket(socket, data) for data in stream.early]
        stream.early.clear()
        if not stream.congested:
            outbox += terminal.handed_on(stream, 0)
        if stream.ended_in:
            effects.append(EndSocket(socket))
        return effects + self._send(passage, terminal, outbox, now)

    def connect_failed(self, socket: int, reason: str, now: float) -> list[CircuitEffect]:
        code = End.POLICY if "policy" in reason else End.NOT_RESOLVED if "resolve" in reason else End.NOT_CONNECTED
        return self._end(socket, code, now)

    def closed(self, socket: int, now: float) -> list[CircuitEffect]:
        return self._end(socket, End.BROKEN, now)

    def _end(self, socket: int, code: End, now: float) -> list[CircuitEffect]:
        entry = self._sockets.get(socket)
        if entry is None:
            return []
        passage, stream = entry
        assert passage.terminal
        self._forget(passage.terminal, stream)
        return self._send(passage, passage.terminal, [(stream.id, Command.END, bytes((code,)))], now)

    def received(self, socket: int, data: bytes, now: float) -> list[CircuitEffect]:
        entry = self._sockets.get(socket)
        if entry is None:
            return [CloseSocket(socket)]
        passage, stream = entry
        terminal = passage.terminal
        assert terminal
        effects = self._send(passage, terminal, terminal.take(stream, data), now)
        if stream.reading and not terminal.may_read(stream):
            stream.reading = False
            effects.append(Reading(socket, False))
        return effects

    def ended(self, socket: int, now: float) -> list[CircuitEffect]:
        entry = self._sockets.get(socket)
        if entry is None:
            return [CloseSocket(socket)]
        passage, stream = entry
        assert passage.terminal
        stream.eof = True
        outbox: Outbox = []
        effects = _continue(passage.terminal, stream, outbox)
        if stream.ended_in and stream.ended_out:
            effects += self._forget(passage.terminal, stream)
        return self._send(passage, passage.terminal, outbox, now) + effects

    def congested(self, socket: int) -> None:
        entry = self._sockets.get(socket)
        if entry is not None:
            entry[1].congested = True

    def drained(self, socket: int, now: float) -> list[CircuitEffect]:
        entry = self._sockets.get(socket)
        if entry is None:
            return []
        passage, stream = entry
        assert passage.terminal
        stream.congested = False
        return self._send(passage, passage.terminal, passage.terminal.handed_on(stream, 0), now)


def _continue(terminal: Terminal, stream: TerminalStream, outbox: Outbox) -> list[CircuitEffect]:
    """Send what waits for credit, then END if the reader is through, then read on."""
    outbox += terminal.take(stream, b"")
    if stream.eof and not stream.backlog and not stream.ended_out:
        stream.ended_out = True
        outbox.append((stream.id, Command.END, bytes((End.DONE,))))
    if not stream.reading and not stream.eof and terminal.may_read(stream):
        stream.reading = True
        return [Reading(stream.socket, True)]
    return []


def cells_of(outbox: Outbox) -> Iterator[Outbox]:
    """Messages, gathered into what fits into one cell each."""
    cell: Outbox = []
    size = 0
    for message in outbox:
        needed = HEAD + len(message[2])
        if cell and size + needed > MAX_PLAIN:
            yield cell
            cell, size = [], 0
        cell.append(message)
        size += needed
    if cell:
        yield cell


def _closing(end: tuple[int, int], reason: int) -> SendFrame:
    return SendFrame(end[0], circuit_frame(FrameType.CLOSE, end[1], bytes((reason,))), end[1])
