"""Whom a Node asks to take it in, when, and whom it has asked (neighborhood.md 5.3, 10.4 B10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from masq.core.effects import SaveConfig, Tell
from masq.core.limits import MAX_DEGREE, MAX_LISTED
from masq.core.network.own_record import OwnRecord
from masq.types import Endpoint, NodeAddress, PublicKey
from masq.wire.message import Gossip

SOLICITED: Final = 60.0
"""Seconds after a Debut of ours in which a Pass or Introduction from there is obeyed."""
FIRST_RETRY: Final = 0.5
LAST_RETRY: Final = 600.0
WANTED_NEIGHBORS: Final = 2
"""With fewer full neighbors than this, contacts are debuted to again."""


@dataclass(slots=True)
class Contact:
    """Somebody to debut to: from a descriptor (32 bytes of key), or a lost neighbor (all 64)."""

    key: PublicKey
    address: NodeAddress
    attempts: int = 0
    due: float = 0.0
    answered: bool = False
    """Whether it has said anything yet: until then it is asked again, however many neighbors we have."""

    def is_of(self, key: PublicKey) -> bool:
        return self.key[:32] == key[:32]


class Contacts:
    """Those that the operator gave, and neighbors that were lost; by IP address, as there is one Node at each."""

    def __init__(self, own: OwnRecord, given: list[Contact]) -> None:
        self._own = own
        self._graph = own.graph
        self.by_ip = {contact.address.ip: contact for contact in given}
        self._given = frozenset(self.by_ip)
        """Addresses of contacts that the operator gave: no event makes us forget these."""
        self._debuts: dict[str, tuple[float, PublicKey]] = {}
        """When we debuted to an address, and to whose: a key, or the first half of one."""
        self._saved: frozenset[PublicKey] = frozenset()

    # --- who there is ---

    def proved(self, ip: str, key: PublicKey) -> None:
        """A link proved a key. A contact known by its descriptor is known wholly now."""
        contact = self.by_ip.get(ip)
        if contact is not None and contact.is_of(key):
            contact.key = key
            contact.answered = True

    def answered(self, ip: str, key: PublicKey) -> None:
        """A contact has answered if it is of the key that we were given for it, as far as its link can show."""
        contact = self.by_ip.get(ip)
        if contact is not None and key and contact.is_of(key):
            contact.answered = True

    def refused(self, ip: str, sender: PublicKey, now: float) -> None:
        contact = self.by_ip.get(ip)
        if contact is not None and (not sender or contact.is_of(sender)):
            _postpone(contact, now)

    def lost(self, ip: str, now: float) -> bool:
        """The last link to an address ended. Whether it is a contact's, who is asked later then."""
        contact = self.by_ip.get(ip)
        if contact is not None:
            _postpone(contact, now)
        return contact is not None

    def add_lost(self, key: PublicKey, address: NodeAddress, now: float) -> None:
        """A lost neighbor. The oldest of those gives way, but nobody whom the operator named."""
        lost = [ip for ip in self.by_ip if ip not in self._given]
        if len(self.by_ip) >= MAX_LISTED:
            if not lost:
                return
            del self.by_ip[lost[0]]
        self.by_ip[address.ip] = Contact(key, address, 1, now + FIRST_RETRY)

    def at_hand(self) -> int:
        """How many are our neighbors."""
        return sum(self._graph.at(ip) in self._graph.root.neighbors for ip in self.by_ip)

    # --- Debuts ---

    def wanted(self) -> list[Contact]:
        """Whom to debut to when their time comes: who has never answered, and everybody if neighbors are few."""
        full = len(self._graph.full_neighbors(self._graph.root_key))
        return [
            contact
            for contact in self.by_ip.values()
            if full < WANTED_NEIGHBORS or (not contact.answered and full < MAX_DEGREE)
            if self._graph.at(contact.address.ip) not in self._graph.root.neighbors
        ]

    def tick(self, now: float) -> list[Tell]:
        debuts = []
        for contact in self.wanted():
            if now >= contact.due:
                _postpone(contact, now)
                debuts.append(self.debut_to(contact.key, contact.address, now))
        return debuts

    def debut_to(self, key: PublicKey, address: NodeAddress, now: float) -> Tell:
        self._debuts[address.ip] = now, key
        return Tell(key, address.endpoint, Gossip((self._own.shown(),)))

    def solicited(self, ip: str, now: float, key: PublicKey = b"") -> bool:
        """Whether we debuted there a moment ago; with `key`, whether it was to that Node."""
        then, asked = self._debuts.get(ip, (float("-inf"), b""))
        return now - then <= SOLICITED and (not key or key[:32] == asked[:32])

    def forget(self, now: float) -> None:
        """Debuts that no answer is expected to any more."""
        self._debuts = {ip: it for ip, it in self._debuts.items() if now - it[0] < SOLICITED}

    # --- over restarts ---

    def remember(self) -> list[SaveConfig]:
        """Neighbors to begin with when we are started again, if they are others than before."""
        full = [r for r in self._graph.full_neighbors(self._graph.root_key) if r.accepts_connections]
        keys = frozenset(record.public_key for record in full)
        if keys == self._saved or not keys:
            return []
        lines = []
        for record in full:
            address = self._graph.address(record.public_key)
            if address:
                lines.append(_line(record.public_key, address.endpoint))
        if not lines:
            return []  # Those of before are better than nobody.
        self._saved = keys
        return [SaveConfig("past_neighbors", ",".join(lines))]


def _line(key: PublicKey, endpoint: Endpoint) -> str:
    return f"{key.hex()}@{endpoint}"


def _postpone(contact: Contact, now: float) -> None:
    contact.attempts += 1
    contact.due = now + min(LAST_RETRY, FIRST_RETRY * 2 ** (contact.attempts - 1))
