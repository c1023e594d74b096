"""One direction of a stream: packets put in order, credit that bounds what is buffered, losses (protocol.md 14.2)."""

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
LOST_AFTER: Final = 12.0
"""Seconds that packets wait for the one before them: it isn't slower than they are, but by links that change."""
ASIDE: Final = (6.0, 30.0)
"""Seconds after its last packet at which an end says an empty one. A link that has swallowed that packet is known to be
lost by then, and stands again most often; if not, at the second."""


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

    @property
    def waits(self) -> bool:
        """Whether packets wait for one before them."""
        return bool(self._early)

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


@dataclass(slots=True)
class Losses:
    """Lets one end of a stream notice that packets were lost. Both are asked every few seconds.

    Nobody tells: 0.9.1 has no word for it, and who has lost a link may not know whose packages went with it. Packets
    that come later tell: so there always is a later one.
    """

    _expected: int = -1
    _since: float = 0.0
    """Since when the packet of that number is waited for."""
    _next: int = 0
    _said: float = 0.0
    """When it was seen that the packet before that number was said."""
    _asides: int = 0

    def lost(self, incoming: Incoming, now: float) -> bool:
        """Whether a packet has been missing for too long."""
        if not incoming.waits or incoming.expected != self._expected:
            self._expected, self._since = incoming.expected, now
            return False
        return now - self._since >= LOST_AFTER

    def unsure(self, outgoing: Outgoing, now: float) -> bool:
        """Whether an empty packet is due, as the last one may be lost and nothing was said since: to be said, then."""
        if outgoing.next != self._next:
            self._next, self._said, self._asides = outgoing.next, now, 0
            return False
        if not self._next or self._asides == len(ASIDE) or now - self._said < ASIDE[self._asides]:
            return False
        self._asides += 1
        self._next += 1
        return True
