"""What neighbors tell of the network: which of it is believed, and who is taken up for it (neighborhood.md 2.6)."""

from __future__ import annotations

from masq.core.effects import Log
from masq.core.network.belief import Belief
from masq.core.network.contacts import Contacts
from masq.core.network.gossip import patch
from masq.core.network.own_record import OwnRecord
from masq.core.network.places import Places
from masq.core.network.speakers import Speakers
from masq.types import Endpoint, NodeAddress, PublicKey
from masq.wire.message import Gossip, GossipRecord, NodeRecord


class Hearsay:
    """Judges Standard gossip."""

    def __init__(
        self, own: OwnRecord, contacts: Contacts, places: Places, speakers: Speakers, radius: int, farthest: int
    ) -> None:
        """`radius`: in which pictures are believed; `farthest`: in which differences are."""
        self._own = own
        self._graph = own.graph
        self._contacts = contacts
        self._places = places
        self._speakers = speakers
        self._radius = radius
        self._farthest = farthest
        self.belief = Belief(own.graph, radius)

    def forget(self, now: float) -> None:
        self.belief.forget(now)

    def heard(self, gossip: Gossip, source: Endpoint, now: float, sender: PublicKey, aware: bool = False) -> list[Log]:
        """`aware`: it is a difference to what we know, and no picture by itself."""
        graph = self._graph
        changed = self._welcome(gossip, source, now, sender)
        speaker = self._speakers.speaker(gossip, source, sender)
        changed = self._adopt(speaker, source, now) or changed
        was_full = speaker is not None and graph.is_full(graph.root_key, speaker)
        reached = patch(gossip, graph, self._farthest if aware else self._radius, aware)
        taken = self._worth_taking(reached, source, now, speaker)
        for item in taken:
            self._own.verify(item)
        effects: list[Log] = []
        teller = self._teller(speaker, source)
        new = 0
        for item in taken:
            key = item.record.public_key
            here = key == speaker and item.address is not None and item.address.ip == source.ip
            address = item.address if here and not self._places.held(source.ip, key, source) else None
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
        self.belief.took(teller, new, now)
        if was_full and speaker is not None and not graph.is_full(graph.root_key, speaker):
            self._own.part(speaker, now)  # It says itself that it lists us no more.
        changed = self._adopt(speaker, source, now) or changed
        if changed and self._own.dirty_since is None:
            self._own.dirty_since = now
        return effects

    def _teller(self, speaker: PublicKey | None, source: Endpoint) -> bytes:
        """On whose word something is known: a neighbor's key, or an address, as strangers' keys cost nothing."""
        return speaker if speaker and speaker in self._graph.root.neighbors else source.ip.encode()

    def _worth_taking(
        self, reached: dict[PublicKey, GossipRecord], source: Endpoint, now: float, speaker: PublicKey | None
    ) -> list[GossipRecord]:
        """Those records of a message that change something, and may: the nearest first."""
        graph = self._graph
        # A stranger may tell of what has become of Nodes that we know, and of none that we don't.
        trusted = speaker is not None and (
            speaker in graph.root.neighbors or self._contacts.solicited(source.ip, now, speaker)
        )
        is_new = any(key not in graph for key in reached)
        left = self.belief.left(self._teller(speaker, source), now) if is_new else 0
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
        graph, key = self._graph, record.public_key
        place = graph.address(key)
        if graph.root_key in record.neighbors or place is None or not graph.is_full(graph.root_key, key):
            return False
        return self._places.is_linked(key, place.ip, source)

    def _welcome(self, gossip: Gossip, source: Endpoint, now: float, sender: PublicKey) -> bool:
        """Take up the sender, if we debuted there and it lists us now.

        0.9.1 overlooks it unless a neighbor of ours lists it, too: so a Node that debuts when it has a neighbor
        already is answered with a round that it doesn't understand.
        """
        graph = self._graph
        for item in gossip.records:
            record = item.record
            key = record.public_key
            here = item.address is not None and item.address.ip == source.ip and sender in (b"", key)
            if not here or graph.root_key not in record.neighbors or key in graph.root.neighbors:
                continue
            if not self._contacts.solicited(source.ip, now, key) or self._places.held(source.ip, key, source):
                return False
            if not self._places.has_place(record, item.address, now, True):
                return False
            self._own.verify(item)
            known = graph.record(key)
            if known is not None and known.rates != record.rates:
                return False  # Prices hold for as long as we know somebody (neighborhood.md 2.7).
            if known is None or known.version <= record.version:
                graph.add(record, item.address, now)
            elif graph.address(key) is None and item.address:
                graph.learn_address(key, item.address)
            self._own.add_neighbor(key, now, chosen=True)
            return True
        return False

    def _adopt(self, speaker: PublicKey | None, source: Endpoint, now: float) -> bool:
        """List a known Node that tells us of the network, if there is a place for it."""
        record = self._graph.record(speaker) if speaker else None
        if (
            speaker is None
            or record is None
            or speaker in self._graph.root.neighbors
            or speaker == self._graph.root_key
        ):
            return False
        if self._own.has_parted(speaker, now):
            return False
        chosen, place = self._contacts.solicited(source.ip, now, speaker), NodeAddress(source.ip, (source.port,))
        if self._places.held(source.ip, speaker, source) or not self._places.has_place(record, place, now, chosen):
            return False
        self._own.add_neighbor(speaker, now, chosen)
        return True
