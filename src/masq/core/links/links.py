"""Links: connections to other Nodes, how they speak, what waits to be written to them (protocol.md 2.4, 15.2)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from masq.core.effects import CloseLink, Dial, Flow, Hold, Log, Overrun, ReadLink, WriteLink
from masq.core.limits import (
    BYTE_COST,
    FRAME_COST,
    MAX_MALFORMED,
    NEIGHBOR_READ,
    STRANGER_READ,
    STUCK,
    STUCK_FLOWS,
    UNFINISHED_FOR,
    UNFINISHED_TOTAL,
    UNKNOWN_FOR,
    UNKNOWN_FRAME,
    Limits,
)
from masq.core.links.door import Door
from masq.core.links.pressure import OURSELVES, Change, Pressure, Source
from masq.core.view import LinkView
from masq.crypto import CryptDE, Keys, Random
from masq.errors import CryptoError, PeerError
from masq.types import Endpoint, LinkPolicy, PublicKey
from masq.wire.frame import MAX_FRAME, Framer, mask
from masq.wire.package import Package
from masq.wire.secure_link import MAGIC, PING_FRAME, Established, Frame, FrameType, SecureLink

MAX_FLOW: Final = 5 * 1024 * 1024
"""Bytes that may wait for a circuit at one link: its credit, and what its cells have around it."""
WIDE_FLOW: Final = 20 * 1024 * 1024
"""The same for one whose window suits a long and wide way, as far as MAX_QUEUE has room for others as large."""
MAX_ROUTE: Final = 48 * 1024 * 1024
"""Bytes that may wait for the packages of one route at one link, though it was stopped where it comes from: what sixty
streams have that begin at once (`shared_window`), and half of ONE_READ each beyond it, twice as long on the wire."""
MAX_QUEUE: Final = 64 * 1024 * 1024
"""Bytes that may wait at all links: what a Node lends to slow readers of others."""
BATCH: Final = 256 * 1024
"""Bytes handed to the driver at once when a link can take more."""
TRY_FOR: Final = 2.0
"""Seconds in which an unknown Node has to answer a secure link, before JSON is spoken to it."""
REST: Final = 0.1
"""Seconds from one look at links that aren't read to the next."""
SPARE_FOR: Final = 60.0
"""Seconds that a second secure link to a Node is kept though nothing comes or goes over it."""
REMEMBER_JSON: Final = 3_600.0
"""Seconds that an address which did not answer a secure link is spoken JSON to."""
PING_AFTER: Final = 15.0
"""Seconds of silence after which the other end is asked whether it is there."""
DIALLER_FIRST: Final = 1.0
"""So much earlier asks the end that dialled: its PING tells the other one, too, that there is somebody."""
PING_SOON: Final = 0.5
"""The same if something was sent to it since it was heard."""
PATIENCE: Final = 3.5
"""Seconds that it has to answer, at least: a Node that is gone is known to be so within 4 s of traffic, or 19 s. What
TCP sends again comes after 3 s, or after 6: another second would save no link."""
LONGEST_PATIENCE: Final = 45.0
SLOWEST: Final = 1_000_000
"""Bytes per second of what was sent before the PING, that it has as much longer for."""
LOOK: Final = 5.0
"""Seconds from one look at all links to the next, at most."""
STUCK_FOR: Final = 60.0
"""Seconds in which nothing of what a link has brought may get on, before that is dropped for the rest of it to come."""
MAX_HELD: Final = 1_024
"""Routes that a peer may hold back."""
STALLED: Final = 0.5
"""Seconds after which it is us who were late, and have an answer to read perhaps: nobody is judged for it."""

GOSSIP_FLOW: Final = b""
"""The flow of a Node's own talk."""

LinksEffect = Dial | WriteLink | ReadLink | CloseLink | Log
Written = LinksEffect | Hold | Overrun
"""What comes of writing: most often a write."""


