"""One end of a circuit: sealing and opening its cells, and the credit of its streams (protocol.md 15.4)."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from masq.core.circuits.pace import MANY, Budget, Pace
from masq.core.effects import Reading
from masq.errors import MalformedError
from masq.wire.circuit import (
    BILLED,
    CIRCUIT_CREDIT,
    HEAD,
    MAX_DATA,
    MAX_PLAIN,
    STREAM_CREDIT,
    CellMessage,
    Command,
    Layer,
    Seal,
    StreamEnd,
    data_of,
    encode_end,
    new_cell,
)


class Overdrawn(MalformedError):
    """More data than was allowed."""


Outbox = list[tuple[int, int, bytes | memoryview]]
"""Messages to be sent: stream, command, data."""

ABOUT_CREDIT: Final = (Command.WINDOW, Command.ECHO, Command.ECHOED)
PACK_AT: Final = 16_384
"""Bytes of messages from which on a cell is made of them at once. Fewer wait for what else the moment brings."""
LAZY: Final = 0.005
"""Seconds that a message which nobody waits for may wait for others to share a cell with."""


@dataclass(slots=True)
class TerminalStream:
    """One stream at one end of a circuit. `credit` is what we may send, `allowance` what the other end may."""

    id: int
    socket: int
    host: str
    port: int
    opened: float
    credit: int = STREAM_CREDIT
    allowance: int = STREAM_CREDIT
    window: int = STREAM_CREDIT
    """What the other end may send before it gets credit back."""
    extra: int = 0
    """Bytes of it that come out of the budget."""
    moved: int = 0
    """Bytes that were handed on to its reader since the last look at its window, at `looked`."""
    looked: float = 0.0
    was_slow: bool = False
    """Whether its reader has been waited for since then."""
    unreturned: int = 0
    backlog: deque[bytes] = field(default_factory=deque)
    """Read, but not sent for want of credit: at most what one read brings."""
    early: bytearray = field(default_factory=bytearray)
    """At the exit: data that came before the server was connected."""
    early_datagrams: list[bytes] = field(default_factory=list)
    sent: int = 0
    received: int = 0
    carries: int = Command.DATA
    """The one of BILLED that may come for it; 0: neither."""
    offered: int = 0
    """At the exit: bytes of the RESOLVE whose answer will be paid for; 0: none, or nobody said so."""
    connected: bool = False
    congested: bool = False
    reading: bool = True
    eof: bool = False
    """Our side has read its end; END follows the backlog."""
    ended_out: bool = False
    ended_in: bool = False

    @property
    def udp(self) -> bool:
        """Whether datagrams are carried: those for which there is no credit are lost."""
        return self.carries == Command.DATAGRAM

    @property
    def held(self) -> int:
        """Bytes that are kept for it: for a reader who is slow or not there yet, and for want of credit."""
        kept = self.unreturned if self.congested or not self.connected else 0
        return kept + sum(map(len, self.backlog))


class Terminal:
    """The end of a circuit that we are: its originator (one layer per hop) or its exit (one layer)."""

    def __init__(
        self,
        link: int,
        circuit: int,
        out: Seal,
        into: Seal,
        out_layers: list[Layer],
        in_layers: list[Layer],
        pace: Pace | None = None,
    ) -> None:
        self.link = link
        self.circuit = circuit
        self._out = out
        self._in = into
        self._out_layers = out_layers
        self._in_layers = in_layers
        self._outbox: Outbox = []
        self._waiting = 0
        self.due = math.inf
        """When what waits to be sent has to leave."""
        self.credit = CIRCUIT_CREDIT
        self._most_credit = CIRCUIT_CREDIT
        """The most that we have had since it came last, or the usual."""
        self.allowance = CIRCUIT_CREDIT
        self.pace = pace or Pace(Budget(0))
        self.streams: dict[int, TerminalStream] = {}
        self._granted: dict[int, None] = {}

    # --- cells ---

    def post(self, messages: Outbox, due: float) -> bool:
        """Let messages wait until `due` for others to share a cell with. Whether they are enough for a cell already."""
        if messages:
            for message in messages:
                self._waiting += HEAD + len(message[2])
            self._outbox += messages
            if due < self.due:
                self.due = due
        return self._waiting >= PACK_AT

    def cells(self) -> Iterator[tuple[bytearray, int | None]]:
        """The frames of all that waits, and how many bytes of BILLED messages each has; None if it has no such."""
        outbox, self._outbox, self._waiting, self.due = self._outbox, [], 0, math.inf
        for messages in _cells_of(outbox):
            size = None
            for _, command, content in messages:
                if command in BILLED:
                    size = (size or 0) + len(content)
            frame = new_cell(self.circuit, messages)
            data = data_of(frame)
            self._out.close(data)
            for layer in self._out_layers:
                layer.apply(data)
            yield frame, size

    def unpack(self, data: memoryview) -> memoryview:
        """The plaintext of a cell, opened in place. CryptoError: it was tampered with."""
        for layer in self._in_layers:
            layer.apply(data)
        return self._in.open(data)

    # --- credit ---

    def take(self, stream: TerminalStream, data: bytes | memoryview = b"") -> Outbox:
        """The messages that carry as much of what waits, and of `data`, as credit allows. The rest waits.

        A view that is long enough for a cell of its own is not copied: it has to be sent before it is overwritten.
        """
        messages: Outbox = []
        backlog = stream.backlog
        if data:
            if not backlog and len(data) <= min(stream.credit, self.credit):
                stream.credit -= len(data)
                self.credit -= len(data)
                stream.sent += len(data)
                return [(stream.id, Command.DATA, data if len(data) >= PACK_AT else bytes(data))]
            backlog.append(bytes(data))
        while backlog:
            piece = backlog[0]
            if len(piece) > min(stream.credit, self.credit):
                break  # Credit comes back before it is used up: no piece has to be cut.
            backlog.popleft()
            stream.credit -= len(piece)
            self.credit -= len(piece)
            stream.sent += len(piece)
            messages.append((stream.id, Command.DATA, piece))
        return messages

    def datagram(self, stream: TerminalStream, data: bytes) -> Outbox:
        """The message for a datagram, or nothing if there is no credit for it: it is lost, as datagrams may be."""
        size = len(data)
        if size > min(stream.credit, self.credit, MAX_DATA):
            return []
        stream.credit -= size
        self.credit -= size
        stream.sent += size
        return [(stream.id, Command.DATAGRAM, data)]

    def may_read(self, stream: TerminalStream) -> bool:
        """Whether more should be read for a stream."""
        return not stream.backlog and stream.credit > 0 and self.credit > 0

    def read_on(self, stream: TerminalStream) -> list[Reading]:
        """Read a stream's socket again, if it may be."""
        if stream.reading or stream.eof or not self.may_read(stream):
            return []
        stream.reading = True
        return [Reading(stream.socket, True)]

    def go_on(self, stream: TerminalStream) -> tuple[Outbox, list[Reading]]:
        """Send what waits for credit, then END if the reader is through, then read on."""
        messages = self.take(stream)
        if stream.eof and not stream.backlog and not stream.ended_out:
            stream.ended_out = True
            messages.append((stream.id, Command.END, encode_end(StreamEnd.DONE)))
        return messages, self.read_on(stream)

    def take_granted(self) -> list[TerminalStream]:
        """The streams that have got credit since this was asked last: all of them if the circuit has."""
        if not self._granted:
            return []
        granted, self._granted = self._granted, {}
        if 0 in granted:
            return list(self.streams.values())
        return [self.streams[stream] for stream in granted if stream in self.streams]

    def arrived(self, stream: TerminalStream, size: int) -> None:
        """Data came for a stream. Overdrawn: more than was allowed."""
        stream.allowance -= size
        self.allowance -= size
        stream.received += size
        if stream.allowance < 0 or self.allowance < 0:
            raise Overdrawn("more data than was allowed")

    def kept(self, stream: TerminalStream, size: int, now: float) -> Outbox:
        """Data that came can't be passed on yet: the circuit gets its credit back, so that other streams go on."""
        stream.unreturned += size
        stream.moved += size
        stream.was_slow = True
        return self._return(size, now)

    def handed_on(self, stream: TerminalStream, size: int, now: float) -> Outbox:
        """Data was passed on to its reader, with all that was kept: credit goes back in steps."""
        stream.unreturned += size
        stream.moved += size
        pace = self.pace
        messages = self._return(size, now) if size else []
        if now >= stream.looked + pace.round:
            self._suit(stream, now)
        more = stream.window - stream.allowance
        if more >= pace.stream_step(stream.window) and not stream.ended_in:
            messages.append((stream.id, Command.WINDOW, more.to_bytes(4, "big")))
            stream.allowance += more
            stream.unreturned = 0
        return messages

    def _suit(self, stream: TerminalStream, now: float) -> None:
        """Let a stream's window follow what its reader takes."""
        if self.pace.far or stream.window != STREAM_CREDIT:
            rate = stream.moved / (now - stream.looked)
            stream.window, stream.extra = self.pace.stream_window(stream.window, stream.extra, rate, stream.was_slow)
        stream.looked, stream.moved, stream.was_slow = now, 0, False

    def discarded(self, size: int, now: float) -> Outbox:
        """Data came for a stream that has just ended: it counts against the credit of the circuit."""
        self.refused(size)
        return self._return(size, now)

    def refused(self, size: int) -> None:
        """Data came that gets no credit back."""
        self.allowance -= size
        if self.allowance < 0:
            raise Overdrawn("more data than was allowed")

    def _return(self, size: int, now: float) -> Outbox:
        """Data has come to this end: the circuit's credit goes back in steps."""
        pace = self.pace
        pace.came(size)
        if now >= pace.due:
            windows = [each.window for each in self.streams.values()] if len(self.streams) <= MANY else []
            pace.look(now, windows)
        more = pace.window - self.allowance
        if more < pace.step and not pace.wanted:
            return []
        messages: Outbox = []
        if pace.wanted:
            messages.append((0, Command.ECHO, pace.ask(now)))
        if more >= pace.step:
            self.allowance += more
            messages.append((0, Command.WINDOW, more.to_bytes(4, "big")))
        return messages

    def granted(self, stream: int, data: memoryview) -> None:
        """A WINDOW message came: `take_granted` tells for whom. MalformedError if it makes no sense."""
        if len(data) != 4:
            raise MalformedError("a WINDOW of 4 bytes expected")
        more = int.from_bytes(data, "big")
        most = self.pace.most
        if stream == 0:
            self.credit = min(self.credit + more, most)
            self._most_credit = max(CIRCUIT_CREDIT, self.credit)
            self._granted[0] = None
        elif stream in self.streams:
            self._granted[stream] = None
            entry = self.streams[stream]
            entry.credit = min(entry.credit + more, most if self.pace.paced else STREAM_CREDIT)

    def about_credit(self, message: CellMessage, outbox: Outbox, now: float) -> None:
        """A message of ABOUT_CREDIT came. MalformedError if it makes no sense."""
        if message.command == Command.WINDOW:
            self.granted(message.stream, message.data)
        elif message.command == Command.ECHO:
            answer = 0, Command.ECHOED, self.pace.was_asked(message.data)
            if outbox and outbox[-1][1] == Command.ECHOED:
                outbox.pop()  # Who asks a thousand times in a cell is answered once.
            outbox.append(answer)
        else:
            self.pace.was_answered(message.data, now)

    @property
    def under_way(self) -> int:
        """Bytes that we have sent and the other end may not have got: no fewer than that."""
        return self._most_credit - self.credit

    # --- ends ---

    def drop(self, stream: int) -> TerminalStream | None:
        """A stream is over."""
        entry = self.streams.pop(stream, None)
        if entry is not None and entry.extra:
            entry.extra = self.pace.released(entry.extra)
        return entry

    def close(self) -> list[TerminalStream]:
        """The circuit is over: the streams that it still had."""
        streams = [stream for number in list(self.streams) if (stream := self.drop(number))]
        self.pace.close()
        return streams


