"""What a Node knows of the network: records, addresses, and who is whose neighbor (protocol.md 9.1)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from masq.types import NodeAddress, PublicKey
from masq.wire.message import NodeRecord
from masq.wire.news import id_of

ISOLATED_GRACE: Final = 30.0
"""Seconds that a record nobody lists is kept."""

DESERTED: Final = 2
"""So many of its neighbors have left a Node that seems to be gone. One alone may be wrong, or lie."""


@dataclass(slots=True)
class Known:
    """A record, where its Node is reached if we were told, when it was last renewed, and on whose word it is known."""

    record: NodeRecord
    address: NodeAddress | None
    updated: float
    source: bytes = b""


class Graph:
    """All known Nodes. The root is ourselves: never removed, and the only one whose neighbors we edit."""

    def __init__(self, root: NodeRecord, address: NodeAddress | None, now: float) -> None:
        self.root_key: PublicKey = root.public_key
        self._root = Known(root, address, now)
        self._known: dict[PublicKey, Known] = {root.public_key: self._root}
        self._by_id: dict[bytes, Known] = {id_of(root.public_key): self._root}
        self._by_ip: dict[str, PublicKey] = {address.ip: root.public_key} if address else {}
        self.revision = 0
        """Changes with every change of a record: what was derived from the graph is stale then."""
        self.forgotten = 0
        """How many times a Node was."""
        self._lists: dict[PublicKey, frozenset[PublicKey]] = {}
        """Whom each Node lists."""
        self._listed: dict[PublicKey, int] = {root.public_key: 1}
        """All keys that somebody lists, and the root; how many do."""
        self._news: dict[PublicKey, int] = {}
        """The revision at which each record changed last, or somebody more listed it; the latest ones last."""
        self._full: dict[PublicKey, list[NodeRecord]] = {}
        self._deserted: dict[PublicKey, bool] = {}
        self._within: dict[int, tuple[frozenset[PublicKey], frozenset[PublicKey]]] = {}
        self._size: int | None = None
        """What was derived from the graph as it is."""
        self._relist(root)

    def __contains__(self, key: PublicKey) -> bool:
        return key in self._known

    def __iter__(self) -> Iterator[Known]:
        return iter(self._known.values())

    def __len__(self) -> int:
        return len(self._known)

    @property
    def size(self) -> int:
        """How many Nodes are known, or listed by one that is: the network is at least so large."""
        if self._size is None:
            self._size = len(self._listed.keys() | self._known.keys())
        return self._size

    @property
    def is_whole(self) -> bool:
        """Whether everybody who is listed is known: then there is nobody else in this part of the network."""
        return self.size == len(self._known)

    @property
    def root(self) -> NodeRecord:
        return self._root.record

    @property
    def root_address(self) -> NodeAddress | None:
        return self._root.address

    def called(self, id: bytes) -> Known | None:
        """The Node that neighbors of ours call so (protocol.md 16): of two, the one that was known first."""
        return self._by_id.get(id)

    def ids(self) -> Collection[bytes]:
        """What neighbors of ours call the Nodes that are known."""
        return self._by_id.keys()

    def record(self, key: PublicKey) -> NodeRecord | None:
        known = self._known.get(key)
        return known.record if known else None

    def address(self, key: PublicKey) -> NodeAddress | None:
        known = self._known.get(key)
        return known.address if known else None

    def at(self, ip: str) -> PublicKey | None:
        """The key of the Node known at this IP address."""
        return self._by_ip.get(ip)

    def add(self, record: NodeRecord, address: NodeAddress | None, now: float, source: bytes = b"") -> None:
        """Add or replace a Node. `source`: the neighbor on whose word; empty if it spoke for itself."""
        self.forget(record.public_key)
        known = self._known[record.public_key] = Known(record, None, now, source)
        self._by_id.setdefault(id_of(record.public_key), known)
        if address:
            self.learn_address(record.public_key, address)
        self._relist(record)

    def known_by(self, source: bytes) -> int:
        """How many records are known on the word of this neighbor."""
        return sum(known.source == source for known in self._known.values())

    def update(self, record: NodeRecord, address: NodeAddress | None, now: float) -> str | None:
        """Take a newer record of a known Node. Returns why not, if it may not change so (neighborhood.md 2.7)."""
        known = self._known[record.public_key]
        if record.rates != known.record.rates:
            return "the rate pack changed"
        if address and known.address and address != known.address:
            return "the address changed"
        known.record, known.updated = record, now
        if address and not known.address:
            self.learn_address(record.public_key, address)
        self._relist(record)
        return None

    def learn_address(self, key: PublicKey, address: NodeAddress) -> None:
        """Where a Node is reached. There is one Node at an IP address: who was known there is so no more."""
        holder = self._by_ip.get(address.ip)
        if holder != self.root_key and key != self.root_key:
            self._place(key, address)

    def forget_address(self, key: PublicKey) -> None:
        if key != self.root_key:
            self._displace(key)

    def _place(self, key: PublicKey, address: NodeAddress) -> None:
        self._displace(self._by_ip.get(address.ip))
        self._displace(key)
        self._known[key].address = address
        self._by_ip[address.ip] = key

    def _displace(self, key: PublicKey | None) -> None:
        known = self._known.get(key) if key else None
        if known and known.address:
            if self._by_ip.get(known.address.ip) == key:
                del self._by_ip[known.address.ip]
            known.address = None

    def forget(self, key: PublicKey) -> None:
        if key in self._known and key != self.root_key:
            self.forget_address(key)
            known = self._known.pop(key)
            if self._by_id.get(id_of(key)) is known:
                del self._by_id[id_of(key)]
            self.forgotten += 1
            self._changed(key)
            for other in self._lists.pop(key):
                self._unlist(other)
            del self._news[key]

    def set_root(self, record: NodeRecord) -> None:
        self._root.record = record
        self._relist(record)

    def move_root(self, address: NodeAddress) -> None:
        """We are somewhere else: who was known there is so no more."""
        self._place(self.root_key, address)
        self.revision += 1

    def _changed(self, key: PublicKey) -> None:
        """Forget what was derived from whom a Node lists."""
        self.revision += 1
        self._full, self._deserted = {}, {}
        self._size = None
        self._within = {radius: within for radius, within in self._within.items() if key not in within[1]}

    def _relist(self, record: NodeRecord) -> None:
        """A record is new: so is whom it lists."""
        key, lists = record.public_key, record.neighbors
        self._changed(key)
        before = self._lists.get(key, frozenset())
        self._lists[key] = lists
        for other in before - lists:
            self._unlist(other)
        for other in lists - before:
            self._listed[other] = self._listed.get(other, 0) + 1
        for other in sorted(lists - before):
            if other in self._known:
                self._note(other)
        self._note(key)

    def _unlist(self, key: PublicKey) -> None:
        self._listed[key] -= 1
        if not self._listed[key]:
            del self._listed[key]

    def _note(self, key: PublicKey) -> None:
        self._news.pop(key, None)
        self._news[key] = self.revision

    def unchanged(self, keys: Iterable[PublicKey], revision: int) -> bool:
        """Whether none of these Nodes has changed since a revision."""
        news = self._news
        return all(news.get(key, revision + 1) <= revision for key in keys)

    def news_since(self, revision: int) -> list[NodeRecord]:
        """Records that have changed since then, or that somebody more lists; without those that nobody does."""
        found = []
        for key in reversed(self._news):
            if self._news[key] <= revision:
                break
            if key in self._listed:
                found.append(self._known[key].record)
        return found[::-1]

    # --- neighbors ---

    def is_full(self, one: PublicKey, other: PublicKey) -> bool:
        """Whether each lists the other: only such links carry traffic."""
        lists = self._lists
        return other in lists.get(one, ()) and one in lists.get(other, ())

    def full_neighbors(self, key: PublicKey) -> list[NodeRecord]:
        full = self._full.get(key)
        if full is None:
            listed = sorted(self._lists.get(key, ()))
            full = self._full[key] = [self._known[other].record for other in listed if self.is_full(key, other)]
        return full

    def is_deserted(self, key: PublicKey) -> bool:
        """Whether two and more of those that a Node lists, and that we know, don't list it: it may be gone, and unable
        to say so."""
        deserted = self._deserted.get(key)
        if deserted is None:
            lists = [self._lists[other] for other in self._lists.get(key, ()) if other in self._lists]
            deserted = self._deserted[key] = sum(key not in each for each in lists) >= DESERTED
        return deserted

    def degree(self, key: PublicKey) -> int:
        """Gossip degree: accepting full neighbors, and listed keys that we hold no record of (neighborhood.md 1.3)."""
        known = self._known.get(key)
        if known is None:
            return 0
        accepting = sum(record.accepts_connections for record in self.full_neighbors(key))
        return accepting + sum(other not in self._known for other in known.record.neighbors)

    def is_listed(self, key: PublicKey) -> bool:
        """Whether anybody lists a key; the root is listed always."""
        return key in self._listed

    def within(self, radius: int) -> frozenset[PublicKey]:
        """The root, and all keys that it reaches over so many lists: known, or listed by somebody that is. The very
        same set as long as nothing about it changes."""
        within = self._within.get(radius)
        if within is None:
            within = self._within[radius] = self._reached(radius)
        return within[0]

    def _reached(self, radius: int) -> tuple[frozenset[PublicKey], frozenset[PublicKey]]:
        """All keys within a radius, and those of them whose lists count."""
        lists = self._lists
        inner: frozenset[PublicKey] = frozenset()
        reached = edge = frozenset((self.root_key,))
        for _ in range(radius):
            inner = reached
            edge = edge.union(*[lists[key] for key in edge if key in lists]) - reached
            reached |= edge
        return reached, inner

    def cull(self, now: float, radius: int) -> list[PublicKey]:
        """Forget Nodes that the root can't reach over `radius` lists, after a grace; returns their keys.

        Reachability rather than mere reference: dead Nodes that list each other go, too. Farther away nobody tells us
        what becomes of them.
        """
        reached = self.within(radius)
        gone = [k for k, known in self._known.items() if k not in reached and now - known.updated >= ISOLATED_GRACE]
        for key in gone:
            self.forget(key)
        return gone
