"""Whom a Node asks to take it in, when, and whom it has asked (neighborhood.md 5.3, 10.4 B10)."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from masq.core.effects import SaveConfig, Tell
from masq.core.limits import MAX_DEGREE, MAX_LISTED
from masq.core.network.book import Book
from masq.core.network.gossip import may_be_dialled
from masq.core.network.own_record import OwnRecord
from masq.crypto import Random
from masq.types import Endpoint, NodeAddress, PublicKey
from masq.wire.circuit import EXTENSION
from masq.wire.message import Gossip, GossipRecord, NodeRecord

SOLICITED: Final = 60.0
"""Seconds after a Debut of ours in which a Pass or Introduction from there is obeyed."""
FIRST_RETRY: Final = 0.5
"""Seconds from the first Debut to who doesn't answer to the next one; from there on twice as long each time."""
STEADY_RETRY: Final = 8.0
"""But no longer than this for the first OFTEN times, five minutes: a network that fell in two is soon one again."""
OFTEN: Final = 40
LAST_RETRY: Final = 600.0
"""And never longer."""
PATIENCE: Final = 3.0
"""Seconds that what a contact has sent us to has the time to take us in."""
CUT_OFF: Final = 10.0
"""Seconds without a route, after which Nodes are looked for that we know nothing of."""
AFTER_LOSS: Final = 60.0
"""Seconds after two neighbors were lost, within as many, in which Nodes are looked for of whom nobody tells us: they
may have been all that held two parts of the network together."""
FIRST_SEARCH: Final = 1.0
LAST_SEARCH: Final = 60.0
"""Seconds from one Node of the book that is asked to the next: at first, and at last."""
WANTED_NEIGHBORS: Final = 3
"""With fewer full neighbors than this, contacts are debuted to again."""


