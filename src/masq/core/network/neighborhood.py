"""The Neighborhood: joining, answering and spreading gossip, losing neighbors and finding new ones (protocol.md 9)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from masq.core.effects import Log, SaveConfig, Tell
from masq.core.network.gossip import (
    GossipKind,
    GossipRefused,
    classify,
    introduction,
    may_be_dialled,
    patch,
    standard_for,
)
from masq.core.network.graph import MAX_KNOWN, Graph
from masq.core.view import NeighborView
from masq.crypto import Keys
from masq.types import Address, Endpoint, NodeAddress, PublicKey, RatePack
from masq.wire.message import Gossip, GossipFailure, GossipRecord, NodeRecord

MAX_DEGREE: Final = 5
MAX_LISTED: Final = 16
"""Half neighbors of ours, confirmed or not."""
ROUND_DELAY: Final = 0.05
"""Seconds that changes are gathered before a round."""
REFRESH: Final = 600.0
"""Seconds between full rounds that repair what was lost on the way."""
SOLICITED: Final = 60.0
"""Seconds after a Debut of ours in which a Pass or Introduction from there is obeyed."""
WITHHOLD: Final = 5.0
"""Seconds that an introducee's record is kept from the newcomer, who would otherwise never adopt it as 0.9.1 does."""
CONFIRM: Final = 60.0
"""Seconds in which a Node that we list has to list us."""
FIRST_RETRY: Final = 0.5
LAST_RETRY: Final = 600.0
CULL_EVERY: Final = 60.0
TELL_AFTER: Final = 1.0
"""Seconds after which an introducer is told that we list it, if no round of ours has done so."""
WANTED_NEIGHBORS: Final = 2
"""With fewer full neighbors than this, contacts are debuted to again."""

EXTENSIONS: Final = ("flow1", "circuit1")
"""What we advertise beyond 0.9.1 (protocol.md 14.1)."""

NeighborhoodEffect = Tell | SaveConfig | Log


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a Node says of itself, but for its neighbors."""

    earning_wallet: Address
    rates: RatePack
    accepts_connections: bool
    routes_data: bool
    country: str | None
    address: NodeAddress | None
    extensions: tuple[str, ...] = EXTENSIONS


@dataclass(slots=True)
class Contact:
    """Somebody to debut to: from a descriptor (32 bytes of key), or a lost neighbor (all 64)."""

    key: PublicKey
    address: NodeAddress
    attempts: int = 0
    due: float = 0.0
    answered: bool = False
    """Whether it has said anything yet: until then it is asked again, however many neighbors we have."""


@dataclass(slots=True)
class _Pending:
    """Times that expire, by key or IP."""

    debuts: dict[str, float] = field(default_factory=dict)
    passes: dict[str, float] = field(default_factory=dict)
    listed: dict[PublicKey, float] = field(default_factory=dict)
    introduced: dict[PublicKey, tuple[PublicKey, float]] = field(default_factory=dict)
    untold: float | None = None
    """Since when an introducer of ours doesn't know that we list it."""


