"""A stand-in for a MASQ Node 0.9.1, as far as gossip goes: what it believes, answers, and overlooks.

Written from the specification of its behaviour, not from what ours does: it shares the wire with ours, no more.
It relays nothing. Both drivers can run it in place of a Node: it has links, and no sockets.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from tests.secure_ends import DEV

from masq.core.effects import CloseLink, Dial, WriteLink
from masq.crypto import CryptDE, Random
from masq.errors import PeerError
from masq.types import DEFAULT_EARNING_WALLET, DEFAULT_RATE_PACK, Endpoint, Mode, NodeAddress, PublicKey
from masq.wire.frame import Framer, mask, unmask
from masq.wire.message import Gossip, GossipFailure, GossipRecord, NodeRecord, decode_message, encode_message
from masq.wire.package import Package, single_hop

MOST: Final = 5
RADIUS: Final = 3
PASS_MEMORY: Final = 60.0
CULL_EVERY: Final = 60.0
CULL_AGE: Final = 30.0

LinksEffect = Dial | WriteLink | CloseLink


@dataclass
class Known:
    """A record in its database."""

    record: NodeRecord
    address: NodeAddress | None
    renewed: float


@dataclass
class Stream:
    """A connection."""

    id: int
    peer: Endpoint
    up: bool
    framer: Framer = field(default_factory=Framer)
    waiting: list[bytes] = field(default_factory=list)


@dataclass(frozen=True)
class OldRules:
    """What a driver asks about a Node."""

    mode: Mode = Mode.STANDARD


class OldNode:
    """Its handlers are those of the specification, by their numbers there."""

    def __init__(self, ip: str, port: int = 6001, random: Random = os.urandom) -> None:
        self.keys = CryptDE(DEV, random)
        self.address = NodeAddress(ip, (port,))
        self.rules = OldRules()
        self.flush_due = float("inf")
        self.known: dict[PublicKey, Known] = {}
        self.root = self._signed(frozenset(), 0)
        self.at: dict[str, PublicKey] = {}
        """Keys by IP address; an address that came with an update is not among them (1.2)."""
        self.overlooked = 0
        """Debuts of known Nodes, which count for nothing (2.1, last row)."""
        self.heard: list[Gossip] = []
        """All gossip that came, in its order."""
        self.hangs = False
        """Whether it takes connections, and does nothing else."""
        self._contacts: list[tuple[PublicKey, Endpoint]] = []
        self._streams: dict[int, Stream] = {}
        self._by_ip: dict[str, int] = {}
        self._passes: dict[str, float] = {}
        self._culled = 0.0
        self._next = 1
        self._now = 0.0
        self._out: list[LinksEffect] = []

    # --- what tests look at ---

    @property
    def key(self) -> PublicKey:
        return self.keys.public_key

    @property
    def full(self) -> set[PublicKey]:
        """Its full neighbors."""
        return {
            key for key in self.root.neighbors if key in self.known and self.key in self.known[key].record.neighbors
        }

    def joins_by(self, key: PublicKey, endpoint: Endpoint) -> None:
        """It debuts there when it starts; `key`: as much as a descriptor shows of it."""
        self._contacts.append((self.keys.first_contact_key(key[:32]), endpoint))

    # --- as a driver calls it ---

    def start(self, now: float) -> list[LinksEffect]:
        self._now = now
        for key, endpoint in self._contacts:
            self._tell(key, endpoint, self._debut())
        return self._taken()

    def tick(self, now: float) -> list[LinksEffect]:
        return []

    def flush(self, now: float) -> list[LinksEffect]:
        return []

    def next_wake(self, now: float) -> float:
        return now + 60.0

    def set_clock(self, epoch: float, now: float) -> list[LinksEffect]:
        return []

    def accept(self, peer: Endpoint, now: float) -> tuple[int, list[LinksEffect]]:
        return self._add(peer, True).id, []

    def dialled(self, link: int, now: float) -> list[LinksEffect]:
        stream = self._streams[link]
        stream.up = True
        return [WriteLink(link, data) for data in stream.waiting]

    def dial_failed(self, link: int, reason: str, now: float) -> list[LinksEffect]:
        return self.link_closed(link, now)

    def link_congested(self, link: int, now: float) -> list[LinksEffect]:
        return []

    def link_drained(self, link: int, now: float) -> list[LinksEffect]:
        return []

    def link_received(self, link: int, data: memoryview, now: float) -> list[LinksEffect]:
        stream = self._streams.get(link)
        if stream is None or self.hangs:
            return []
        self._now = now
        for frame in stream.framer.feed(bytes(data)):
            # A handshake of ours is noise to it, and may hold braces.
            with contextlib.suppress(PeerError):
                package = Package.decode(self.keys.open(unmask(frame)))
                message = decode_message(self.keys.open(package.payload))
                self._by_ip[stream.peer.ip] = stream.id
                if isinstance(message, Gossip):
                    self.heard.append(message)
                    self._hears(message, stream.peer)
        return self._taken()

    def link_closed(self, link: int, now: float) -> list[LinksEffect]:
        """5.1: whoever is known at that address is lost, even if another stream from there lives."""
        stream = self._streams.pop(link, None)
        if stream is None:
            return []
        self._now = now
        ip = stream.peer.ip
        self._by_ip.pop(ip, None)
        key = self.at.pop(ip, None)
        if key is not None:
            self.known[key].address = None
            if key in self.root.neighbors:
                self._list(self.root.neighbors - {key})
                self._round()
        return self._taken()

    # --- gossip (2) ---

    def _hears(self, gossip: Gossip, source: Endpoint) -> None:
        records = gossip.records
        if not all(item.record.verify(self.keys) for item in records):
            return
        if len(records) == 1:
            self._hears_one(records[0], source)
        elif len(records) == 2 and self._is_introduction(records, source):
            self._introduced(records, source)
        else:
            self._standard(records, source)

    def _hears_one(self, item: GossipRecord, source: Endpoint) -> None:
        """2.1"""
        known, address, accepts = item.record.public_key in self.known, item.address, item.record.accepts_connections
        if address is None:
            if not known and not accepts:
                self._debuted(item, source)
        elif address.ip != source.ip:
            self._passed(item)
        elif known:
            self.overlooked += item.record.public_key not in self.root.neighbors
            self._standard((item,), source)
        elif accepts:
            self._debuted(item, source)

    def _debuted(self, item: GossipRecord, source: Endpoint) -> None:
        """2.3"""
        record = item.record
        address = item.address or NodeAddress(source.ip, (source.port,))
        excluded = {record.public_key} | record.neighbors
        near = sorted(
            (key for key in self.full - excluded if self._accepts(key)), key=lambda key: (self._degree(key), key)
        )
        better = next((key for key in near if self._degree(key) > 2), None)
        to = record.public_key, address.endpoint
        if better is not None and self._degree(better) < self._degree(self.key):
            self._tell(*to, Gossip((self._shown(better),)))
        elif self._degree(self.key) >= MOST:
            half = sorted(self.root.neighbors - excluded, key=lambda key: (self._degree(key), key))
            known = [key for key in half if key in self.known and self.known[key].address]
            self._tell(*to, Gossip((self._shown(known[0]),)) if known else GossipFailure.NO_SUITABLE_NEIGHBORS)
        else:
            self._learn(record, address)
            self._list(self.root.neighbors | {record.public_key})
            if record.neighbors:
                self._round()
            elif near:
                self._tell(*to, Gossip((self._shown(self.key), self._shown(near[0]))))
            else:
                short = self._signed(frozenset((record.public_key,)), self.root.version)
                self._tell(*to, Gossip((GossipRecord(short, self.address),)))

    def _passed(self, item: GossipRecord) -> None:
        """2.4"""
        address = item.address
        assert address
        before = self._passes.get(address.ip)
        self._passes[address.ip] = self._now
        if before is None or self._now - before > PASS_MEMORY:
            self._tell(item.record.public_key, address.endpoint, self._debut())

    def _is_introduction(self, records: tuple[GossipRecord, ...], source: Endpoint) -> bool:
        """2.5"""
        sides = _sides(records, source)
        return sides is not None and sides[1].record.public_key not in self.known

    def _introduced(self, records: tuple[GossipRecord, ...], source: Endpoint) -> None:
        sides = _sides(records, source)
        assert sides
        introducer, introducee = sides
        key = introducer.record.public_key
        if len(self.full) >= MOST:
            return
        known = self.known.get(key)
        if known is None:
            self._learn(introducer.record, introducer.address)
            self._list(self.root.neighbors | {key})
        elif known.record.version < introducer.record.version:
            self._update(introducer)
            self._list(self.root.neighbors | {key})
        assert introducee.address
        self._tell(introducee.record.public_key, introducee.address.endpoint, self._debut())

    def _standard(self, records: tuple[GossipRecord, ...], source: Endpoint) -> None:
        """2.6"""
        shown = [item.address.ip for item in records if item.address]
        if self.address.ip in shown or len(shown) != len(set(shown)):
            return
        if any(item.record.public_key == self.key for item in records):
            return
        reached = self._patch({item.record.public_key: item.record for item in records})
        changed = False
        for item in records:
            key, address = item.record.public_key, item.address
            if key not in reached:
                continue
            known = self.known.get(key)
            if known is None:
                if address is None or (address.ip == source.ip and source.port in address.ports):
                    self._learn(item.record, address)
                    changed = True
            elif known.record.version < item.record.version:
                changed = self._update(item) or changed
        there = self.at.get(source.ip)
        if there is not None and len(self.full) < MOST and there not in self.root.neighbors:
            self._list(self.root.neighbors | {there})
            changed = True
        if changed:
            self._round()

    def _patch(self, said: dict[PublicKey, NodeRecord]) -> set[PublicKey]:
        reached: set[PublicKey] = set()
        edge = set(self.root.neighbors)
        for _ in range(RADIUS):
            edge = {key for key in edge if key in said} - reached
            reached |= edge
            edge = {other for key in edge for other in said[key].neighbors}
        return reached

    # --- the database (1) ---

    def _learn(self, record: NodeRecord, address: NodeAddress | None) -> None:
        self.known[record.public_key] = Known(record, address, self._now)
        if address is not None:
            self.at[address.ip] = record.public_key

    def _update(self, item: GossipRecord) -> bool:
        """2.7: whether it is taken."""
        known = self.known[item.record.public_key]
        other_place = known.address is not None and item.address is not None and known.address != item.address
        if known.record.rates != item.record.rates or other_place:
            return False
        self.known[item.record.public_key] = Known(item.record, known.address or item.address, self._now)
        return True

    def _list(self, neighbors: frozenset[PublicKey]) -> None:
        if neighbors != self.root.neighbors:
            self.root = self._signed(neighbors, self.root.version + 1)

    def _signed(self, neighbors: frozenset[PublicKey], version: int) -> NodeRecord:
        rates = DEFAULT_RATE_PACK
        return NodeRecord.sign(self.keys, DEFAULT_EARNING_WALLET, rates, neighbors, True, True, version)

    def _accepts(self, key: PublicKey) -> bool:
        return key not in self.known or self.known[key].record.accepts_connections

    def _degree(self, key: PublicKey) -> int:
        """1.3: full neighbors that accept connections, and who is listed and not known."""
        records = {self.key: self.root, **{other: each.record for other, each in self.known.items()}}
        return sum(
            other not in records or (key in records[other].neighbors and records[other].accepts_connections)
            for other in records[key].neighbors
        )

    def _shown(self, key: PublicKey) -> GossipRecord:
        if key == self.key:
            return GossipRecord(self.root, self.address)
        known = self.known[key]
        return GossipRecord(known.record, known.address if known.record.accepts_connections else None)

    # --- telling (3) ---

    def _debut(self) -> Gossip:
        return Gossip((GossipRecord(self.root, self.address),))

    def _round(self) -> None:
        listed = {
            self.key,
            *self.root.neighbors,
            *(key for each in self.known.values() for key in each.record.neighbors),
        }
        if self._now - self._culled >= CULL_EVERY:
            self._culled = self._now
            self.known = {
                key: each for key, each in self.known.items() if key in listed or self._now - each.renewed < CULL_AGE
            }
        for target in sorted(self.root.neighbors):
            known = self.known.get(target)
            place = known.address if known else None
            if known is None or place is None:
                continue
            items = [self._shown(key) for key in (self.key, *self.known) if key != target and key in listed]
            theirs = {self.key} | known.record.neighbors
            said = [item if item.record.public_key in theirs else replace(item, address=None) for item in items]
            self._tell(target, place.endpoint, Gossip(tuple(said)))

    def _tell(self, key: PublicKey, endpoint: Endpoint, message: Gossip | GossipFailure) -> None:
        """3.2a: over the stream of that IP address, whoever opened it; else it dials."""
        package = Package(single_hop(self.keys, key), self.keys.seal(key, encode_message(message)))
        data = mask(self.keys.seal(key, package.encode()))
        stream = self._streams.get(self._by_ip.get(endpoint.ip, 0))
        if stream is None:
            stream = self._add(endpoint, False)
            self._by_ip[endpoint.ip] = stream.id
            self._out.append(Dial(stream.id, endpoint))
        if stream.up:
            self._out.append(WriteLink(stream.id, data))
        else:
            stream.waiting.append(data)

    def _add(self, peer: Endpoint, up: bool) -> Stream:
        stream = Stream(self._next, peer, up)
        self._next += 1
        self._streams[stream.id] = stream
        return stream

    def _taken(self) -> list[LinksEffect]:
        taken, self._out = self._out, []
        return taken


def _sides(records: Iterable[GossipRecord], source: Endpoint) -> tuple[GossipRecord, GossipRecord] | None:
    """Introducer and introducee."""
    first, second = records
    if first.address is None or second.address is None or first.address.ip == second.address.ip:
        return None
    if first.address.ip == source.ip:
        return first, second
    return (second, first) if second.address.ip == source.ip else None


Perform = Callable[[object], None]


def performing(links: object) -> Perform:
    """Carries out what an old Node wants, with the links that a driver gives it."""

    def perform(effect: object) -> None:
        if isinstance(effect, Dial):
            links.dial(effect.link, effect.endpoint)  # type: ignore[attr-defined]  # Each driver's own.
        elif isinstance(effect, WriteLink):
            links.write(effect.link, effect.data)  # type: ignore[attr-defined]

    return perform
