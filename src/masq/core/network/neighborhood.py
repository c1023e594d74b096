"""The Neighborhood: joining, answering and spreading gossip, losing neighbors and finding new ones (protocol.md 9)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from masq.core.effects import Log, Prove, SaveConfig, Tell
from masq.core.limits import (
    FRESH,
    KEPT_PLACES,
    MAX_DEGREE,
    MAX_LEAVES,
    MAX_LISTED,
    MAX_PASSES,
    MAX_UNPROVEN,
    MAX_VISITORS,
    NEIGHBORS_PER_PREFIX,
    NEIGHBORS_PER_WALLET,
    PROVE_WITHIN,
    prefix,
)
from masq.core.network.belief import Belief
from masq.core.network.gossip import (
    GossipKind,
    GossipRefused,
    classify,
    introduction,
    may_be_dialled,
    parts,
    patch,
    standard_for,
    usable,
)
from masq.core.network.graph import Graph
from masq.core.network.shown import Shown
from masq.core.offence import Offence, Rule
from masq.core.view import NeighborView
from masq.crypto import Keys
from masq.types import DEFAULT_EARNING_WALLET, Address, Endpoint, NodeAddress, PublicKey, RatePack
from masq.wire.circuit import EXTENSION
from masq.wire.message import Gossip, GossipFailure, GossipRecord, NodeRecord

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

EXTENSIONS: Final = ("flow1", "circuit1", "pace1")
"""What we advertise beyond 0.9.1 (protocol.md 14.1)."""

REASONS: Final = {
    GossipFailure.NO_NEIGHBORS: "it has no neighbors",
    GossipFailure.NO_SUITABLE_NEIGHBORS: "it has no place for us, and nobody to send us to",
    GossipFailure.MANUAL_REJECTION: "another Node is known at our public IP address: there is one at each",
    GossipFailure.UNKNOWN: "for a reason unknown",
}

NeighborhoodEffect = Tell | Prove | SaveConfig | Log | Offence

IsLinked = Callable[[PublicKey, str, Endpoint], bool]
"""Whether a link to a Node stands: its key, its IP address, and a peer whose link doesn't count."""


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
    diverse: bool = False
    """Whether neighbors have to be of different networks and owners: so in the world, not among Nodes of one house."""


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

    debuts: dict[str, tuple[float, PublicKey]] = field(default_factory=dict)
    """When we debuted to an address, and to whose: a key, or the first half of one."""
    passes: dict[str, float] = field(default_factory=dict)
    listed: dict[PublicKey, float] = field(default_factory=dict)
    introduced: dict[PublicKey, tuple[PublicKey, float]] = field(default_factory=dict)
    untold: float | None = None
    """Since when an introducer of ours doesn't know that we list it."""
    unproven: dict[tuple[PublicKey, str], tuple[Gossip, Endpoint, float]] = field(default_factory=dict)
    """What was said over JSON, from an address, for a Node that can prove its key and is asked to."""
    left: dict[PublicKey, str] = field(default_factory=dict)
    """IP addresses of neighbors that were lost."""