class LinkSpeech(StrEnum):
    """What a link speaks, or is to speak."""

    UNKNOWN = "unknown"
    """Accepted, and nothing heard yet."""
    TRY = "try"
    """A secure link to somebody who may not know it."""
    SECURE = "secure"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A package for a peer, whatever its link speaks."""

    key: PublicKey
    package: Package

    def __len__(self) -> int:
        return len(self.package.payload) + sum(map(len, self.package.hops))


Waiting = Sealed | bytearray | memoryview
"""What waits: a package, or a circuit's frame, unsealed."""


@dataclass(slots=True)
class Link:
    """One connection. `up` once something may be written that is not part of a handshake."""

    id: int
    peer: Endpoint
    outbound: bool
    speech: LinkSpeech
    since: float
    up: bool = False
    connected: bool = False
    key: PublicKey = b""
    """Proved by the peer of a secure link; empty for JSON."""
    framer: Framer = field(default_factory=Framer)
    secure: SecureLink | None = None
    writable: bool = True
    queues: dict[Flow, deque[Waiting]] = field(default_factory=dict)
    """What waits, by flow; the flow that is served next comes first."""
    fresh: dict[Flow, None] = field(default_factory=dict)
    """Flows that had nothing waiting until just now: they are served before those that always have."""
    held: set[Flow] = field(default_factory=set)
    """Routes whose packages the peer can't take now."""
    parked: dict[Flow, deque[Waiting]] = field(default_factory=dict)
    """What waits for those."""
    waiting: dict[Flow, int] = field(default_factory=dict)
    queued: int = 0
    dropped: int = 0
    heard: float = 0.0
    sent: int = 0
    """Bytes written since then."""
    pinged: float = float("-inf")
    """When it was asked whether it is there; it has answered if something was heard since."""
    dead_at: float = 0.0
    """When its time for that is over."""
    carried: bool = False
    """Whether anything but PINGs has come or gone since the last look."""
    idle: float = 0.0
    """Since when nothing has."""
    close: bool = False
    """Whether its other end is a neighbor or contact of ours."""
    introduced: bool = False
    """Whether it has said who it is: by a proof, or by a JSON package that opens."""
    malformed: float = 0.0
    malformed_at: float = 0.0
    unfinished: int = 0
    unfinished_since: float = 0.0
    """Bytes of a frame whose end has not come, and since when there are any."""
    resting: bool = False
    """Whether it isn't read, as it has made us work, or wait, enough."""
    behind: int = 0
    behind_since: float = 0.0
    """Bytes that wait of full routes which it brings packages of, and since when not fewer."""


@dataclass(frozen=True, slots=True)
class LinkUp:
    """A secure link stands, and its key is proven."""

    key: PublicKey
    port: int
    seen: str | None = ""
    """Where it says that we come from; None: it dialled us."""


LinkArrival = bytes | Package | Frame | LinkUp
"""What a link brings: a JSON frame, an opened package, a circuit's frame, or its own proof."""


