"""Who may be our neighbor: how many, of whom, and who holds which address (neighborhood.md 1.6)."""

from __future__ import annotations

from collections.abc import Callable

from masq.core.limits import (
    FRESH,
    KEPT_PLACES,
    MAX_DEGREE,
    MAX_LEAVES,
    MAX_LISTED,
    MAX_VISITORS,
    NEIGHBORS_PER_PREFIX,
    NEIGHBORS_PER_WALLET,
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