class HeldBack:
    """Sockets that are not read because the link of their circuit is crowded."""

    def __init__(self, crowded: Callable[[int], bool]) -> None:
        """`crowded`: whether what is sent over a link has to wait."""
        self._crowded = crowded
        self._sockets: dict[int, dict[int, None]] = {}

    def __len__(self) -> int:
        return len(self._sockets)

    def after_read(self, terminal: Terminal, stream: TerminalStream) -> list[Reading]:
        """Something was read: read no more, if it had to wait."""
        if not stream.reading:
            return []
        crowded = self._crowded(terminal.link)
        if crowded:
            self._sockets.setdefault(terminal.link, {})[stream.socket] = None
        elif terminal.may_read(stream):
            return []
        stream.reading = False
        return [Reading(stream.socket, False)]

    def take(self, link: int) -> Iterable[int]:
        """The sockets over a link that is crowded no more, or gone."""
        return self._sockets.pop(link, ())


Owner = TypeVar("Owner")


class Departures(Generic[Owner]):
    """Circuits with messages that wait to be sent."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[int, int], tuple[Terminal, Owner]] = {}
        self.due = math.inf
        """When the first of them has to leave."""

    def add(self, terminal: Terminal, owner: Owner) -> None:
        self._waiting[terminal.link, terminal.circuit] = terminal, owner
        self.due = min(self.due, terminal.due)

    def discard(self, terminal: Terminal) -> None:
        self._waiting.pop((terminal.link, terminal.circuit), None)

    def leaving(self, now: float) -> list[Owner]:
        """Those whose time has come."""
        leaving = [owner for terminal, owner in self._waiting.values() if terminal.due <= now]
        self._waiting = {at: waiting for at, waiting in self._waiting.items() if now < waiting[0].due < math.inf}
        self.due = min((terminal.due for terminal, _ in self._waiting.values()), default=math.inf)
        return leaving


def _cells_of(outbox: Outbox) -> Iterator[Outbox]:
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