class Neighborhood:
    """The part of a Node that knows the network. All effects are gossip, values to remember, and log lines."""

    def __init__(
        self, keys: Keys, profile: Profile, contacts: list[Contact], radius: int, first_version: int, now: float
    ) -> None:
        """`radius`: how many hops of gossip are believed, at least 3. `first_version`: above any used before."""
        self._keys = keys
        self._profile = profile
        self._contacts = {contact.address.ip: contact for contact in contacts}
        self._radius = max(3, radius)
        self.graph = Graph(self._sign(frozenset(), first_version), profile.address, now)
        self._pending = _Pending()
        self._dirty_since: float | None = None
        self._split_version = False  # A peer was sent a shortened record of our present version.
        self._refreshed = self._culled = now
        self._saved_neighbors: frozenset[PublicKey] = frozenset()

    # --- inputs ---

    def start(self, now: float) -> list[NeighborhoodEffect]:
        return self.tick(now)

    def receive(
        self, message: Gossip | GossipFailure, source: Endpoint, now: float, sender: PublicKey = b""
    ) -> list[NeighborhoodEffect]:
        """Gossip that arrived on a link from `source`. Nothing in it can do more than be ignored.

        `sender`: the key that the link proved; empty over JSON, where the address is all that is known.
        """
        if isinstance(message, GossipFailure):
            if source.ip in self._contacts:
                self._postpone(self._contacts[source.ip], now)
            return [Log("warning", "gossip_failure", f"{source} could not take our Debut: {message.value}")]
        if source.ip in self._contacts:
            self._contacts[source.ip].answered = True
        for item in message.records:
            known = self.graph.record(item.record.public_key)
            same = known and (known.signed_data, known.signature) == (item.record.signed_data, item.record.signature)
            if not same and not item.record.verify(self._keys):
                return [Log("warning", "bad_signature", f"gossip from {source} dropped: a signature is not valid")]
        try:
            kind = classify(message, source, self.graph)
            match kind:
                case GossipKind.DEBUT:
                    _check_speaker(message.records[0], sender)
                    effects = self._debut(message.records[0], source, now)
                case GossipKind.PASS:
                    effects = self._pass(message.records[0], source, now)
                case GossipKind.INTRODUCTION:
                    effects = self._introduction(message, source, now, sender)
                case GossipKind.STANDARD:
                    effects = self._standard(message, source, now, sender)
        except GossipRefused as error:
            return [Log("warning", "gossip_refused", f"gossip from {source} dropped: {error}")]
        return effects + self._remember_neighbors()

    def proven(self, key: PublicKey, peer: Endpoint, port: int, now: float) -> list[NeighborhoodEffect]:
        """A secure link proved `key` at the other end: a contact known by its descriptor is known wholly now."""
        contact = self._contacts.get(peer.ip)
        if contact is not None and contact.key[:32] == key[:32]:
            contact.key = key
        return []

    def link_lost(self, ip: str, now: float) -> list[NeighborhoodEffect]:
        """The last link to this IP address ended, or none could be made."""
        contact = self._contacts.get(ip)
        if contact:
            self._postpone(contact, now)
        key = self.graph.at(ip)
        if key is None or key == self.graph.root_key:
            return []
        address, record = self.graph.address(key), self.graph.record(key)
        if address and record and record.accepts_connections and key in self.graph.root.neighbors and not contact:
            while len(self._contacts) >= MAX_LISTED:
                self._contacts.pop(next(iter(self._contacts)))
            self._contacts[ip] = Contact(key, address, 1, now + FIRST_RETRY)
        self.graph.forget_address(key)
        return self._unlist(key, now)

    def tick(self, now: float) -> list[NeighborhoodEffect]:
        """Does what is due: rounds, Debuts, and forgetting."""
        effects: list[NeighborhoodEffect] = []
        for key, since in list(self._pending.listed.items()):
            if key not in self.graph.root.neighbors or self.graph.is_full(self.graph.root_key, key):
                del self._pending.listed[key]
            elif now - since > CONFIRM:
                effects += self._unlist(key, now)
        for key in [key for key, (_, until) in self._pending.introduced.items() if now >= until]:
            # It has gone elsewhere, and is still to hear of the one that we introduced.
            del self._pending.introduced[key]
            self._dirty_since = now if self._dirty_since is None else self._dirty_since
        if now - self._culled >= CULL_EVERY:
            self._culled = now
            self.graph.cull(now)
            self._pending.passes = {ip: then for ip, then in self._pending.passes.items() if now - then < SOLICITED}
            self._pending.debuts = {ip: then for ip, then in self._pending.debuts.items() if now - then < SOLICITED}
        if now - self._refreshed >= REFRESH:
            self._dirty_since = self._dirty_since or now - ROUND_DELAY
        if self._dirty_since is not None and now - self._dirty_since >= ROUND_DELAY:
            effects += self._round(now)
        if self._pending.untold is not None and now - self._pending.untold >= TELL_AFTER:
            effects += self._round(now)
        for contact in self._wanted():
            effects += self._debut_to_contact(contact, now)
        return effects

    def next_wake(self, now: float) -> float:
        """When `tick` has something to do, if nothing happens before."""
        times = [now + 10.0]
        if self._dirty_since is not None:
            times.append(self._dirty_since + ROUND_DELAY)
        if self._pending.untold is not None:
            times.append(self._pending.untold + TELL_AFTER)
        times += [until for _, until in self._pending.introduced.values()]
        times += [contact.due for contact in self._wanted()]
        return max(now, min(times))

    def _wanted(self) -> list[Contact]:
        """Whom to debut to when their time comes: who has never answered, and everybody if neighbors are few."""
        full = len(self.graph.full_neighbors(self.graph.root_key))
        return [
            contact
            for contact in self._contacts.values()
            if full < WANTED_NEIGHBORS or (not contact.answered and full < MAX_DEGREE)
            if self.graph.at(contact.address.ip) not in self.graph.root.neighbors
        ]

    def is_close(self, ip: str, key: PublicKey) -> bool:
        """Whether a link's other end is a neighbor, or a contact of ours. With a key that it proved, that decides."""
        root = self.graph.root
        if key and key in root.neighbors:
            return True
        if ip in self._contacts:
            return not key or self._contacts[ip].key[:32] == key[:32]
        return not key and self.graph.at(ip) in root.neighbors

    def view(self) -> tuple[NeighborView, ...]:
        graph = self.graph
        return tuple(
            NeighborView(
                key.hex(),
                str(address.endpoint) if (address := graph.address(key)) else None,
                graph.is_full(graph.root_key, key),
            )
            for key in sorted(graph.root.neighbors)
        )

    # --- the four kinds ---

    def _debut(self, item: GossipRecord, source: Endpoint, now: float) -> list[NeighborhoodEffect]:
        graph, debuter = self.graph, item.record
        address = item.address or NodeAddress(source.ip, (source.port,))
        graph.forget(debuter.public_key)
        excluded = {debuter.public_key} | debuter.neighbors
        degree = graph.degree(graph.root_key)
        candidates = [
            record
            for record in graph.full_neighbors(graph.root_key)
            if record.public_key not in excluded and record.accepts_connections and graph.address(record.public_key)
        ]
        candidates.sort(key=lambda record: (graph.degree(record.public_key), record.public_key))
        better = next((record for record in candidates if graph.degree(record.public_key) > 2), None)
        if better is not None and graph.degree(better.public_key) < degree:
            return [self._tell(debuter.public_key, address, self._gossip_about(better.public_key))]
        known_as = graph.root.neighbors - {debuter.public_key}
        if degree >= MAX_DEGREE or len(known_as) >= MAX_LISTED:
            target = next(iter(candidates), None)
            if target is None:
                failure = GossipFailure.NO_SUITABLE_NEIGHBORS
                return [Tell(debuter.public_key, address.endpoint, failure)]
            return [self._tell(debuter.public_key, address, self._gossip_about(target.public_key))]
        graph.add(debuter, address, now)
        self._list(debuter.public_key, now)
        if debuter.neighbors:
            self._dirty_since = now - ROUND_DELAY  # The debuter waits for this round.
            return self._round(now)
        self._dirty_since = None if self._dirty_since is None else self._dirty_since
        if candidates:
            introducee = candidates[0].public_key
            self._pending.introduced[debuter.public_key] = (introducee, now + WITHHOLD)
            return [self._tell(debuter.public_key, address, self._gossip_about(graph.root_key, introducee))]
        return [self._tell(debuter.public_key, address, self._short_answer(debuter.public_key))]

    def _pass(self, item: GossipRecord, source: Endpoint, now: float) -> list[NeighborhoodEffect]:
        target = item.address
        assert target
        if not self._solicited(source.ip, now):
            return [Log("info", "pass_unsolicited", f"Pass from {source} ignored: we did not debut there")]
        before = self._pending.passes.get(target.ip)
        self._pending.passes[target.ip] = now
        if before is not None and now - before <= SOLICITED:
            return [Log("debug", "pass_loop", f"Pass from {source} to {target.endpoint} ignored: tried a moment ago")]
        if not may_be_dialled(target, self.graph.root_address) or item.record.public_key in self.graph.root.neighbors:
            return [Log("info", "pass_refused", f"Pass from {source} to {target.endpoint} ignored")]
        return self._debut_to(item.record.public_key, target, now)

    def _introduction(
        self, gossip: Gossip, source: Endpoint, now: float, sender: PublicKey
    ) -> list[NeighborhoodEffect]:
        introducer, introducee = introduction(gossip, source)
        assert introducer
        _check_speaker(introducer, sender)
        assert introducee
        assert introducee.address
        if not self._solicited(source.ip, now):
            return [
                Log("info", "introduction_unsolicited", f"Introduction from {source} ignored: we did not debut there")
            ]
        if len(self.graph.full_neighbors(self.graph.root_key)) >= MAX_DEGREE:
            return []
        known = self.graph.record(introducer.record.public_key)
        if known is None:
            self.graph.add(introducer.record, introducer.address, now)
        elif known.version < introducer.record.version:
            refusal = self.graph.update(introducer.record, introducer.address, now)
            if refusal:
                raise GossipRefused(refusal)
        elif introducer.address and self.graph.address(known.public_key) is None:
            self.graph.learn_address(known.public_key, introducer.address)
        self._list(introducer.record.public_key, now)
        # Most often the introducee's answer sets off a round. One that has no room may send us elsewhere without end.
        self._pending.untold = now if self._pending.untold is None else self._pending.untold
        if introducee.record.public_key in self.graph.root.neighbors:
            self._dirty_since = self._dirty_since or now  # It is linked already: our round tells the introducer.
            return []
        if not may_be_dialled(introducee.address, self.graph.root_address):
            return [Log("info", "introduction_refused", f"{introducee.address.endpoint} is not a place to dial")]
        return self._debut_to(introducee.record.public_key, introducee.address, now)

    def _standard(self, gossip: Gossip, source: Endpoint, now: float, sender: PublicKey) -> list[NeighborhoodEffect]:
        graph, changed = self.graph, self._welcome(gossip, source, now, sender)
        effects: list[NeighborhoodEffect] = []
        for key, item in patch(gossip, graph, self._radius).items():
            known = graph.record(key)
            if known is None:
                if len(graph) >= MAX_KNOWN:
                    continue
                # Only the sender may teach us an address, and only its own.
                if item.address is None or item.address.ip == source.ip:
                    graph.add(item.record, item.address, now)
                    changed = True
            elif item.record.version > known.version:
                refusal = graph.update(item.record, self._believable(item, source), now)
                if refusal:
                    effects.append(Log("warning", "update_refused", f"a record from {source} was refused: {refusal}"))
                else:
                    changed = True
            elif item.address and graph.address(key) is None and item.address.ip == source.ip:
                graph.learn_address(key, item.address)
        at_source = sender if sender in graph else graph.at(source.ip) or self._speaker(gossip, source)
        if sender and at_source != sender:
            at_source = None  # Whoever is at this address, it is not who speaks.
        if at_source and at_source not in graph.root.neighbors:
            room = len(graph.full_neighbors(graph.root_key)) < MAX_DEGREE and len(graph.root.neighbors) < MAX_LISTED
            if room and at_source != graph.root_key:
                self._list(at_source, now)
                changed = True
        if changed and self._dirty_since is None:
            self._dirty_since = now
        return effects

    def _welcome(self, gossip: Gossip, source: Endpoint, now: float, sender: PublicKey) -> bool:
        """Take up the sender, if we debuted there and it lists us now.

        0.9.1 overlooks it unless a neighbor of ours lists it, too: so a Node that debuts when it has a neighbor
        already is answered with a round that it doesn't understand.
        """
        graph = self.graph
        room = len(graph.full_neighbors(graph.root_key)) < MAX_DEGREE and len(graph.root.neighbors) < MAX_LISTED
        for item in gossip.records:
            record = item.record
            here = item.address is not None and item.address.ip == source.ip and sender in (b"", record.public_key)
            if here and room and graph.root_key in record.neighbors and record.public_key not in graph.root.neighbors:
                if not self._solicited(source.ip, now):
                    return False
                known = graph.record(record.public_key)
                if known is None or known.version <= record.version:
                    graph.add(record, item.address, now)
                self._list(record.public_key, now)
                return True
        return False

    def _believable(self, item: GossipRecord, source: Endpoint) -> NodeAddress | None:
        # Addresses are unsigned: of Nodes that we hear of, only neighbors of ours are shown to us with one, and a
        # wrong one does no more than a failed dial, as everything sent there is sealed to the key.
        if item.address and not may_be_dialled(item.address, self.graph.root_address):
            return None
        return item.address

    def _speaker(self, gossip: Gossip, source: Endpoint) -> PublicKey | None:
        """A known Node whose own address, at the source, came with this message."""
        for item in gossip.records:
            if item.address and item.address.ip == source.ip and item.record.public_key in self.graph:
                return item.record.public_key
        return None

    # --- our own record ---

    def _sign(self, neighbors: frozenset[PublicKey], version: int) -> NodeRecord:
        profile = self._profile
        return NodeRecord.sign(
            self._keys,
            profile.earning_wallet,
            profile.rates,
            neighbors,
            profile.accepts_connections,
            profile.routes_data,
            version,
            profile.country,
            profile.extensions,
        )

    def _list(self, key: PublicKey, now: float) -> None:
        root = self.graph.root
        if key not in root.neighbors:
            self.graph.set_root(self._sign(root.neighbors | {key}, root.version + 1))
            self._split_version = False
            self._pending.listed[key] = now

    def _unlist(self, key: PublicKey, now: float) -> list[NeighborhoodEffect]:
        root = self.graph.root
        self._pending.listed.pop(key, None)
        if key in root.neighbors:
            self.graph.set_root(self._sign(root.neighbors - {key}, root.version + 1))
            self._split_version = False
            self._dirty_since = self._dirty_since or now
        return []

    def _short_answer(self, debuter: PublicKey) -> Gossip:
        # 0.9.1 expects the answer to a Debut to list the debuter and nobody else.
        root = self.graph.root
        only = frozenset((debuter,))
        self._split_version = root.neighbors != only
        return Gossip((GossipRecord(self._sign(only, root.version), self._shown_address()),))

    def _shown_address(self) -> NodeAddress | None:
        return self._profile.address if self._profile.accepts_connections else None

    # --- sending ---

    def _round(self, now: float) -> list[NeighborhoodEffect]:
        graph = self.graph
        self._dirty_since, self._refreshed, self._pending.untold = None, now, None
        if self._split_version:
            graph.set_root(self._sign(graph.root.neighbors, graph.root.version + 1))
            self._split_version = False
        effects: list[NeighborhoodEffect] = []
        for key in sorted(graph.root.neighbors):
            address, record = graph.address(key), graph.record(key)
            if address is None or record is None:
                continue
            gossip = standard_for(graph, key, self._withheld(key, record, now))
            if gossip is None:
                continue
            if len(gossip.records) == 1 and not graph.root.accepts_connections and not record.extensions:
                continue  # 0.9.1 takes this for a malformed Pass: wait until there is a second record to tell.
            effects.append(self._tell(key, address, gossip))
        return effects

    def _withheld(self, target: PublicKey, record: NodeRecord, now: float) -> tuple[PublicKey, ...]:
        introducee, until = self._pending.introduced.get(target, (b"", 0.0))
        if now < until and introducee not in record.neighbors:
            return (introducee,)
        self._pending.introduced.pop(target, None)
        return ()

    def _gossip_about(self, *keys: PublicKey) -> Gossip:
        records = [(self.graph.record(key), self.graph.address(key)) for key in keys]
        return Gossip(tuple(GossipRecord(record, address) for record, address in records if record))

    def _tell(self, key: PublicKey, address: NodeAddress, gossip: Gossip) -> Tell:
        return Tell(key, address.endpoint, gossip)

    def _debut_to(self, key: PublicKey, address: NodeAddress, now: float) -> list[NeighborhoodEffect]:
        self._pending.debuts[address.ip] = now
        return [Tell(key, address.endpoint, Gossip((GossipRecord(self.graph.root, self._shown_address()),)))]

    def _debut_to_contact(self, contact: Contact, now: float) -> list[NeighborhoodEffect]:
        if now < contact.due:
            return []
        self._postpone(contact, now)
        return self._debut_to(contact.key, contact.address, now)

    def _postpone(self, contact: Contact, now: float) -> None:
        contact.attempts += 1
        contact.due = now + min(LAST_RETRY, FIRST_RETRY * 2 ** (contact.attempts - 1))

    def _solicited(self, ip: str, now: float) -> bool:
        return now - self._pending.debuts.get(ip, float("-inf")) <= SOLICITED

    def _remember_neighbors(self) -> list[NeighborhoodEffect]:
        full = [r for r in self.graph.full_neighbors(self.graph.root_key) if r.accepts_connections]
        keys = frozenset(record.public_key for record in full)
        if keys == self._saved_neighbors or not keys:
            return []
        self._saved_neighbors = keys
        lines = []
        for record in full:
            address = self.graph.address(record.public_key)
            if address:
                lines.append(f"{record.public_key.hex()}@{address.endpoint}")
        return [SaveConfig("past_neighbors", ",".join(lines))]


def _check_speaker(item: GossipRecord, sender: PublicKey) -> None:
    """Who speaks of itself over a secure link has to be who proved its key there."""
    if sender and item.record.public_key != sender:
        raise GossipRefused("it is not of the Node whose key this link has proved")