class Links:
    """All connections of a Node. A peer is an IP address: the last connection made to it carries what is sent there."""

    def __init__(
        self,
        keys: Keys,
        contract: bytes,
        port: int,
        extensions: tuple[str, ...],
        policy: LinkPolicy,
        random: Random,
        limits: Limits,
        door: Door,
    ) -> None:
        """`port`: where we listen, or 0."""
        self._keys = keys
        self._contract = contract
        self._port = port
        self._extensions = extensions
        self._policy = policy
        self._random = random
        self._most = limits.links
        self._door = door
        self._unfinished = 0
        self._links: dict[int, Link] = {}
        self._by_ip: dict[str, int] = {}
        self._json_until: dict[str, float] = {}
        self._pressure = Pressure()
        self._queued = 0
        self._next = 1

    def __iter__(self) -> Iterator[Link]:
        return iter(self._links.values())

    def get(self, link: int) -> Link | None:
        return self._links.get(link)

    def secure_link(self, ip: str, key: PublicKey) -> int | None:
        """The secure link that carries what is sent to the Node of this key at an address."""
        link = self.to(ip)
        return link.id if link and link.up and link.secure is not None and link.key == key else None

    def standing(self, ip: str) -> tuple[bool, float] | None:
        """Whether the link that carries what is sent to this address proves keys, and since when it stands. None: there
        is none, or how it speaks isn't known yet."""
        link = self.to(ip)
        return (link.secure is not None, link.since) if link and link.up else None

    def pending(self, ip: str) -> bool:
        """Whether what is sent to this address waits for its link to stand, or to be known for what it speaks."""
        link = self.to(ip)
        return link is not None and not link.up

    def view(self) -> tuple[LinkView, ...]:
        return tuple(
            LinkView(str(link.peer), str(link.speech), link.outbound, link.queued, link.dropped) for link in self
        )

    def to(self, ip: str) -> Link | None:
        """The link that carries what is sent to this address."""
        return self._links.get(self._by_ip.get(ip, 0))

    # --- connections ---

    def accept(self, peer: Endpoint, now: float) -> tuple[int | None, list[Written]]:
        """A peer has connected: the id of its link, None if it is refused. Another link may have to go for it."""
        refusal = self._door.refusal(peer.ip, self._links.values(), now)
        if refusal:
            return None, [Log("info", "link_refused", f"{peer}: {refusal}")]
        link = self._add(peer, False, LinkSpeech.UNKNOWN, now)
        link.connected = True
        surplus = self._door.surplus(self._links.values())
        if surplus is None:
            return link.id, []
        self._remove(self._links[surplus])
        return (None if surplus == link.id else link.id), [
            CloseLink(surplus),
            *self._push(self._pressure.ends(surplus)),
        ]

    def dialled(self, link: int, now: float) -> list[Written]:
        """The connection that was dialled stands: the handshake begins, or what waits is written."""
        known = self._links.get(link)
        if known is None:
            return [CloseLink(link)]
        known.connected, known.since, known.heard = True, now, now
        # A connection reads as little at once as a stranger's until it is told otherwise.
        pace: list[Written] = [ReadLink(link, NEIGHBOR_READ)] if known.close else []
        if known.secure is not None:
            try:
                return [*pace, WriteLink(link, known.secure.dial(known.key))]
            except CryptoError as error:  # The key that a record names is none.
                ip = self._remove(known)
                return [Log("warning", "link_refused", f"{ip}: {error}"), CloseLink(link)]
        known.up = True
        return [*pace, *self.drained(link)]

    def closed(self, link: int, now: float) -> tuple[str | None, list[Written]]:
        """A connection ended, or was never made: the IP address if no other to it is left, and what to do.

        A Node that answered no secure link is dialled again to speak JSON.
        """
        known = self._links.get(link)
        if known is None:
            return None, []
        if known.speech is LinkSpeech.TRY and known.connected:
            return None, self._fall_back(known, now)
        return self._remove(known), self._push(self._pressure.ends(link))

    def _remove(self, known: Link) -> str | None:
        del self._links[known.id]
        self._queued -= known.queued
        self._unfinished -= known.unfinished
        ip = known.peer.ip
        if self._by_ip.get(ip) != known.id:
            return None
        del self._by_ip[ip]
        others = [other for other in self._links.values() if other.peer.ip == ip and (other.up or other.outbound)]
        if others:
            self._by_ip[ip] = others[-1].id
            return None
        return ip

    def _fall_back(self, known: Link, now: float) -> list[Written]:
        self._remove(known)
        self._json_until[known.peer.ip] = now + REMEMBER_JSON
        again = self._add(known.peer, True, LinkSpeech.JSON, now)
        again.queues, again.fresh, again.close = known.queues, known.fresh, known.close
        again.waiting, again.queued = known.waiting, known.queued
        self._queued += known.queued
        return [CloseLink(known.id), *self._push(self._pressure.ends(known.id)), Dial(again.id, again.peer)]

    def tick(self, now: float) -> tuple[list[int], list[Written]]:
        """Links that are dead and to be closed by the Node, and what else is due."""
        dead: list[int] = []
        effects: list[Written] = []
        if self._json_until:
            self._json_until = {ip: until for ip, until in self._json_until.items() if until > now}
        for link in list(self._links.values()):
            if not link.connected:
                continue
            standing = link.up and link.secure is not None and not link.resting and not link.unfinished
            if standing and not link.queues and now < _silence_ends(link):
                continue  # So it is most often.
            if self._overdue(link, now):
                dead.append(link.id)
            elif link.speech is LinkSpeech.TRY and now - link.since >= TRY_FOR:
                effects += self._fall_back(link, now)
            elif link.secure is not None and link.secure.up and now >= _silence_ends(link):
                # Before it is up, it is overdue after UNKNOWN_FOR.
                if link.pinged <= link.heard or now > link.dead_at + STALLED:
                    effects.append(self._ping(link, link.secure, now))
                else:
                    dead.append(link.id)
            if link.up and link.writable and link.queues:
                effects += self.drained(link.id)  # It was told of what it has to write at once, and can take more.
            if link.resting and link.secure is None:
                effects += self._look_behind(link, now)
            if link.resting and self._may_go_on(link, now):
                link.resting = False
                effects.append(ReadLink(link.id, self._read_size(link)))
        return dead, effects

    def _ping(self, link: Link, secure: SecureLink, now: float) -> WriteLink:
        link.pinged = now
        link.dead_at = now + min(LONGEST_PATIENCE, PATIENCE + link.sent / SLOWEST)
        return WriteLink(link.id, secure.frame(FrameType.PING, self._random(8)))

    def _overdue(self, link: Link, now: float) -> bool:
        """Whether a link is to end as it said nothing, or only the beginning of something."""
        if not link.introduced and link.speech is not LinkSpeech.TRY and now - link.since >= UNKNOWN_FOR:
            return not link.outbound or link.secure is not None
        return bool(link.unfinished) and now - link.unfinished_since >= UNFINISHED_FOR

    def next_wake(self, now: float) -> float:
        due = now + LOOK
        for link in self._links.values():
            if link.up and link.secure is not None:
                silence_ends = _silence_ends(link)
                if silence_ends < due:
                    due = silence_ends
            elif link.connected and link.speech is LinkSpeech.TRY:
                due = min(due, link.since + TRY_FOR)
            if link.up and link.writable and link.queues:
                return now
            if link.resting:
                due = min(due, now + REST)
        return max(now, due)

    # --- what strangers may do ---

    def introduce(self, link: Link) -> None:
        """A JSON link has brought a package that opens: what is sent to its address goes over it from now on."""
        if link.introduced:
            return
        link.introduced = True
        self._stand_for(link)

    def _stand_for(self, link: Link) -> None:
        """Let a link carry what is sent to its address, unless a neighbor's proven link does."""
        present = self.to(link.peer.ip)
        proven = present is not None and present.up and present.secure is not None and present.close
        if present is None or not proven or present.key == link.key:
            self._by_ip[link.peer.ip] = link.id

    def malformed(self, link: Link, now: float) -> bool:
        """A frame made no sense: whether those were too many."""
        link.malformed = max(0.0, link.malformed - (now - link.malformed_at)) + 1
        link.malformed_at = now
        return link.malformed > MAX_MALFORMED

    def worked(self, link: Link, seconds: float, now: float) -> list[LinksEffect]:
        """Something was done for a link, at a nominal cost: strangers are read no faster than they may."""
        if link.close or not self._door.worked(link.peer.ip, seconds, now):
            return []
        return self._rest(link)

    def _rest(self, link: Link) -> list[LinksEffect]:
        if link.resting:
            return []
        link.resting = True
        return [ReadLink(link.id, 0)]

    def _may_go_on(self, link: Link, now: float) -> bool:
        if link.secure is None and self._pressure.behind(link.id):
            return False
        stuck = link.queued > STUCK or len(link.queues) > STUCK_FLOWS
        return link.close or (not stuck and self._door.rested(link.peer.ip, now))

    def _look_behind(self, link: Link, now: float) -> list[Written]:
        """What a link that isn't read has brought, and waits for others. If nothing of it gets on, it is dropped: Nodes
        may wait for one another in a circle."""
        behind = [(slow, flow) for id, flow in self._pressure.behind(link.id) if (slow := self._links.get(id))]
        size = sum(slow.waiting.get(flow, 0) for slow, flow in behind)
        if behind:
            link.unfinished_since = now
        if size != link.behind:
            link.behind, link.behind_since = size, now
        if not size or now - link.behind_since < STUCK_FOR:
            return []
        return [effect for slow, flow in behind for effect in self._drop(slow, flow)]

    def _push(self, changes: Iterable[Change]) -> list[Written]:
        """Stop packages where they come from, or let them come again: a secure link is told of each route, one of JSON
        isn't read, and what is read of our own clients and servers is the Node's."""
        effects: list[Written] = []
        for (id, flow), stop in changes:
            link = self._links.get(id)
            if id == OURSELVES:
                effects.append(Hold(flow, stop))
            elif link is None:
                continue
            elif link.secure is not None:
                assert isinstance(flow, bytes)
                effects.append(WriteLink(id, link.secure.hold(flow, stop)))
            elif stop:
                effects += self._rest(link)
            elif link.resting and link.close and not self._pressure.behind(id):
                link.resting = False
                effects.append(ReadLink(id, self._read_size(link)))
        return effects

    def _hold(self, link: Link, flow: bytes, on: bool) -> list[Written]:
        """The peer can't take packages of a route, or can again."""
        if on:
            if not link.close or len(link.held) >= MAX_HELD:
                return []
            link.held.add(flow)
            link.fresh.pop(flow, None)
            queue = link.queues.pop(flow, None)
            if queue:
                link.parked[flow] = queue
            return []
        link.held.discard(flow)
        queue = link.parked.pop(flow, None)
        if not queue:
            return []
        link.queues[flow] = queue
        return self.drained(link.id) if link.writable else []

    def _read_size(self, link: Link) -> int:
        return NEIGHBOR_READ if link.close else STRANGER_READ

    def _look_at(self, link: Link, out: list[Written]) -> None:
        """See whether it is a neighbor's by now, or no more."""
        close = self._door.is_close(link.peer.ip, link.key)
        if close != link.close:
            link.close = close
            if not link.resting:
                out.append(ReadLink(link.id, self._read_size(link)))

    def _count_unfinished(self, link: Link, size: int, now: float, out: list[Written]) -> None:
        """Frames whose end hasn't come are bounded for all links together, and in time."""
        if size == link.unfinished:
            return
        if not link.unfinished or size < link.unfinished:
            link.unfinished_since = now
        self._unfinished += size - link.unfinished
        link.unfinished = size
        if self._unfinished > UNFINISHED_TOTAL:
            worst = max(self._links.values(), key=lambda each: each.unfinished)
            out.append(Log("info", "link_ended", f"{worst.peer}: {worst.unfinished} bytes of one unfinished frame"))
            out.append(CloseLink(worst.id))

    # --- receiving ---

    def received(self, link: int, data: memoryview, now: float, out: list[Written]) -> Iterator[LinkArrival]:
        """What has arrived, one after the other; each has to be dealt with before the next is asked for.

        `data` is writable, and overwritten: frames of secure links are opened in place.
        PeerError: the link has to be closed. Answers of the link itself are put into `out`.
        """
        known = self._links.get(link)
        if known is None:
            return
        known.heard, known.sent = now, 0
        self._look_at(known, out)
        if known.speech is LinkSpeech.UNKNOWN:
            if data[0] == MAGIC[0] and self._secure_allowed:
                known.speech, known.secure = LinkSpeech.SECURE, self._new_secure(known.peer.ip)
            else:
                known.speech, known.up = LinkSpeech.JSON, True
        if known.secure is None:
            yield from self._frames(known, data, now, out)
        else:
            yield from self._messages(known, known.secure, data, now, out)

    def _frames(self, known: Link, data: memoryview, now: float, out: list[Written]) -> list[bytes]:
        """What a JSON link has brought."""
        if self._policy is LinkPolicy.SECURE:
            raise CryptoError("this Node speaks over secure links only")
        frames = known.framer.feed(data, MAX_FRAME if known.close else UNKNOWN_FRAME)
        self._count_unfinished(known, known.framer.pending, now, out)
        out += self.worked(known, len(data) * BYTE_COST, now)
        return frames

    def _messages(
        self, known: Link, secure: SecureLink, data: memoryview, now: float, out: list[Written]
    ) -> Iterator[LinkArrival]:
        """What a secure link has brought."""
        secure.answers_pings = known.writable  # Who doesn't read gets no PONGs.
        if known.up:
            known.carried = known.carried or len(data) > PING_FRAME
            yield from secure.receive(data)  # type: ignore[misc]  # It is established already.
        else:
            for event in secure.receive(data):
                if isinstance(event, Established):
                    yield from self._established(known, event, out)
                else:
                    yield event
        answer = secure.take_answer()
        if answer:
            out.append(WriteLink(known.id, answer))
        for flow, on in secure.take_holds():
            out += self._hold(known, flow, on)
        # A neighbor's frames are as large as their senders make them, and it may have become one in the midst of one.
        self._count_unfinished(known, 0 if known.close else secure.unfinished, now, out)
        if not known.close:
            out += self.worked(known, len(data) * BYTE_COST + secure.take_heard() * FRAME_COST, now)
        if secure.up and not known.up:
            known.up = True
            out += self.drained(known.id)

    def _established(self, known: Link, event: Established, out: list[Written]) -> Iterator[LinkUp]:
        known.key, known.speech, known.introduced = event.key, LinkSpeech.SECURE, True
        self._look_at(known, out)
        # The proof of the initiator has to be the first frame of the transport.
        if known.secure is not None and (answer := known.secure.take_answer()):
            out.append(WriteLink(known.id, answer))
        self._stand_for(known)
        # Of two links to one key the one that the lower key dialled is written to.
        lower = self._keys.public_key < event.key
        for other in [other for other in self._links.values() if other.key == event.key and other is not known]:
            if other.secure is None or not other.secure.up or other.outbound == known.outbound:
                continue
            if other.peer.ip != known.peer.ip:
                continue  # It carries what is sent to another address.
            # The other one is read on, and closed by nobody: what is under way on it must not be lost.
            self._by_ip[known.peer.ip] = known.id if known.outbound == lower else other.id
        yield LinkUp(event.key, event.port, event.seen if known.outbound else None)

    # --- sending ---

    def send(
        self,
        endpoint: Endpoint,
        key: PublicKey,
        package: Package,
        flow: Flow,
        known: bool | None,
        now: float,
        source: Source | None = None,
    ) -> list[Written]:
        """Send a package to the peer at an endpoint, dialling it if there is no link.

        `known`: whether its record advertises secure links; None without a record. `source`: where such packages are to
        be stopped, if more come than the link takes.
        """
        item = Sealed(key, package)
        link = self.to(endpoint.ip)
        if link is not None:
            return self.write(link, item, flow, source)
        if known is False and self._policy is LinkPolicy.SECURE:
            return [
                Log("info", "not_dialled", f"{endpoint}: this Node speaks over secure links only, that one over none")
            ]
        if len(self._links) >= self._most:
            return [Log("warning", "too_many_links", f"{endpoint} is not dialled: {self._most} links are open")]
        link = self._add(endpoint, True, self._speech_for(endpoint.ip, known, now), now)
        link.close = self._door.is_close(endpoint.ip, key)
        if link.speech is not LinkSpeech.JSON:
            link.secure, link.key = self._new_secure(), key
        return [Dial(link.id, endpoint), *self.write(link, item, flow, source)]

    def upgrade(self, endpoint: Endpoint, key: PublicKey, now: float) -> list[LinksEffect]:
        """Dial a secure link beside the JSON link to a Node that turns out to know them.

        The JSON link is left alone: it falls silent once the other one stands.
        """
        link = self.to(endpoint.ip)
        if link is None or link.speech is not LinkSpeech.JSON:
            return []
        if self._policy is not LinkPolicy.AUTO or not self._secure_allowed or len(self._links) >= self._most:
            return []
        if any(other.secure and other.key == key for other in self._links.values()):
            return []  # It is on its way.
        fresh = self._add(endpoint, True, LinkSpeech.SECURE, now)
        self._by_ip[endpoint.ip] = link.id  # Until the other one stands.
        fresh.secure, fresh.key = self._new_secure(), key
        fresh.close = self._door.is_close(endpoint.ip, key)
        return [Dial(fresh.id, endpoint)]

    def _speech_for(self, ip: str, known: bool | None, now: float) -> LinkSpeech:
        if not self._secure_allowed:
            return LinkSpeech.JSON
        if known or self._policy is LinkPolicy.SECURE:
            return LinkSpeech.SECURE
        if known is False or self._json_until.get(ip, 0.0) > now:
            return LinkSpeech.JSON
        return LinkSpeech.TRY

    @property
    def _secure_allowed(self) -> bool:
        return self._policy is not LinkPolicy.MASQ and self._keys.links_securely

    def _new_secure(self, visitor: str = "") -> SecureLink:
        assert isinstance(self._keys, CryptDE)
        return SecureLink(self._keys, self._contract, self._port, self._extensions, self._random, visitor)

    def write(self, link: Link, item: Waiting, flow: Flow, source: Source | None = None) -> list[Written]:
        """Write at once, or let it wait its turn.

        More than MAX_FLOW of one circuit is too much for that one if there is less room than that, and more than
        WIDE_FLOW always. More than MAX_QUEUE of all at all links is too much
        for the flow that holds most. It loses what waits, and Overrun names a circuit. So does a route with more than
        MAX_ROUTE: long before that, its packages were to be stopped at their source.
        """
        if link.writable and link.up and not link.queues and flow not in link.held:
            data = self._encode(link, item)
            link.sent += len(data)
            return [WriteLink(link.id, data)] if data else []
        size = len(item)
        waiting = link.waiting.get(flow, 0) + size
        if isinstance(flow, int):
            if waiting > MAX_FLOW and waiting > min(WIDE_FLOW, MAX_QUEUE - self._queued):
                return self._drop(link, flow)
        elif waiting > MAX_ROUTE:
            return self._drop(link, flow)
        queues = link.parked if flow in link.held else link.queues
        queue = queues.get(flow)
        if queue is None:
            queue = queues[flow] = deque()
            if queues is link.queues:
                link.fresh[flow] = None
        # What lies in a buffer of the driver's can't stay there.
        queue.append(bytearray(item) if isinstance(item, memoryview) else item)
        link.waiting[flow] = waiting
        link.queued += size
        self._queued += size
        stuck = not link.close and (link.queued > STUCK or len(link.queues) > STUCK_FLOWS)
        effects: list[Written] = [*self._rest(link)] if stuck else []
        if source is not None:
            room = MAX_QUEUE - self._queued
            effects += self._push(self._pressure.waits(link.id, flow, source, waiting, room))
        return effects + self._drop(*self._largest()) if self._queued > MAX_QUEUE else effects

    def _largest(self) -> tuple[Link, Flow]:
        _, link, flow = max(
            ((size, link, flow) for link in self._links.values() for flow, size in link.waiting.items()),
            key=lambda known: known[0],
        )
        return link, flow

    def _drop(self, link: Link, flow: Flow) -> list[Written]:
        """What waits for a flow is lost."""
        size = link.waiting.pop(flow, 0)
        link.queues.pop(flow, None)
        link.parked.pop(flow, None)
        link.fresh.pop(flow, None)
        link.queued -= size
        self._queued -= size
        link.dropped += 1
        words = f"the link to {link.peer} is too slow: {size} bytes of one flow are dropped"
        log = Log("warning", "queue_full", words)
        if isinstance(flow, int):
            return [Overrun(link.id, flow), log]
        return [log, *self._push(self._pressure.drains(link.id, flow, 0, MAX_QUEUE - self._queued))]

    def drained(self, link: int) -> list[Written]:
        """The driver can take more for this link. It asks again until it gets nothing, or its buffer is full.

        Flows take turns, and one that has just begun to wait comes first: a bulk transfer doesn't hold up a small one.
        """
        known = self._links.get(link)
        if known is None or not known.up:
            return []
        known.writable = True
        batch: list[Written] = []
        size = 0
        while known.queues and size < BATCH:
            flow = next(iter(known.fresh or known.queues))
            known.fresh.pop(flow, None)
            queue = known.queues.pop(flow)
            item = queue.popleft()
            known.queued -= len(item)
            self._queued -= len(item)
            if queue:
                known.queues[flow] = queue
                known.waiting[flow] -= len(item)
            else:
                del known.waiting[flow]
            if not isinstance(flow, int):
                room = MAX_QUEUE - self._queued
                batch += self._push(self._pressure.drains(link, flow, known.waiting.get(flow, 0), room))
            data = self._encode(known, item)
            if data:
                batch.append(WriteLink(link, data))
                size += len(data)
        known.sent += size
        return batch

    def send_frame(self, link: int, frame: bytearray | memoryview, circuit: Flow) -> list[Written]:
        """As `write`, for a frame of a circuit, or of gossip. If the link is gone, it is lost."""
        known = self._links.get(link)
        if known is None or known.secure is None:
            return []
        known.carried = True
        return self.write(known, frame, circuit)

    def spare(self, now: float) -> list[int]:
        """Secure links that have been silent for a while: those beside the one that is written to, and of visitors.

        A visitor that was passed on is heard of no more, and who comes after it needs the place.
        """
        spare = []
        for link in self._links.values():
            if link.carried or link.secure is None or not link.secure.up:
                link.carried, link.idle = False, now
            elif now - link.idle >= SPARE_FOR:
                kept = link.outbound or self._door.is_close(link.peer.ip, link.key)
                if kept and self._by_ip.get(link.peer.ip) == link.id:
                    link.idle = now  # It is the one that is written to.
                else:
                    spare.append(link.id)
        return spare

    def crowded(self, link: int) -> bool:
        """Whether what is sent over a link would have to wait."""
        known = self._links.get(link)
        return known is not None and (not known.writable or bool(known.queues))

    def _encode(self, link: Link, item: Waiting) -> bytes | bytearray | memoryview:
        if not isinstance(item, Sealed):
            if link.secure is None:
                return b""  # A circuit's frame can't travel over JSON: its circuit was closed with the secure link.
            link.secure.seal(item)
            return item
        if link.secure is not None:
            return link.secure.package(item.package)
        try:
            return mask(self._keys.seal(item.key, item.package.encode()))
        except PeerError:
            return b""

    def is_outbound(self, link: int) -> bool:
        known = self._links.get(link)
        return known is not None and known.outbound

    def congested(self, link: int) -> None:
        """The driver's buffer for this link is full: nothing is written until `drained`."""
        known = self._links.get(link)
        if known is not None:
            known.writable = False

    def _add(self, peer: Endpoint, outbound: bool, speech: LinkSpeech, now: float) -> Link:
        link = Link(self._next, peer, outbound, speech, now, heard=now)
        self._next += 1
        self._links[link.id] = link
        if outbound:  # What a visitor speaks has to be heard first.
            self._by_ip[peer.ip] = link.id
        return link


def _silence_ends(link: Link) -> float:
    """When a link that says nothing is asked whether it is there, or if it was, is dead."""
    if link.pinged > link.heard:
        return link.dead_at
    return link.heard + (PING_SOON if link.sent else PING_AFTER - DIALLER_FIRST * link.outbound)
