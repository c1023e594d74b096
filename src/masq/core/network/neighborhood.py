"""The Neighborhood: joining, answering and spreading gossip, losing neighbors and finding new ones (protocol.md 9)."""

from __future__ import annotations

from typing import Final

from masq.core.effects import Log, NewIdentity, Prove, SaveConfig, Say, Tell
from masq.core.network.contacts import Contact, Contacts
from masq.core.network.exchange import Exchange
from masq.core.network.gossip import GossipKind, GossipRefused, classify, may_be_dialled, usable
from masq.core.network.hearsay import Hearsay
from masq.core.network.joining import Joining
from masq.core.network.kin import Kin
from masq.core.network.own_record import OwnRecord, Profile
from masq.core.network.partners import Partners, Says
from masq.core.network.places import IsLinked, Places
from masq.core.network.recognition import Identity, Recognition
from masq.core.network.rounds import Rounds
from masq.core.network.speakers import Speakers, check_speaker
from masq.core.network.visitors import Visitors
from masq.core.network.whereabouts import Whereabouts
from masq.core.offence import Offence, Rule
from masq.core.view import NeighborView
from masq.crypto import Keys, Random
from masq.types import Endpoint, NodeAddress, PublicKey
from masq.wire.message import Gossip, GossipFailure
from masq.wire.news import News

CONFIRM: Final = 60.0
"""Seconds in which a Node that we list has to list us."""
FARTHER: Final = 1
"""Hop by which neighbors that tell differences are believed farther: it costs little, and there are more exits."""
CULL_EVERY: Final = 60.0

REASONS: Final = {
    GossipFailure.NO_NEIGHBORS: "it has no neighbors",
    GossipFailure.NO_SUITABLE_NEIGHBORS: "it has no place for us, and nobody to send us to",
    GossipFailure.MANUAL_REJECTION: "another Node is known at our public IP address: there is one at each",
    GossipFailure.UNKNOWN: "for a reason unknown",
}

