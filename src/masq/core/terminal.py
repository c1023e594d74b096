"""One end of a circuit: sealing and opening its cells, and the credit of its streams (protocol.md 15.4)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from masq.errors import MalformedError
from masq.wire.circuit import (
    CIRCUIT_CREDIT,
    FRAME_HEAD,
    MAX_DATA,
    STREAM_CREDIT,
    Command,
    Layer,
    Seal,
    new_cell,
)

Outbox = list[tuple[int, int, bytes | memoryview]]
"""Messages to be sent: stream, command, data."""


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
    unreturned: int = 0
    backlog: deque[bytes] = field(default_factory=deque)
    """Read, but not sent for want of credit: at most what one read brings."""
    early: deque[bytes] = field(default_factory=deque)
    """At the exit: data that came before the server was connected."""
    sent: int = 0
    received: int = 0
    connected: bool = False
    congested: bool = False
    reading: bool = True
    eof: bool = False
    """Our side has read its end; END follows the backlog."""
    ended_out: bool = False
    ended_in: bool = False


class Terminal:
    """The end of a circuit that we are: its originator (one layer per hop) or its exit (one layer)."""

    def __init__(self, link: int, circuit: int, out: Seal, into: Seal, out_layers: list[Layer], in_layers: list[Layer]):
        self.link = link
        self.circuit = circuit
        self._out = out
        self._in = into
        self._out_layers = out_layers
        self._in_layers = in_layers
        self._scratch = memoryview(bytearray(65_536))
        self._plain = memoryview(bytearray(65_536))
        self.credit = CIRCUIT_CREDIT
        self.allowance = CIRCUIT_CREDIT
        self.unreturned = 0
        self.streams: dict[int, TerminalStream] = {}

    def pack(self, messages: Outbox) -> bytearray:
        """The frame of a cell with these messages."""
        frame, size = new_cell(self.circuit, messages)
        self._out.close(frame, size)
        data = memoryview(frame)[FRAME_HEAD:]
        for layer in self._out_layers:
            layer.apply(data, data)
        return frame

    def unpack(self, data: memoryview) -> memoryview:
        """The plaintext of a cell, valid until the next one. CryptoError: it was tampered with."""
        scratch = self._scratch[: len(data)]
        source = data
        for layer in self._in_layers:
            layer.apply(source, scratch)
            source = scratch
        return self._plain[: self._in.open(scratch, self._plain)]

    # --- credit ---

    def take(self, stream: TerminalStream, data: bytes) -> Outbox:
        """The messages that carry as much of `data` as credit allows; the rest waits."""
        if data:
            stream.backlog.append(data)
        messages: Outbox = []
        while stream.backlog:
            room = min(stream.credit, self.credit, MAX_DATA)
            if room <= 0:
                break
            piece = stream.backlog.popleft()
            if len(piece) > room:
                stream.backlog.appendleft(piece[room:])
                piece = piece[:room]
            stream.credit -= len(piece)
            self.credit -= len(piece)
            stream.sent += len(piece)
            messages.append((stream.id, Command.DATA, piece))
        return messages

    def may_read(self, stream: TerminalStream) -> bool:
        """Whether more should be read for a stream."""
        return not stream.backlog and stream.credit > 0 and self.credit > 0

    def arrived(self, stream: TerminalStream, size: int) -> None:
        """Data came for a stream. MalformedError: more than was allowed."""
        stream.allowance -= size
        self.allowance -= size
        stream.received += size
        if stream.allowance < 0 or self.allowance < 0:
            raise MalformedError("more data than was allowed")

    def handed_on(self, stream: TerminalStream, size: int) -> Outbox:
        """Data was passed on to its reader: credit goes back in steps of a quarter."""
        stream.unreturned += size
        self.unreturned += size
        messages: Outbox = []
        if stream.unreturned >= STREAM_CREDIT // 4 and not stream.ended_in:
            messages.append((stream.id, Command.WINDOW, stream.unreturned.to_bytes(4, "big")))
            stream.allowance += stream.unreturned
            stream.unreturned = 0
        if self.unreturned >= CIRCUIT_CREDIT // 4:
            messages.append((0, Command.WINDOW, self.unreturned.to_bytes(4, "big")))
            self.allowance += self.unreturned
            self.unreturned = 0
        return messages

    def granted(self, stream: int, data: memoryview) -> None:
        """A WINDOW message came. MalformedError if it makes no sense."""
        if len(data) != 4:
            raise MalformedError("a WINDOW of 4 bytes expected")
        more = int.from_bytes(data, "big")
        if stream == 0:
            self.credit = min(self.credit + more, CIRCUIT_CREDIT)
        elif stream in self.streams:
            entry = self.streams[stream]
            entry.credit = min(entry.credit + more, STREAM_CREDIT)