_LINE: Final = re.compile(r"(?P<key>[0-9a-f]+)@\[?(?P<ip>[0-9a-f.:]+)\]?:(?P<port>[1-9][0-9]{0,4})", re.ASCII)


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

    def __init__(self, own: OwnRecord, given: list[Contact], random: Random, now: float) -> None:
        self._own = own
        self._graph = own.graph
        self.by_ip = {contact.address.ip: contact for contact in given}
        self._given = frozenset(self.by_ip)
        """Addresses of contacts that the operator gave: no event makes us forget these."""
        self._debuts: dict[str, tuple[float, PublicKey]] = {}
        """When we debuted to an address, and to whose: a key, or the first half of one."""
        self.unanswered: dict[str, float] = {}
        """Addresses that we debuted to and heard nothing of since, and since when."""
        self.pending: Callable[[str], bool] = lambda ip: False
        """Whether a link to an address has yet to stand: what was said there waits until then."""
        self._random = random
        self._book = Book(random, own.profile.diverse)
        self._search_at = now + FIRST_SEARCH
        self._searched = float("-inf")
        """When somebody was asked last."""
        self._searches = 0
        self._had = 0
        self._no_route_since = float("inf")
        self._losses = float("-inf"), float("-inf")
        """When the last two neighbors were lost."""
        self._saved: frozenset[PublicKey] = frozenset()
        self._remembered = -1
        """The revision of the graph at which these were all that there were."""

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
            if self._graph.at(ip) in self._graph.root.neighbors:
                contact.attempts = 0
            _postpone(contact, now)
        return contact is not None

    def lost_neighbor(self, now: float) -> None:
        """Somebody whom we listed is gone."""
        self._losses = self._losses[1], now
        self._search_anew(now)

    def add_lost(self, key: PublicKey, address: NodeAddress, now: float) -> None:
        """A lost neighbor. The oldest of those gives way, but nobody whom the operator named."""
        lost = [ip for ip in self.by_ip if ip not in self._given]
        if len(self.by_ip) >= MAX_LISTED:
            if not lost:
                return
            del self.by_ip[lost[0]]
        self.by_ip[address.ip] = Contact(key, address, 1, now + FIRST_RETRY)

    def look_for(self, key: PublicKey, address: NodeAddress, now: float) -> None:
        """Somebody that was our neighbor may be it again: it is asked until it answers, if there is a place."""
        if key in self._graph.root.neighbors or self._full() >= MAX_DEGREE:
            return
        contact = self.by_ip.get(address.ip)
        if contact is None:
            self.add_lost(key, address, now)
        elif contact.is_of(key):
            contact.answered, contact.attempts, contact.due = False, 1, now + FIRST_RETRY

    def ask_all(self, now: float) -> None:
        """What we have said of ourselves was wrong: everybody hears the right thing soon."""
        for contact in self.by_ip.values():
            contact.answered, contact.attempts, contact.due = False, 0, now

    def named(self) -> set[PublicKey]:
        """Neighbors at addresses that the operator gave."""
        return {key for ip in self._given if (key := self._graph.at(ip)) in self._graph.root.neighbors and key}

    def tell_route(self, found: bool, now: float) -> None:
        """Whether there is a route."""
        self._no_route_since = float("inf") if found else min(self._no_route_since, now)

    def at_hand(self) -> int:
        """How many are our neighbors."""
        return sum(self._graph.at(ip) in self._graph.root.neighbors for ip in self.by_ip)

    # --- Debuts ---

    def wanted(self, now: float) -> list[Contact]:
        """Whom to debut to when their time comes: who has never answered, and everybody if neighbors are few."""
        full = self._full()
        if full >= MAX_DEGREE:
            return []
        listed = self._graph.root.neighbors
        there = [contact for contact in self.by_ip.values() if self._graph.at(contact.address.ip) not in listed]
        if not there or full < WANTED_NEIGHBORS:
            return there
        keys = self._known_halves(now)
        return [each for each in there if not each.answered or (keys is not None and each.key[:32] not in keys)]

    def tick(self, now: float) -> list[Tell]:
        debuts = []
        for contact in self.wanted(now):
            if now >= contact.due:
                _postpone(contact, now)
                if not self.pending(contact.address.ip):
                    debuts.append(self.debut_to(contact.key, contact.address, now))
        return debuts + self._search(now)

    def wakes(self, now: float) -> list[float]:
        """When `tick` has something to do, if nothing happens before."""
        times = [contact.due for contact in self.wanted(now)]
        return [*times, self._search_at] if self._looks(now) else times

    def _looks(self, now: float) -> bool:
        """Whether those are asked of whom we only heard."""
        full = self._full()
        return full < WANTED_NEIGHBORS or (bool(self._book) and (self._is_cut_off(now) and full < MAX_DEGREE))

    def _full(self) -> int:
        return len(self._graph.full_neighbors(self._graph.root_key))

    def _is_cut_off(self, now: float) -> bool:
        """Whether those are looked for of whom nobody tells us: there has been no route for a while, neighbors were
        lost, or we see to the end of our network in all directions, and they aren't in it. So two parts become one."""
        shrinks = now - self._losses[0] < AFTER_LOSS
        return now - self._no_route_since >= CUT_OFF or shrinks or self._graph.is_whole

    def _known_halves(self, now: float) -> set[bytes] | None:
        """Of the keys of all known Nodes, as much as a descriptor shows; None unless others are looked for."""
        return {known.record.public_key[:32] for known in self._graph} if self._is_cut_off(now) else None

    def _search(self, now: float) -> list[Tell]:
        full = self._full()
        if full != self._had:
            self._had = full
            self._search_anew(now)
        if now < self._search_at or not self._looks(now):
            return []
        self._searches += 1
        self._searched = now
        self._search_at = now + min(LAST_SEARCH, FIRST_SEARCH * 2 ** min(self._searches, 10))
        graph, few = self._graph, full < WANTED_NEIGHBORS
        neighbors = {place.ip for key in graph.root.neighbors if (place := graph.address(key))}
        known = frozenset() if few else {known.record.public_key for known in graph}
        heard = self._book.next(neighbors | self.by_ip.keys(), known)
        if heard is not None and (now - heard.asked > SOLICITED or not few):
            return [self.debut_to(heard.key, heard.address, now)]
        return self._ask_neighbor(now) if few and graph.size > len(graph.root.neighbors) + 1 else []

    def _search_anew(self, now: float) -> None:
        self._searches = 0
        self._search_at = min(self._search_at, now + FIRST_SEARCH)

    def _ask_neighbor(self, now: float) -> list[Tell]:
        """A Debut to a neighbor of ours: it passes us on, if it is of our kind. 0.9.1 would ignore it."""
        graph = self._graph
        full = graph.full_neighbors(graph.root_key)
        able = [record for record in full if EXTENSION in record.extensions and graph.address(record.public_key)]
        if not able:
            return []
        one = min(able, key=lambda record: self._random(8))
        address = graph.address(one.public_key)
        return [self.debut_to(one.public_key, address, now, one)] if address else []

    def look_on(self, now: float) -> None:
        """Somebody sent us where we have been: ask elsewhere, but not without end, as that may happen again."""
        self._search_at = min(self._search_at, max(now, self._searched + FIRST_SEARCH))

    def hear_of(self, item: GossipRecord, now: float) -> None:
        """A Node that accepts connections, and where."""
        if item.address and item.record.accepts_connections:
            self.hear_at(item.record.public_key, item.address)

    def hear_at(self, key: PublicKey, address: NodeAddress) -> None:
        """A Node is said to be there: somebody to turn to one day."""
        if key != self._graph.root_key and address.ports and may_be_dialled(address, self._graph.root_address):
            self._book.add(key, address)

    def afar(self, target: PublicKey, told: Collection[PublicKey], count: int) -> list[tuple[PublicKey, NodeAddress]]:
        """Nodes that a neighbor is told of, and wasn't: one that it doesn't list, and some of whom we have heard."""
        graph, to = self._graph, self._graph.record(target)
        listed = {target, *told, *(to.neighbors if to else ())}
        ours = [
            (record.public_key, address)
            for record in graph.full_neighbors(graph.root_key)
            if record.accepts_connections and EXTENSION in record.extensions
            if record.public_key not in listed
            if (address := graph.address(record.public_key))
        ]
        near = sorted(ours, key=lambda each: self._random(8))[:1]
        far = [(heard.key, heard.address) for heard in self._book.some(count, listed)]
        return list(dict.fromkeys([*near, *far]))[:count]

    def wait_for_answer(self, ip: str, now: float) -> None:
        """A contact has sent us elsewhere: what comes of it is waited for before it is asked again."""
        contact = self.by_ip.get(ip)
        if contact is not None:
            contact.due = max(contact.due, now + PATIENCE)

    def debut_to(self, key: PublicKey, address: NodeAddress, now: float, record: NodeRecord | None = None) -> Tell:
        """`record`: of that Node, if we were shown it: it says how to speak to it."""
        self._debuts[address.ip] = now, key
        self.unanswered.setdefault(address.ip, now)
        self._book.tried(address.ip, now)
        secure = None if record is None else EXTENSION in record.extensions
        return Tell(key, address.endpoint, Gossip((self._own.shown(),)), secure)

    def solicited(self, ip: str, now: float, key: PublicKey = b"") -> bool:
        """Whether we debuted there a moment ago; with `key`, whether it was to that Node."""
        then, asked = self._debuts.get(ip, (float("-inf"), b""))
        return now - then <= SOLICITED and (not key or key[:32] == asked[:32])

    def forget(self, now: float) -> None:
        """Debuts that no answer is expected to any more."""
        self._debuts = {ip: it for ip, it in self._debuts.items() if now - it[0] < SOLICITED}
        self.unanswered = {ip: since for ip, since in self.unanswered.items() if ip in self._debuts}

    def asked(self) -> list[str]:
        """Addresses that we debuted to of late."""
        return list(self._debuts)

    def heard(self, ip: str) -> None:
        """Something was said there, or its link has ended."""
        self.unanswered.pop(ip, None)

    # --- over restarts ---

    def remember(self) -> list[SaveConfig]:
        """Neighbors to begin with when we are started again, if they are others than before."""
        if self._graph.revision == self._remembered:
            return []
        full = [r for r in self._graph.full_neighbors(self._graph.root_key) if r.accepts_connections]
        keys = frozenset(record.public_key for record in full)
        if keys == self._saved or not keys:
            self._remembered = self._graph.revision
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


def remembered(saved: str | None) -> list[Contact]:
    """The neighbors that `remember` wrote down. What makes no sense is left out."""
    found = []
    for line in (saved or "").split(","):
        match = _LINE.fullmatch(line)
        try:
            if match:
                address = NodeAddress(str(ip_address(match["ip"])), (int(match["port"]),))
                found.append(Contact(bytes.fromhex(match["key"]), address))
        except ValueError:
            continue
    return found


def _postpone(contact: Contact, now: float) -> None:
    contact.attempts += 1
    contact.due = now + retry_after(contact.attempts)


def retry_after(attempts: int) -> float:
    """Seconds from so many Debuts in vain to the next one."""
    steady = min(STEADY_RETRY, FIRST_RETRY * 2.0 ** min(attempts - 1, 10))
    return float(min(LAST_RETRY, steady * 2.0 ** min(10, max(0, attempts - OFTEN))))