class Neighborhood:
    """The part of a Node that knows the network. All effects are gossip, values to remember, and log lines."""

    def __init__(
        self,
        keys: Keys,
        profile: Profile,
        contacts: list[Contact],
        radius: int,
        first_version: int,
        now: float,
        is_linked: IsLinked = lambda key, ip, but: False,
    ) -> None:
        """`radius`: how many hops of gossip are believed, at least 3. `first_version`: above any used before."""
        self._keys = keys
        self._profile = profile
        self._contacts = {contact.address.ip: contact for contact in contacts}
        self._given = frozenset(self._contacts)
        """Addresses of contacts that the operator gave: no event makes us forget these."""
        self._radius = max(3, radius)
        self._is_linked = is_linked
        self.graph = Graph(self._sign(frozenset(), first_version), profile.address, now)
        self._belief = Belief(self.graph, self._radius)
        self._shown = Shown()
        self._pending = _Pending()
        self._chosen: dict[PublicKey, None] = {}
        """Neighbors that we debuted to. The others are visitors: they came to us."""
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
            return self._failed(message, source, now, sender)
        message = usable(message, self.graph)
        try:
            kind = classify(message, source, self.graph)
            claim = self._claim(kind, message, source)
            if claim is not None:
                self._verify(claim)
                _check_speaker(kind, claim, sender)
                if not sender and claim.address and self._must_prove(claim.record):
                    return self._ask_for_proof(message, claim, source, now)
            self._note_answer(claim, source, sender)
            match kind:
                case GossipKind.DEBUT:
                    effects = self._debut(message.records[0], source, now, sender)
                case GossipKind.PASS:
                    effects = self._pass(message.records[0], source, now, sender)
                case GossipKind.INTRODUCTION:
                    effects = self._introduction(message, source, now)
                case GossipKind.STANDARD:
                    effects = self._standard(message, source, now, sender)
        except GossipRefused as error:
            return _refused(error, source, sender)
        return effects + self._remember_neighbors()

    def proven(self, key: PublicKey, peer: Endpoint, port: int, now: float) -> list[NeighborhoodEffect]:
        """A secure link proved `key` at the other end, which listens at `port` (0: nowhere).

        A contact known by its descriptor is known wholly now, a Node is where its link comes from, and what was said
        for it over JSON counts.
        """
        contact = self._contacts.get(peer.ip)
        if contact is not None and contact.key[:32] == key[:32]:
            contact.key = key
            contact.answered = True
        known, address = self.graph.record(key), self.graph.address(key)
        place = NodeAddress(peer.ip, (port or peer.port,))
        if known is not None and (address is None or address.ip != peer.ip) and key != self.graph.root_key:
            free = not self._held(peer.ip, key, peer) and known.accepts_connections == bool(port)
            if free and key in self.graph.root.neighbors:
                self.graph.learn_address(key, place)
        gossip, source, until = self._pending.unproven.pop((key, peer.ip), (None, peer, 0.0))
        if gossip is None or now > until:
            return []
        return self.receive(gossip, source, now, key)

    def link_lost(self, ip: str, now: float) -> list[NeighborhoodEffect]:
        """The last link to this IP address ended, or none could be made."""
        contact = self._contacts.get(ip)
        if contact:
            self._postpone(contact, now)
        key = self.graph.at(ip)
        if key is None or key == self.graph.root_key:
            return []
        address, record = self.graph.address(key), self.graph.record(key)
        wanted = record is not None and record.accepts_connections and key in self.graph.root.neighbors
        if address and wanted and not contact and may_be_dialled(address, self.graph.root_address):
            self._add_contact(Contact(key, address, 1, now + FIRST_RETRY))
        self.graph.forget_address(key)
        if key in self.graph.root.neighbors:
            self._pending.left.pop(key, None)
            self._pending.left[key] = ip
            if len(self._pending.left) > MAX_LISTED:
                del self._pending.left[next(iter(self._pending.left))]
        return self._unlist(key, now)

    def _add_contact(self, contact: Contact) -> None:
        """A lost neighbor. The oldest of those gives way, but nobody whom the operator named."""
        lost = [ip for ip in self._contacts if ip not in self._given]
        if len(self._contacts) >= MAX_LISTED:
            if not lost:
                return
            del self._contacts[lost[0]]
        self._contacts[contact.address.ip] = contact

    def tick(self, now: float) -> list[NeighborhoodEffect]:
        """Does what is due: rounds, Debuts, and forgetting."""
        effects: list[NeighborhoodEffect] = []
        for key in self.graph.root.neighbors:
            if not self.graph.is_full(self.graph.root_key, key):  # Also who listed us once, and does no more.
                self._pending.listed.setdefault(key, now)
        for key, since in sorted(self._pending.listed.items()):
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
            self._pending.debuts = {ip: it for ip, it in self._pending.debuts.items() if now - it[0] < SOLICITED}
            self._belief.forget(now)
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

    # --- who speaks ---

    def _claim(self, kind: GossipKind, message: Gossip, source: Endpoint) -> GossipRecord | None:
        """The record with which the sender speaks for itself, if any does."""
        if kind is GossipKind.DEBUT:
            return message.records[0]
        if kind is GossipKind.INTRODUCTION:
            return introduction(message, source)[0]
        if kind is GossipKind.PASS:
            return None
        for item in message.records:
            if item.address is not None and item.address.ip == source.ip:
                return item
        return None

    def _must_prove(self, record: NodeRecord) -> bool:
        """Whether its Node can prove its key to us: then nobody else speaks for it."""
        known = self.graph.record(record.public_key)
        newest = known if known is not None and known.version >= record.version else record
        return EXTENSION in self._profile.extensions and EXTENSION in newest.extensions

    def _ask_for_proof(
        self, message: Gossip, claim: GossipRecord, source: Endpoint, now: float
    ) -> list[NeighborhoodEffect]:
        """Keep what came over JSON until a secure link to that address proves the key, or for ever."""
        waiting = self._pending.unproven
        for who in [who for who, (_, _, until) in waiting.items() if now > until]:
            del waiting[who]
        key = claim.record.public_key
        assert claim.address
        if (key, source.ip) not in waiting and len(waiting) >= MAX_UNPROVEN:
            return [Log("info", "gossip_unproven", f"gossip from {source} ignored: it came over JSON")]
        if not may_be_dialled(claim.address, self.graph.root_address):
            return []
        waiting[key, source.ip] = message, source, now + PROVE_WITHIN
        return [Prove(key, claim.address.endpoint)]

    def _verify(self, item: GossipRecord) -> None:
        """GossipRefused if a signature isn't valid. What is known byte for byte isn't verified again."""
        record = item.record
        known = self.graph.record(record.public_key)
        same = known and (known.signed_data, known.signature) == (record.signed_data, record.signature)
        if not same and not record.verify(self._keys):
            raise GossipRefused("a signature is not valid", Rule.FORGED_GOSSIP)

    def _note_answer(self, claim: GossipRecord | None, source: Endpoint, sender: PublicKey) -> None:
        """A contact has answered if it is of the key that we were given for it, as far as this link can show."""
        contact = self._contacts.get(source.ip)
        key = sender or (claim.record.public_key if claim else b"")
        if contact is not None and key and contact.key[:32] == key[:32]:
            contact.answered = True

    def _failed(
        self, failure: GossipFailure, source: Endpoint, now: float, sender: PublicKey
    ) -> list[NeighborhoodEffect]:
        contact = self._contacts.get(source.ip)
        if contact is not None and (not sender or contact.key[:32] == sender[:32]):
            self._postpone(contact, now)
        words = f"{source} could not take our Debut: {failure.value} ({REASONS[failure]})"
        return [Log("warning", "gossip_failure", words)]

    def _held(self, ip: str, key: PublicKey, source: Endpoint) -> bool:
        """Whether an address is that of another Node: our own, or of a neighbor whose link stands."""
        holder = self.graph.at(ip)
        if holder is None or holder == key:
            return False
        if holder == self.graph.root_key:
            return True
        return holder in self.graph.root.neighbors and self._is_linked(holder, ip, source)

    # --- places for neighbors ---

    def _has_place(self, record: NodeRecord, address: NodeAddress | None, now: float, chosen: bool) -> bool:
        """Whether there is a place for one more neighbor. For a visitor a place is made, if one that came before it
        hasn't used its own."""
        graph, key = self.graph, record.public_key
        if key in graph.root.neighbors:
            return True
        if self._profile.diverse and not self._is_diverse(record, address):
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
        self._unlist(stale, now)
        graph.forget_address(stale)
        return True

    def _room(self, accepting: bool) -> int:
        """How many more visitors there are places for, of those that accept connections or of those that don't."""
        graph = self.graph
        full = [record for record in graph.full_neighbors(graph.root_key) if record.accepts_connections == accepting]
        confirmed = {record.public_key for record in full}
        waiting = [key for key in self._pending.listed if key not in confirmed and key not in self._chosen]
        visitors = sum(self._accepts(key) == accepting for key in waiting)
        if not accepting:
            return min(MAX_VISITORS, MAX_LEAVES - len(full)) - visitors
        chosen = sum(key in self._chosen for key in graph.root.neighbors)
        at_hand = sum(graph.at(ip) in graph.root.neighbors for ip in self._contacts)
        kept = max(0, min(KEPT_PLACES - chosen, len(self._contacts) - at_hand))
        return min(MAX_VISITORS, MAX_DEGREE - kept - len(full)) - visitors

    def _accepts(self, key: PublicKey) -> bool:
        record = self.graph.record(key)
        return record is None or record.accepts_connections

    def _oldest_visitor(self, now: float, accepting: bool) -> PublicKey | None:
        """Who debuted longest ago and hasn't listed us, though it had the time to."""
        for key, since in self._pending.listed.items():
            waits = key not in self._chosen and not self.graph.is_full(self.graph.root_key, key)
            if waits and now - since > FRESH and self._accepts(key) == accepting:
                return key
        return None

    def _is_diverse(self, record: NodeRecord, address: NodeAddress | None) -> bool:
        """Whether another owner and network joins our neighbors with this one, as far as can be told."""
        same_wallet = same_prefix = 0
        for key in self.graph.root.neighbors:
            other, place = self.graph.record(key), self.graph.address(key)
            if other is not None and record.earning_wallet != DEFAULT_EARNING_WALLET:
                same_wallet += other.earning_wallet == record.earning_wallet
            if place is not None and address is not None:
                same_prefix += prefix(place.ip) == prefix(address.ip)
        return same_wallet < NEIGHBORS_PER_WALLET and same_prefix < NEIGHBORS_PER_PREFIX

    # --- the four kinds ---

    def _debut(self, item: GossipRecord, source: Endpoint, now: float, sender: PublicKey) -> list[NeighborhoodEffect]:
        graph, debuter = self.graph, item.record
        key = debuter.public_key
        address = item.address or NodeAddress(source.ip, (source.port,))
        refusal = self._why_no_debut(debuter, address, source, sender)
        if refusal:
            return [Log("info", "debut_refused", f"a Debut from {source} was ignored: {refusal}")]
        if self._held(address.ip, key, source):
            text = f"a Debut from {source} was refused: another Node is known there"
            return [Log("info", "debut_refused", text), Tell(key, address.endpoint, GossipFailure.MANUAL_REJECTION)]
        excluded = {key} | debuter.neighbors
        candidates = [
            record
            for record in graph.full_neighbors(graph.root_key)
            if record.public_key not in excluded and record.accepts_connections and graph.address(record.public_key)
        ]
        candidates.sort(key=lambda record: (graph.degree(record.public_key), record.public_key))
        better = next((record for record in candidates if graph.degree(record.public_key) > 2), None)
        asks_anew = key not in graph.root.neighbors
        if asks_anew and better is not None and graph.degree(better.public_key) < graph.degree(graph.root_key):
            return self._pass_on(key, address, better.public_key, now)
        if not self._has_place(debuter, address, now, chosen=self._solicited(source.ip, now, key)):
            target = candidates[0].public_key if candidates else None
            return self._pass_on(key, address, target, now)
        effects = self._displace(address.ip, key, now)
        graph.add(debuter, address, now)
        self._list(key, now, self._solicited(source.ip, now, key))
        self._pending.listed.pop(key, None)
        self._pending.listed[key] = now
        if debuter.neighbors:
            self._dirty_since = now - ROUND_DELAY  # The debuter waits for this round.
            return effects + self._round(now)
        for candidate in candidates:
            introducee = candidate.public_key
            if self._may_show(address.ip, introducee, now):
                self._pending.introduced[key] = (introducee, now + WITHHOLD)
                return [*effects, self._tell(key, address, self._gossip_about(graph.root_key, introducee))]
        if candidates:
            effects += self._greed(address.ip, now)
        return [*effects, self._tell(key, address, self._short_answer(key))]

    def _why_no_debut(
        self, debuter: NodeRecord, address: NodeAddress, source: Endpoint, sender: PublicKey
    ) -> str | None:
        """Why a Debut of a known Node is not to be believed. Records are public: anybody may send one."""
        key = debuter.public_key
        known, place = self.graph.record(key), self.graph.address(key)
        if known is None:
            return None
        listed = key in self.graph.root.neighbors
        linked = place is not None and listed and self._is_linked(key, place.ip, source)
        if not sender and linked and place is not None and place.ip != address.ip:
            return f"that Node is linked at {place.ip}"
        if not sender and listed and self._must_prove(debuter):
            return "that Node proves its key"
        # 0.9.1 begins again with version 0 when it is started with the key it had: where it was, it is believed.
        came_back = not linked and not self._must_prove(known) and self._was_at(key) == address.ip
        if debuter.version < known.version and not came_back:
            return f"version {debuter.version} of its record is older than {known.version}"
        return None

    def _was_at(self, key: PublicKey) -> str | None:
        """Where a neighbor is, or was last."""
        place = self.graph.address(key)
        return place.ip if place and key in self.graph.root.neighbors else self._pending.left.get(key)

    def _displace(self, ip: str, key: PublicKey, now: float) -> list[NeighborhoodEffect]:
        """There is one Node at an address: who was there before is our neighbor no more."""
        holder = self.graph.at(ip)
        if holder is None or holder == key:
            return []
        self.graph.forget_address(holder)
        return self._unlist(holder, now)

    def _pass_on(
        self, debuter: PublicKey, address: NodeAddress, target: PublicKey | None, now: float
    ) -> list[NeighborhoodEffect]:
        if target is None:
            return [Tell(debuter, address.endpoint, GossipFailure.NO_SUITABLE_NEIGHBORS)]
        if self._may_show(address.ip, target, now):
            return [self._tell(debuter, address, self._gossip_about(target))]
        return [Tell(debuter, address.endpoint, GossipFailure.NO_SUITABLE_NEIGHBORS), *self._greed(address.ip, now)]

    def _greed(self, ip: str, now: float) -> list[NeighborhoodEffect]:
        """Somebody was shown nobody, as his network was shown enough: it is his fault if he was shown all of them."""
        if not self._shown.greedy(ip, now):
            return []
        return [Offence(Rule.HARVEST, ip, detail="it was shown as many Nodes as anybody needs")]

    def _may_show(self, ip: str, key: PublicKey, now: float) -> bool:
        return not self._profile.diverse or self._shown.may_show(ip, key, now)

    def _pass(self, item: GossipRecord, source: Endpoint, now: float, sender: PublicKey) -> list[NeighborhoodEffect]:
        target = item.address
        assert target
        # Over JSON nothing shows who passes us on: that it is where we asked has to do.
        if not self._solicited(source.ip, now, sender):
            return [Log("info", "pass_unsolicited", f"Pass from {source} ignored: we did not debut there")]
        passes = self._pending.passes
        if len(passes) >= MAX_PASSES and sum(now - then <= SOLICITED for then in passes.values()) >= MAX_PASSES:
            return [Log("info", "pass_refused", f"Pass from {source} ignored: there were enough of them")]
        before = self._pending.passes.get(target.ip)
        self._pending.passes[target.ip] = now
        if before is not None and now - before <= SOLICITED:
            return [Log("debug", "pass_loop", f"Pass from {source} to {target.endpoint} ignored: tried a moment ago")]
        if not may_be_dialled(target, self.graph.root_address) or item.record.public_key in self.graph.root.neighbors:
            return [Log("info", "pass_refused", f"Pass from {source} to {target.endpoint} ignored")]
        self._verify(item)
        return self._debut_to(item.record.public_key, target, now)

    def _introduction(self, gossip: Gossip, source: Endpoint, now: float) -> list[NeighborhoodEffect]:
        graph = self.graph
        introducer, introducee = introduction(gossip, source)
        assert introducer
        assert introducee
        assert introducee.address
        key = introducer.record.public_key
        if not self._solicited(source.ip, now, key):
            return [
                Log("info", "introduction_unsolicited", f"Introduction from {source} ignored: we did not debut there")
            ]
        self._verify(introducee)
        if self._held(source.ip, key, source) or not self._has_place(introducer.record, introducer.address, now, True):
            return []
        known = graph.record(key)
        if known is None:
            graph.add(introducer.record, introducer.address, now)
        elif known.version < introducer.record.version:
            refusal = graph.update(introducer.record, introducer.address, now)
            if refusal:
                raise GossipRefused(refusal)
        elif introducer.address and graph.address(key) is None:
            graph.learn_address(key, introducer.address)
        self._list(key, now, chosen=True)
        # Most often the introducee's answer sets off a round. One that has no room may send us elsewhere without end.
        self._pending.untold = now if self._pending.untold is None else self._pending.untold
        if introducee.record.public_key in graph.root.neighbors:
            self._dirty_since = self._dirty_since or now  # It is linked already: our round tells the introducer.
            return []
        if not may_be_dialled(introducee.address, graph.root_address):
            return [Log("info", "introduction_refused", f"{introducee.address.endpoint} is not a place to dial")]
        return self._debut_to(introducee.record.public_key, introducee.address, now)

    def _standard(self, gossip: Gossip, source: Endpoint, now: float, sender: PublicKey) -> list[NeighborhoodEffect]:
        graph = self.graph
        changed = self._welcome(gossip, source, now, sender)
        speaker = self._speaker(gossip, source, sender)
        changed = self._adopt(speaker, source, now) or changed
        reached = patch(gossip, graph, self._radius)
        taken = self._worth_taking(reached, source, now, speaker)
        for item in taken:
            self._verify(item)
        effects: list[NeighborhoodEffect] = []
        teller = self._teller(speaker, source)
        new = 0
        for item in taken:
            key = item.record.public_key
            here = key == speaker and item.address is not None and item.address.ip == source.ip
            address = item.address if here and not self._held(source.ip, key, source) else None
            known = graph.record(key)
            if known is None:
                graph.add(item.record, address, now, teller)
                new += 1
                changed = True
            elif item.record == known:
                if address and graph.address(key) is None:
                    graph.learn_address(key, address)
            else:
                refusal = graph.update(item.record, address, now)
                if refusal:
                    effects.append(Log("warning", "update_refused", f"a record from {source} was refused: {refusal}"))
                else:
                    changed = True
        self._belief.took(teller, new, now)
        changed = self._adopt(speaker, source, now) or changed
        if changed and self._dirty_since is None:
            self._dirty_since = now
        return effects

    def _teller(self, speaker: PublicKey | None, source: Endpoint) -> bytes:
        """On whose word something is known: a neighbor's key, or an address, as strangers' keys cost nothing."""
        return speaker if speaker and speaker in self.graph.root.neighbors else source.ip.encode()

    def _worth_taking(
        self, reached: dict[PublicKey, GossipRecord], source: Endpoint, now: float, speaker: PublicKey | None
    ) -> list[GossipRecord]:
        """Those records of a message that change something, and may: the nearest first."""
        graph = self.graph
        # A stranger may tell of what has become of Nodes that we know, and of none that we don't.
        trusted = speaker is not None and (speaker in graph.root.neighbors or self._solicited(source.ip, now, speaker))
        left = self._belief.left(self._teller(speaker, source), now)
        taken = []
        for key, item in reached.items():
            known = graph.record(key)
            if known is None:
                # Only the sender may teach us an address, and only its own.
                elsewhere = item.address is not None and item.address.ip != source.ip
                if left > 0 and not elsewhere and (trusted or key == speaker):
                    left -= 1
                    taken.append(item)
            elif key == speaker:
                # Of two records of one version, as 0.9.1 may sign them, the one counts that it sends itself.
                if item.record.version >= known.version:
                    taken.append(item)
            elif item.record.version > known.version and not self._leaves_us(item.record, source):
                taken.append(item)
        return taken

    def _leaves_us(self, record: NodeRecord, source: Endpoint) -> bool:
        """Whether a neighbor, whose link stands, would list us no more: that it has to say itself."""
        graph, key = self.graph, record.public_key
        place = graph.address(key)
        if graph.root_key in record.neighbors or place is None or not graph.is_full(graph.root_key, key):
            return False
        return self._is_linked(key, place.ip, source)

    def _welcome(self, gossip: Gossip, source: Endpoint, now: float, sender: PublicKey) -> bool:
        """Take up the sender, if we debuted there and it lists us now.

        0.9.1 overlooks it unless a neighbor of ours lists it, too: so a Node that debuts when it has a neighbor
        already is answered with a round that it doesn't understand.
        """
        graph = self.graph
        for item in gossip.records:
            record = item.record
            key = record.public_key
            here = item.address is not None and item.address.ip == source.ip and sender in (b"", key)
            if not here or graph.root_key not in record.neighbors or key in graph.root.neighbors:
                continue
            if not self._solicited(source.ip, now, key) or self._held(source.ip, key, source):
                return False
            if not self._has_place(record, item.address, now, True):
                return False
            self._verify(item)
            known = graph.record(key)
            if known is not None and known.rates != record.rates:
                return False  # Prices hold for as long as we know somebody (neighborhood.md 2.7).
            if known is None or known.version <= record.version:
                graph.add(record, item.address, now)
            elif graph.address(key) is None and item.address:
                graph.learn_address(key, item.address)
            self._list(key, now, chosen=True)
            return True
        return False

    def _adopt(self, speaker: PublicKey | None, source: Endpoint, now: float) -> bool:
        """List a known Node that tells us of the network, if there is a place for it."""
        record = self.graph.record(speaker) if speaker else None
        if speaker is None or record is None or speaker in self.graph.root.neighbors or speaker == self.graph.root_key:
            return False
        chosen, place = self._solicited(source.ip, now, speaker), NodeAddress(source.ip, (source.port,))
        if self._held(source.ip, speaker, source) or not self._has_place(record, place, now, chosen):
            return False
        self._list(speaker, now, chosen)
        return True

    def _speaker(self, gossip: Gossip, source: Endpoint, sender: PublicKey) -> PublicKey | None:
        """Who sent a message, as far as it can be told: the key that the link proved, or who is known at its address.

        Over JSON nobody is taken for a Node that could have proved its key.
        """
        if sender:
            return sender
        known = self.graph.at(source.ip)
        if known is None:
            here = [item.record for item in gossip.records if item.address and item.address.ip == source.ip]
            known = here[0].public_key if here else None
        record = self.graph.record(known) if known else None
        if record is None:
            return known
        return None if self._must_prove(record) else known

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

    def _list(self, key: PublicKey, now: float, chosen: bool = False) -> None:
        root = self.graph.root
        if chosen:
            self._chosen[key] = None
        if key not in root.neighbors:
            self.graph.set_root(self._sign(root.neighbors | {key}, root.version + 1))
            self._split_version = False
            self._pending.listed[key] = now

    def _unlist(self, key: PublicKey, now: float) -> list[NeighborhoodEffect]:
        root = self.graph.root
        self._pending.listed.pop(key, None)
        self._chosen.pop(key, None)
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
            effects += [self._tell(key, address, part) for part in parts(gossip, record.neighbors)]
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
        self._pending.debuts[address.ip] = now, key
        return [Tell(key, address.endpoint, Gossip((GossipRecord(self.graph.root, self._shown_address()),)))]

    def _debut_to_contact(self, contact: Contact, now: float) -> list[NeighborhoodEffect]:
        if now < contact.due:
            return []
        self._postpone(contact, now)
        return self._debut_to(contact.key, contact.address, now)

    def _postpone(self, contact: Contact, now: float) -> None:
        contact.attempts += 1
        contact.due = now + min(LAST_RETRY, FIRST_RETRY * 2 ** (contact.attempts - 1))

    def _solicited(self, ip: str, now: float, key: PublicKey = b"") -> bool:
        """Whether we debuted there a moment ago; with `key`, whether it was to that Node."""
        then, asked = self._pending.debuts.get(ip, (float("-inf"), b""))
        return now - then <= SOLICITED and (not key or key[:32] == asked[:32])

    def _remember_neighbors(self) -> list[NeighborhoodEffect]:
        full = [r for r in self.graph.full_neighbors(self.graph.root_key) if r.accepts_connections]
        keys = frozenset(record.public_key for record in full)
        if keys == self._saved_neighbors or not keys:
            return []
        lines = []
        for record in full:
            address = self.graph.address(record.public_key)
            if address:
                lines.append(f"{record.public_key.hex()}@{address.endpoint}")
        if not lines:
            return []  # Those of before are better than nobody.
        self._saved_neighbors = keys
        return [SaveConfig("past_neighbors", ",".join(lines))]


def _check_speaker(kind: GossipKind, claim: GossipRecord, sender: PublicKey) -> None:
    """Who speaks of itself over a secure link has to be who proved its key there.

    In a Standard message it needn't be of itself: behind one router Nodes may share an address.
    """
    if sender and claim.record.public_key != sender and kind is not GossipKind.STANDARD:
        raise GossipRefused("it is not of the Node whose key this link has proved", Rule.IMPOSTOR)


def _refused(error: GossipRefused, source: Endpoint, sender: PublicKey) -> list[NeighborhoodEffect]:
    event = "bad_signature" if error.rule is Rule.FORGED_GOSSIP else "gossip_refused"
    log = Log("warning", event, f"gossip from {source} dropped: {error}")
    return [log] if error.rule is None else [log, Offence(error.rule, source.ip, sender, detail=str(error))]