NeighborhoodEffect = Tell | Say | Prove | SaveConfig | NewIdentity | Log | Offence


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
        random: Random = bytes,
        says: Says = lambda key, ip: False,
        identity: Identity = Identity(),
    ) -> None:
        """`radius`: how many hops of gossip are believed, at least 3. `first_version`: above any used before."""
        own = OwnRecord(keys, profile, first_version, now)
        self.own = own
        self.graph = own.graph
        self.contacts = Contacts(own, contacts, random, now)
        self._places = Places(own, self.contacts, is_linked)
        self.speakers = Speakers(own)
        self._partners = Partners(own, says)
        self._rounds = Rounds(own, self._partners, now)
        self._visitors = Visitors(own, self.contacts, self._places, self._rounds, random)
        self._joining = Joining(own, self.contacts, self._places)
        self._kin = Kin(own, self.contacts, self._places, random)
        radius = max(3, radius)
        self._radius = radius + FARTHER
        self._hearsay = Hearsay(own, self.contacts, self._places, self.speakers, radius, self._radius)
        self._exchange = Exchange(
            own.graph, self.contacts, self._hearsay, self._partners, self._visitors.may_show, self._radius, random
        )
        self._whereabouts = Whereabouts(own, self.contacts)
        self.recognition = Recognition(own, self.contacts, identity)
        self._culled = now

    # --- inputs ---

    def start(self, now: float) -> list[NeighborhoodEffect]:
        return self.tick(now)

    def receive(
        self, message: Gossip | GossipFailure, source: Endpoint, now: float, sender: PublicKey = b""
    ) -> list[NeighborhoodEffect]:
        """Gossip that arrived on a link from `source`. Nothing in it can do more than be ignored.

        `sender`: the key that the link proved; empty over JSON, where the address is all that is known.
        """
        self.contacts.heard(source.ip)
        if isinstance(message, GossipFailure):
            return self._failed(message, source, now, sender)
        message = usable(message, self.graph)
        try:
            kind = classify(message, source, self.graph)
            claim = self.speakers.claim(kind, message, source)
            if claim is not None:
                self.own.verify(claim)
                check_speaker(kind, claim, sender)
                if not sender and claim.address and self.own.must_prove(claim.record):
                    return [*self.speakers.ask_for_proof(message, claim, source, now)]
            self.contacts.answered(source.ip, sender or (claim.record.public_key if claim else b""))
            effects = self._answer(kind, message, source, now, sender)
        except GossipRefused as error:
            return _refused(error, source, sender)
        return [*effects, *self.contacts.remember()]

    def hear(self, news: News, source: Endpoint, now: float, sender: PublicKey) -> list[NeighborhoodEffect]:
        """News that came over the secure link of the Node with this key."""
        self.contacts.answered(source.ip, sender)
        try:
            effects = self._exchange.hear(news, source, now, sender)
        except GossipRefused as error:
            return _refused(error, source, sender)
        return [*effects, *self.contacts.remember()]

    def _answer(
        self, kind: GossipKind, message: Gossip, source: Endpoint, now: float, sender: PublicKey
    ) -> list[NeighborhoodEffect]:
        match kind:
            case GossipKind.DEBUT:
                return [*self._visitors.debut(message.records[0], source, now, sender)]
            case GossipKind.PASS:
                return [*self._joining.passed(message.records[0], source, now, sender)]
            case GossipKind.INTRODUCTION:
                return [*self._joining.introduced(message, source, now)]
            case GossipKind.STANDARD:
                heard: list[NeighborhoodEffect] = [*self._hearsay.heard(message, source, now, sender)]
                heard += self._kin.shown(message, now)
                if len(message.records) == 1 and sender == message.records[0].record.public_key:
                    heard += self._visitors.another(message.records[0], source, now)
                return heard

    def _failed(
        self, failure: GossipFailure, source: Endpoint, now: float, sender: PublicKey
    ) -> list[NeighborhoodEffect]:
        self.contacts.refused(source.ip, sender, now)
        words = f"{source} could not take our Debut: {failure.value} ({REASONS[failure]})"
        return [Log("warning", "gossip_failure", words)]

    def proven(
        self, key: PublicKey, peer: Endpoint, port: int, now: float, seen: str | None = ""
    ) -> list[NeighborhoodEffect]:
        """A secure link proved `key` at the other end, which listens at `port` (0: nowhere), and sees us at `seen`; or
        it found us where we say that we are (None).

        A contact known by its descriptor is known wholly now, a Node is where its link comes from, and what was said
        for it over JSON counts.
        """
        self.contacts.proved(peer.ip, key)
        self._partners.forget(key)
        known, address = self.graph.record(key), self.graph.address(key)
        place = NodeAddress(peer.ip, (port or peer.port,))
        if known is not None and (address is None or address.ip != peer.ip) and key != self.graph.root_key:
            free = not self._places.held(peer.ip, key, peer) and known.accepts_connections == bool(port)
            if free and key in self.graph.root.neighbors:
                self.graph.learn_address(key, place)
        if seen is None:
            self._whereabouts.found()
        effects = self._seen(peer.ip, key, seen, now) if seen else []
        waiting = self.speakers.proven(key, peer.ip, now)
        return effects if waiting is None else [*effects, *self.receive(*waiting, now, key)]

    def _seen(self, ip: str, key: PublicKey, seen: str, now: float) -> list[NeighborhoodEffect]:
        """Somebody whom we dialled says where we are: perhaps somewhere else than before."""
        sighting, before = self._whereabouts.told(ip, key, seen), self.graph.root_address
        if sighting is None or before is None:
            return []
        if not sighting.moved:
            words = f"others see this Node at {sighting.ip}, and it tells them {before.ip}: is that right (`ip`)?"
            return [Log("warning", "address_doubted", words)]
        self.own.move(sighting.ip, now)
        self.contacts.ask_all(now)
        return [Log("warning", "moved", f"this Node's IP address is {sighting.ip} now, and was {before.ip}")]

    def link_lost(self, ip: str, now: float) -> list[NeighborhoodEffect]:
        """The last link to this IP address ended, or none could be made."""
        graph = self.graph
        self.contacts.heard(ip)
        self._whereabouts.left(ip)
        is_contact = self.contacts.lost(ip, now)
        key = graph.at(ip)
        if key is None or key == graph.root_key:
            return []
        address, record = graph.address(key), graph.record(key)
        listed = key in graph.root.neighbors
        wanted = record is not None and record.accepts_connections and listed
        if address and wanted and not is_contact and may_be_dialled(address, graph.root_address):
            self.contacts.add_lost(key, address, now)
        graph.forget_address(key)
        self._partners.forget(key)
        if listed:
            self.contacts.lost_neighbor(now)
            self._places.left(key, ip)
        self.own.drop_neighbor(key, now)
        return []

    def tick(self, now: float) -> list[NeighborhoodEffect]:
        """Does what is due: rounds, Debuts, and forgetting."""
        self._places.end_splits(now)
        for key in self.own.unconfirmed(now, CONFIRM):
            self.own.drop_neighbor(key, now)
        if now - self._culled >= CULL_EVERY:
            self._culled = now
            self.graph.cull(now, self._radius)
            self._joining.forget(now)
            self.contacts.forget(now)
            self._hearsay.forget(now)
            self._partners.prune()
        self._kin.tick(now)
        due = [*self._rounds.tick(now), *self._exchange.tick(now), *self.contacts.tick(now)]
        return [*due, *self.recognition.tick(now)]

    def next_wake(self, now: float) -> float:
        """When `tick` has something to do, if nothing happens before."""
        times = [now + 10.0, *self._rounds.wakes(), *self.contacts.wakes(now)]
        times += [*self._places.split_wakes(), *self._exchange.wakes(), *self.recognition.wakes()]
        return max(now, min(times))

    # --- what others ask ---

    def is_close(self, ip: str, key: PublicKey) -> bool:
        """Whether a link's other end is a neighbor, or a contact of ours. With a key that it proved, that decides."""
        root = self.graph.root
        if key and key in root.neighbors:
            return True
        if ip in self.contacts.by_ip:
            return not key or self.contacts.by_ip[ip].is_of(key)
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


def _refused(error: GossipRefused, source: Endpoint, sender: PublicKey) -> list[NeighborhoodEffect]:
    event = "bad_signature" if error.rule is Rule.FORGED_GOSSIP else "gossip_refused"
    log = Log("warning", event, f"gossip from {source} dropped: {error}")
    return [log] if error.rule is None else [log, Offence(error.rule, source.ip, sender, detail=str(error))]
