"""One direction of a stream: packets put in order, and credit that bounds what is buffered (protocol.md 14.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from masq.errors import MalformedError
from masq.wire.message import SequencedPacket

WINDOW: Final = 1024 * 1024
"""Bytes that may be under way in one direction of a stream between Nodes of ours."""
ONE_READ: Final = 256 * 1024
"""Bytes that may come beyond what was allowed: a sender stops after the read that reaches its limit."""
MAX_TOGETHER: Final = 4 * WINDOW
"""Bytes that may be under way in one direction for all streams of a Node together: they may share a route, where
nobody can stop them one by one."""
MAX_HELD: Final = 4 * 1024 * 1024
"""Bytes held for a slow reader, or behind a gap, where the other end knows no credit."""
MAX_GAP: Final = 1024


def shared_window(streams: int) -> int:
    """Bytes of credit for one of so many streams."""
    return max(WINDOW // 16, min(WINDOW, MAX_TOGETHER // max(1, streams)))


@dataclass(slots=True)
class Incoming:
    """Restores the order of packets: duplicates are dropped, gaps waited for."""

    expected: int = 0
    received: int = 0
    """Bytes that were delivered in order."""
    ended: bool = False
    _early: dict[int, SequencedPacket] = field(default_factory=dict)
    _held: int = 0

    def push(self, packet: SequencedPacket) -> bytes:
        """The bytes that can be delivered now. MalformedError if too much waits behind a gap."""
        if packet.sequence != self.expected:
            if packet.sequence > self.expected and packet.sequence not in self._early and not self.ended:
                self._held += len(packet.data)
                if self._held > MAX_HELD or len(self._early) >= MAX_GAP:
                    raise MalformedError("a packet was lost on the way")
                self._early[packet.sequence] = packet
            return b""
        if self.ended:
            return b""
        parts = [packet.data]
        self.expected += 1
        self.ended = packet.last
        while not self.ended and (following := self._early.pop(self.expected, None)) is not None:
            self._held -= len(following.data)
            parts.append(following.data)
            self.expected += 1
            self.ended = following.last
        data = b"".join(parts) if len(parts) > 1 else parts[0]
        self.received += len(data)
        return data


@dataclass(slots=True)
class Outgoing:
    """Numbers packets, and knows how much the other end takes."""

    next: int = 0
    sent: int = 0
    limit: int | None = None
    """Bytes that may be sent in all; None: the other end knows no credit."""
    ended: bool = False

    @property
    def blocked(self) -> bool:
        return self.limit is not None and self.sent >= self.limit

    def packet(self, data: bytes, last: bool = False) -> SequencedPacket:
        packet = SequencedPacket(self.next, data, last)
        self.next += 1
        self.sent += len(data)
        self.ended = self.ended or last
        return packet
