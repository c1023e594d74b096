"""Who may be our neighbor: how many, of whom, and who holds which address (neighborhood.md 1.6)."""

from __future__ import annotations

from collections.abc import Callable

from masq.core.limits import (
    ANCHORS,
    FRESH,
    KEPT_PLACES,
    MAX_DEGREE,
    MAX_LEAVES,
    MAX_LISTED,
    MAX_VISITORS,
    NEIGHBORS_PER_PREFIX,
    NEIGHBORS_PER_WALLET,
    SPLIT_EVERY,
    SPLIT_WITHIN,
    prefix,
)
from masq.core.network.contacts import Contacts
from masq.core.network.own_record import OwnRecord
from masq.types import DEFAULT_EARNING_WALLET, Endpoint, NodeAddress, PublicKey
from masq.wire.message import NodeRecord

IsLinked = Callable[[PublicKey, str, Endpoint], bool]
"""Whether a link to a Node stands: its key, its IP address, and a peer whose link doesn't count."""


class Places:
    """The places of our neighbors."""

    def __init__(self, own: OwnRecord, contacts: Contacts, is_linked: IsLinked) -> None:
        self._own = own
        self._graph = own.graph
        self._contacts = contacts
        self.is_linked = is_linked
        self._left: dict[PublicKey, str] = {}
        """IP addresses of neighbors that were lost."""
        self._splits: dict[PublicKey, float] = {}
        self._between: dict[PublicKey, dict[PublicKey, NodeAddress]] = {}
        """Neighbors that were taken between us and others, and those: they are asked again when the former leave."""
        self._split_at = float("-inf")
        self._crowded_since: float | None = None
        """Since when there are more full neighbors than places."""
        self._bears_crowds = SPLIT_WITHIN * (1 + self._graph.root_key[0] / 255)
        """Seconds of that until one of them has to go: each Node has its own, as those that took up the same newcomer
        would else part from it in the same moment, and take it up again."""

    def has_place(self, record: NodeRecord, address: NodeAddress | None, now: float, chosen: bool) -> bool:
        """Whether there is a place for one more neighbor. For a visitor a place is made, if one that came before it
        hasn't used its own."""
        graph, key = self._graph, record.public_key
        if key in graph.root.neighbors:
            return True
        if self._own.profile.diverse and not self._is_diverse(record, address):
            return False
        full = sum(each.accepts_connections for each in graph.full_neighbors(graph.root_key))
        if chosen:
            return full < MAX_DEGREE and len(graph.root.neighbors) < MAX_LISTED
        room = self._room(record.accepts_connections)
        if room > 0:
            return len(graph.root.neighbors) < MAX_LISTED
        stale = self._oldest_visitor(now, record.accepts_connections)
        if stale is None or room < 0:
            return False
        self._own.drop_neighbor(stale, now)
        graph.forget_address(stale)
        return True

    def has_room(self, record: NodeRecord) -> bool:
        """Whether a visitor would find a free place."""
        return record.public_key in self._graph.root.neighbors or self._room(record.accepts_connections) > 0

    def anchors(self) -> set[PublicKey]:
        """Neighbors that no newcomer takes the place of: the longest there, and those that the operator named."""
        graph = self._graph
        full = {record.public_key for record in graph.full_neighbors(graph.root_key) if record.accepts_connections}
        count = ANCHORS if len(full) >= MAX_DEGREE else KEPT_PLACES
        oldest = [key for key in self._own.since if key in full][:count]
        return {*oldest, *self._contacts.named()}

    def may_split(self, newcomer: NodeRecord, address: NodeAddress, now: float) -> bool:
        """Whether a newcomer may be taken though all places are: between us and a neighbor, which takes it for us."""
        graph = self._graph
        full = sum(record.accepts_connections for record in graph.full_neighbors(graph.root_key))
        if not newcomer.accepts_connections or self._splits or now - self._split_at < SPLIT_EVERY:
            return False
        if full > MAX_DEGREE or len(graph.root.neighbors) >= MAX_LISTED:
            return False
        return not self._own.profile.diverse or self._is_diverse(newcomer, address)

    def split(self, newcomer: PublicKey, other: PublicKey, now: float) -> None:
        """A newcomer was taken beyond our places, and introduced to a neighbor that is to part from us for it."""
        self._remember(newcomer, other)
        self._splits[newcomer] = now
        self._split_at = now

    def end_splits(self, now: float) -> None:
        """Who was taken beyond our places, and nobody parted from us for it, goes again. So does one of those whom we
        and others took up in the same moment. Whom we parted from for somebody that is gone is asked again."""
        for newcomer in [key for key, since in self._splits.items() if now - since >= SPLIT_WITHIN]:
            del self._splits[newcomer]
        graph = self._graph
        full = {record.public_key for record in graph.full_neighbors(graph.root_key) if record.accepts_connections}
        if len(full) <= MAX_DEGREE:
            self._crowded_since = None
        elif self._crowded_since is None:
            self._crowded_since = now
        elif now - self._crowded_since >= self._bears_crowds:
            self._crowded_since = None
            self._part_from_one(full, now)
        for newcomer in self._gone():
            others = self._between.pop(newcomer)
            after = next((each for each in self._between.values() if newcomer in each), None)
            if after is not None and len(after) + len(others) <= MAX_LISTED:
                after.update(others)  # There is somebody between us and the newcomer now.
                continue
            for other, address in others.items():
                self._contacts.look_for(other, address, now)

    def _part_from_one(self, full: set[PublicKey], now: float) -> None:
        """The latest neighbor but for anchors, and rather one that has others."""
        graph, anchors = self._graph, self.anchors()
        latest = [key for key in reversed(self._own.since) if key in full]
        may_go = [key for key in latest if key not in anchors]
        if may_go:
            leaving = next((key for key in may_go if graph.degree(key) > KEPT_PLACES + 1), may_go[0])
            self._remember(latest[0], leaving)
            self._own.part(leaving, now)

    def _remember(self, newcomer: PublicKey, other: PublicKey) -> None:
        address = self._graph.address(other)
        if address is not None and newcomer != other:
            self._between.setdefault(newcomer, {})[other] = address

    def _gone(self) -> list[PublicKey]:
        return [key for key in self._between if key not in self._graph.root.neighbors]

    def split_wakes(self) -> list[float]:
        crowded = [] if self._crowded_since is None else [self._crowded_since + self._bears_crowds]
        splits = [since + SPLIT_WITHIN for since in self._splits.values()]
        return [*splits, *crowded, *([0.0] if self._gone() else [])]

    def gives_way(self, newcomer: NodeRecord, address: NodeAddress, now: float) -> PublicKey | None:
        """The neighbor that parts from us for a newcomer which it introduced: both list each other, by their own word.

        It would have the newcomer as a neighbor in any case, so that it gains nothing by it. And it lists more than it
        has places for: else one newcomer could part it from all of its neighbors.
        """
        graph = self._graph
        if now - self._split_at < SPLIT_EVERY or not newcomer.accepts_connections:
            return None
        if self._own.profile.diverse and not self._is_diverse(newcomer, address):
            return None
        kept = self.anchors()
        for record in graph.full_neighbors(graph.root_key):
            key = record.public_key
            linked = key in newcomer.neighbors and newcomer.public_key in record.neighbors
            if linked and key not in kept and sum(map(self._accepts, record.neighbors)) > MAX_DEGREE:
                return key
        return None

    def split_from(self, newcomer: PublicKey) -> PublicKey | None:
        """The neighbor that a newcomer was introduced to when it was taken beyond our places."""
        return next(iter(self._between.get(newcomer, ())), None)

    def give_way(self, neighbor: PublicKey, newcomer: PublicKey, now: float) -> None:
        self._split_at = now
        self._remember(newcomer, neighbor)
        self._own.part(neighbor, now)

    def _room(self, accepting: bool) -> int:
        """How many more visitors there are places for, of those that accept connections or of those that don't."""
        graph = self._graph
        full = [record for record in graph.full_neighbors(graph.root_key) if record.accepts_connections == accepting]
        confirmed = {record.public_key for record in full}
        waiting = [key for key in self._own.listed if key not in confirmed and key not in self._own.chosen]
        visitors = sum(self._accepts(key) == accepting for key in waiting)
        if not accepting:
            return min(MAX_VISITORS, MAX_LEAVES - len(full)) - visitors
        chosen = sum(key in self._own.chosen for key in graph.root.neighbors)
        elsewhere = len(self._contacts.by_ip) - self._contacts.at_hand()
        kept = max(0, min(KEPT_PLACES - chosen, elsewhere))
        return min(MAX_VISITORS, MAX_DEGREE - kept - len(full)) - visitors

    def _accepts(self, key: PublicKey) -> bool:
        record = self._graph.record(key)
        return record is None or record.accepts_connections

    def _oldest_visitor(self, now: float, accepting: bool) -> PublicKey | None:
        """Who debuted longest ago and hasn't listed us, though it had the time to."""
        for key, since in self._own.listed.items():
            waits = key not in self._own.chosen and not self._graph.is_full(self._graph.root_key, key)
            if waits and now - since > FRESH and self._accepts(key) == accepting:
                return key
        return None

    def _is_diverse(self, record: NodeRecord, address: NodeAddress | None) -> bool:
        """Whether another owner and network joins our neighbors with this one, as far as can be told."""
        same_wallet = same_prefix = 0
        for key in self._graph.root.neighbors:
            other, place = self._graph.record(key), self._graph.address(key)
            if other is not None and record.earning_wallet != DEFAULT_EARNING_WALLET:
                same_wallet += other.earning_wallet == record.earning_wallet
            if place is not None and address is not None:
                same_prefix += prefix(place.ip) == prefix(address.ip)
        return same_wallet < NEIGHBORS_PER_WALLET and same_prefix < NEIGHBORS_PER_PREFIX

    # --- addresses: there is one Node at each ---

    def held(self, ip: str, key: PublicKey, source: Endpoint) -> bool:
        """Whether an address is that of another Node: our own, or of a neighbor whose link stands."""
        holder = self._graph.at(ip)
        if holder is None or holder == key:
            return False
        if holder == self._graph.root_key:
            return True
        return holder in self._graph.root.neighbors and self.is_linked(holder, ip, source)

    def displace(self, ip: str, key: PublicKey, now: float) -> None:
        """Somebody takes an address: who was there before is our neighbor no more."""
        holder = self._graph.at(ip)
        if holder is not None and holder != key:
            self._graph.forget_address(holder)
            self._own.drop_neighbor(holder, now)

    def was_at(self, key: PublicKey) -> str | None:
        """Where a neighbor is, or was last."""
        place = self._graph.address(key)
        return place.ip if place and key in self._graph.root.neighbors else self._left.get(key)

    def left(self, key: PublicKey, ip: str) -> None:
        """A neighbor was lost there."""
        self._left.pop(key, None)
        self._left[key] = ip
        if len(self._left) > MAX_LISTED:
            del self._left[next(iter(self._left))]
