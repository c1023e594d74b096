"""Nodes that debut to us: taken in, introduced, passed on, or refused with a reason (neighborhood.md 2.3)."""

from __future__ import annotations

from masq.core.effects import Log, Tell
from masq.core.network.contacts import Contacts
from masq.core.network.own_record import OwnRecord
from masq.core.network.places import Places
from masq.core.network.rounds import ROUND_DELAY, WITHHOLD, Rounds
from masq.core.network.shown import Shown
from masq.core.offence import Offence, Rule
from masq.types import Endpoint, NodeAddress, PublicKey
from masq.wire.message import Gossip, GossipFailure, GossipRecord, NodeRecord

VisitorsEffect = Tell | Log | Offence


class Visitors:
    """Answers Debuts."""

    def __init__(self, own: OwnRecord, contacts: Contacts, places: Places, rounds: Rounds) -> None:
        self._own = own
        self._graph = own.graph
        self._contacts = contacts
        self._places = places
        self._rounds = rounds
        self._shown = Shown()

    def debut(self, item: GossipRecord, source: Endpoint, now: float, sender: PublicKey) -> list[VisitorsEffect]:
        graph, debuter = self._graph, item.record
        key = debuter.public_key
        address = item.address or NodeAddress(source.ip, (source.port,))
        refusal = self._why_not(debuter, address, source, sender)
        if refusal:
            return [Log("info", "debut_refused", f"a Debut from {source} was ignored: {refusal}")]
        if self._places.held(address.ip, key, source):
            text = f"a Debut from {source} was refused: another Node is known there"
            return [Log("info", "debut_refused", text), Tell(key, address.endpoint, GossipFailure.MANUAL_REJECTION)]
        candidates = self._candidates(debuter)
        better = next((record for record in candidates if graph.degree(record.public_key) > 2), None)
        asks_anew = key not in graph.root.neighbors
        if asks_anew and better is not None and graph.degree(better.public_key) < graph.degree(graph.root_key):
            return self._pass_on(key, address, better.public_key, now)
        chosen = self._contacts.solicited(source.ip, now, key)
        if not self._places.has_place(debuter, address, now, chosen):
            target = candidates[0].public_key if candidates else None
            return self._pass_on(key, address, target, now)
        self._places.displace(address.ip, key, now)
        graph.add(debuter, address, now)
        self._own.add_neighbor(key, now, chosen)
        self._own.listed.pop(key, None)
        self._own.listed[key] = now
        if debuter.neighbors:
            self._own.dirty_since = now - ROUND_DELAY  # The debuter waits for this round.
            return [*self._rounds.round(now)]
        return self._introduce(key, address, candidates, now)

    def _candidates(self, debuter: NodeRecord) -> list[NodeRecord]:
        """Neighbors whom a debuter may be sent to, those with the fewest neighbors first."""
        graph = self._graph
        excluded = {debuter.public_key} | debuter.neighbors
        candidates = [
            record
            for record in graph.full_neighbors(graph.root_key)
            if record.public_key not in excluded and record.accepts_connections and graph.address(record.public_key)
        ]
        return sorted(candidates, key=lambda record: (graph.degree(record.public_key), record.public_key))

    def _introduce(
        self, key: PublicKey, address: NodeAddress, candidates: list[NodeRecord], now: float
    ) -> list[VisitorsEffect]:
        for candidate in candidates:
            introducee = candidate.public_key
            if self._may_show(address.ip, introducee, now):
                self._rounds.introduced[key] = (introducee, now + WITHHOLD)
                return [Tell(key, address.endpoint, self._gossip_about(self._graph.root_key, introducee))]
        greed = self._greed(address.ip, now) if candidates else []
        return [*greed, Tell(key, address.endpoint, self._own.for_debuter(key))]

    def _why_not(self, debuter: NodeRecord, address: NodeAddress, source: Endpoint, sender: PublicKey) -> str | None:
        """Why a Debut of a known Node is not to be believed. Records are public: anybody may send one."""
        key = debuter.public_key
        known, place = self._graph.record(key), self._graph.address(key)
        if known is None:
            return None
        listed = key in self._graph.root.neighbors
        linked = place is not None and listed and self._places.is_linked(key, place.ip, source)
        if not sender and linked and place is not None and place.ip != address.ip:
            return f"that Node is linked at {place.ip}"
        if not sender and listed and self._own.must_prove(debuter):
            return "that Node proves its key"
        # 0.9.1 begins again with version 0 when it is started with the key it had: where it was, it is believed.
        came_back = not linked and not self._own.must_prove(known) and self._places.was_at(key) == address.ip
        if debuter.version < known.version and not came_back:
            return f"version {debuter.version} of its record is older than {known.version}"
        return None

    def _pass_on(
        self, debuter: PublicKey, address: NodeAddress, target: PublicKey | None, now: float
    ) -> list[VisitorsEffect]:
        if target is None:
            return [Tell(debuter, address.endpoint, GossipFailure.NO_SUITABLE_NEIGHBORS)]
        if self._may_show(address.ip, target, now):
            return [Tell(debuter, address.endpoint, self._gossip_about(target))]
        return [Tell(debuter, address.endpoint, GossipFailure.NO_SUITABLE_NEIGHBORS), *self._greed(address.ip, now)]

    def _greed(self, ip: str, now: float) -> list[VisitorsEffect]:
        """Somebody was shown nobody, as his network was shown enough: it is his fault if he was shown all of them."""
        if not self._shown.greedy(ip, now):
            return []
        return [Offence(Rule.HARVEST, ip, detail="it was shown as many Nodes as anybody needs")]

    def _may_show(self, ip: str, key: PublicKey, now: float) -> bool:
        return not self._own.profile.diverse or self._shown.may_show(ip, key, now)

    def _gossip_about(self, *keys: PublicKey) -> Gossip:
        records = [(self._graph.record(key), self._graph.address(key)) for key in keys]
        return Gossip(tuple(GossipRecord(record, address) for record, address in records if record))
