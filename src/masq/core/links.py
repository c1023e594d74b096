"""Links: TCP connections to other Nodes, who is at their end, and what waits to be written to them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from masq.core.effects import CloseLink, Dial, Log, WriteLink
from masq.errors import MalformedError
from masq.types import Endpoint
from masq.wire.frame import Framer

MAX_FLOW: Final = 4 * 1024 * 1024
"""Bytes that may wait for one flow at one link; what exceeds it is dropped, as nobody can be told."""
MAX_QUEUE: Final = 64 * 1024 * 1024
"""Bytes that may wait at one link in all."""
BATCH: Final = 256 * 1024
"""Bytes handed to the driver at once when a link can take more."""
MAX_LINKS: Final = 256

LinksEffect = Dial | WriteLink | CloseLink | Log

GOSSIP_FLOW: Final = b""
"""The flow of a Node's own talk. Other flows are named by the first element of their route."""


@dataclass(slots=True)
class Link:
    """One connection."""

    id: int
    peer: Endpoint
    outbound: bool
    up: bool
    framer: Framer = field(default_factory=Framer)
    writable: bool = True
    queue: deque[tuple[bytes, bytes]] = field(default_factory=deque)
    waiting: dict[bytes, int] = field(default_factory=dict)
    """Bytes in the queue by flow."""
    queued: int = 0
    dropped: int = 0


class Links:
    """All connections of a Node. A peer is an IP address: the last connection made to it carries what is sent there."""

    def __init__(self) -> None:
        self._links: dict[int, Link] = {}
        self._by_ip: dict[str, int] = {}
        self._next = 1

    def __iter__(self) -> Iterator[Link]:
        return iter(self._links.values())

    def get(self, link: int) -> Link | None:
        return self._links.get(link)

    def to(self, ip: str) -> Link | None:
        """The link that carries what is sent to this address."""
        return self._links.get(self._by_ip.get(ip, 0))

    def accept(self, peer: Endpoint) -> int | None:
        """A peer has connected. None: refused, there are too many links."""
        if len(self._links) >= MAX_LINKS:
            return None
        return self._add(peer, outbound=False, up=True).id

    def dialled(self, link: int) -> list[LinksEffect]:
        """The connection that was dialled stands: what waits is written."""
        entry = self._links.get(link)
        if entry is None:
            return [CloseLink(link)]
        entry.up = True
        return self.drained(link)

    def closed(self, link: int) -> str | None:
        """A connection ended or was never made. Returns the IP address if no other connection to it is left."""
        entry = self._links.pop(link, None)
        if entry is None:
            return None
        ip = entry.peer.ip
        if self._by_ip.get(ip) == link:
            del self._by_ip[ip]
        others = [other for other in self._links.values() if other.peer.ip == ip]
        if others:
            self._by_ip[ip] = others[-1].id
            return None
        return ip

    def received(self, link: int, data: bytes | bytearray | memoryview) -> list[bytes]:
        """The frames that end in what was read. MalformedError: the link has to be closed."""
        entry = self._links.get(link)
        if entry is None:
            return []
        if entry.framer.pending == 0 and not data:
            raise MalformedError("nothing was read")
        return entry.framer.feed(data)

    def send(self, endpoint: Endpoint, data: bytes, flow: bytes = GOSSIP_FLOW) -> list[LinksEffect]:
        """Write a frame to the peer at an endpoint, dialling it if there is no link."""
        link = self.to(endpoint.ip)
        if link is not None:
            return self._write(link, data, flow)
        if len(self._links) >= MAX_LINKS:
            return [Log("warning", "too_many_links", f"{endpoint} is not dialled: {MAX_LINKS} links are open")]
        link = self._add(endpoint, outbound=True, up=False)
        return [Dial(link.id, endpoint), *self._write(link, data, flow)]

    def drained(self, link: int) -> list[LinksEffect]:
        """The driver can take more for this link. It asks again until it gets nothing, or its buffer is full."""
        entry = self._links.get(link)
        if entry is None:
            return []
        entry.writable = True
        batch: list[bytes] = []
        size = 0
        while entry.queue and size < BATCH:
            flow, data = entry.queue.popleft()
            batch.append(data)
            size += len(data)
            left = entry.waiting[flow] - len(data)
            if left:
                entry.waiting[flow] = left
            else:
                del entry.waiting[flow]
        entry.queued -= size
        if not batch:
            return []
        return [WriteLink(link, b"".join(batch) if len(batch) > 1 else batch[0])]

    def congested(self, link: int) -> None:
        """The driver's buffer for this link is full: nothing is written until `drained`."""
        entry = self._links.get(link)
        if entry is not None:
            entry.writable = False

    def backlog(self, ip: str) -> int:
        """Bytes that wait for the peer at this address."""
        link = self.to(ip)
        return link.queued if link else 0

    def _write(self, link: Link, data: bytes, flow: bytes) -> list[LinksEffect]:
        if link.up and link.writable and not link.queue:
            return [WriteLink(link.id, data)]
        waiting = link.waiting.get(flow, 0) + len(data)
        if waiting > MAX_FLOW or link.queued + len(data) > MAX_QUEUE:
            link.dropped += 1
            return [Log("warning", "queue_full", f"a package for {link.peer} was dropped: the link is too slow")]
        link.queue.append((flow, data))
        link.waiting[flow] = waiting
        link.queued += len(data)
        return []

    def _add(self, peer: Endpoint, outbound: bool, up: bool) -> Link:
        link = Link(self._next, peer, outbound, up)
        self._next += 1
        self._links[link.id] = link
        self._by_ip[peer.ip] = link.id
        return link
