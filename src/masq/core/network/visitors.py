"""Nodes that debut to us: taken in, introduced, passed on, or refused with a reason (neighborhood.md 2.3)."""

from __future__ import annotations

from typing import Final

from masq.core.effects import Log, Say, Tell
from masq.core.limits import KEPT_PLACES, MAX_ASKERS, MAX_CAME, MAX_DEGREE, prefix
from masq.core.network.contacts import Contacts
from masq.core.network.own_record import OwnRecord
from masq.core.network.places import Places
from masq.core.network.rounds import ROUND_DELAY, WITHHOLD, Rounds
from masq.core.network.shown import Shown
from masq.core.offence import Offence, Rule
from masq.crypto import Random
from masq.types import Endpoint, NodeAddress, PublicKey
from masq.wire.circuit import EXTENSION
from masq.wire.message import Gossip, GossipFailure, GossipRecord, NodeRecord

ASKED_FOR: Final = 60.0
"""Seconds in which a newcomer that comes again was sent away in vain."""
ROOM_WITHIN: Final = 4
"""Links from us in which room is looked for: nobody knows more of the network."""

VisitorsEffect = Tell | Say | Log | Offence


class Visitors:
    """Answers Debuts."""

    def __init__(self, own: OwnRecord, contacts: Contacts, places: Places, rounds: Rounds, random: Random) -> None:
        self._own = own
        self._graph = own.graph
        self._contacts = contacts
        self._places = places
        self._rounds = rounds
        self._shown = Shown()
        self._random = random
        self._asked: dict[PublicKey, float] = {}
        """Who found no place here, and when."""
        self._came: dict[PublicKey, NodeAddress] = {}
        """Who came over a secure link and accepts connections, and where: they may have room for those who come now."""

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
        if sender and debuter.accepts_connections:
            self._remember(key, address)
        candidates = self._candidates(debuter)
        leaving = None if self._places.has_room(debuter) else self._places.gives_way(debuter, address, now)
        if leaving is not None:
            self._places.give_way(leaving, key, now)
        better = next((record for record in candidates if graph.degree(record.public_key) > 2), None)
        asks_anew, again = key not in graph.root.neighbors, False
        if (
            leaving is None
            and asks_anew
            and better is not None
            and graph.degree(better.public_key) < graph.degree(graph.root_key)
        ):
            again = self._comes_again(key, now)
            if not again:
                return self._pass_on(key, address, self._at(better), now)
        chosen = self._contacts.solicited(source.ip, now, key)
        # Whoever gives way leaves its place to this one, whatever else there are places kept for.
        if leaving is None and not self._places.has_place(debuter, address, now, chosen):
            return self._no_place(debuter, address, candidates, again or self._comes_again(key, now), now)
        self._places.displace(address.ip, key, now)
        graph.add(debuter, address, now)
        self._own.add_neighbor(key, now, chosen)
        self._own.listed.pop(key, None)
        self._own.listed[key] = now
        if debuter.neighbors:
            self._own.dirty_since = now - ROUND_DELAY  # The debuter waits for this round.
            return [*self._rounds.round(now)]
        return self._introduce(key, address, candidates, now)

    def another(self, item: GossipRecord, source: Endpoint, now: float) -> list[VisitorsEffect]:
        """A neighbor that says what we know asks for one more, if it has few: it is passed on."""
        record = item.record
        address = item.address
        few = len(record.neighbors) < MAX_DEGREE - KEPT_PLACES
        if address is None or not few or not self._graph.is_full(self._graph.root_key, record.public_key):
            return []
        candidates = self._candidates(record)
        ways = self._towards_room(record, candidates) or sorted(candidates, key=lambda each: self._random(8))
        return self._pass_on(record.public_key, address, self._at(ways[0]), now) if ways else []

    def _candidates(self, debuter: NodeRecord) -> list[NodeRecord]:
        """Neighbors whom a debuter may be sent to, those with the fewest neighbors first."""
        graph = self._graph
        excluded = {debuter.public_key} | debuter.neighbors
        candidates = [
            record
            for record in graph.full_neighbors(graph.root_key)
            if record.public_key not in excluded and record.accepts_connections and graph.address(record.public_key)
        ]
        return sorted(candidates, key=lambda record: (graph.degree(record.public_key), self._random(8)))

    def _comes_again(self, key: PublicKey, now: float) -> bool:
        """Whether we have sent somebody away who is back already; it is remembered that we do it now."""
        again = now - self._asked.pop(key, float("-inf")) < ASKED_FOR
        self._asked[key] = now
        if len(self._asked) > MAX_ASKERS:
            del self._asked[next(iter(self._asked))]
        return again

    def _no_place(
        self, debuter: NodeRecord, address: NodeAddress, candidates: list[NodeRecord], again: bool, now: float
    ) -> list[VisitorsEffect]:
        """To where there is room, as far as we know; else between us and a neighbor; else to anybody."""
        key = debuter.public_key
        ways = self._towards_room(debuter, candidates)
        elsewhere = [*map(self._at, ways[:1]), *self._with_room(debuter)]
        if (again or not elsewhere) and self._places.may_split(debuter, address, now):
            anchors = self._places.anchors()
            for candidate in reversed(candidates):
                other = candidate.public_key
                knows = EXTENSION in candidate.extensions and other not in anchors
                if knows and self.may_show(address.ip, other, now):
                    return self._split(debuter, address, other, now)
        elsewhere = elsewhere or list(map(self._at, candidates))
        return self._pass_on(key, address, min(elsewhere, key=lambda each: self._random(8), default=None), now)

    def _remember(self, key: PublicKey, address: NodeAddress) -> None:
        """Somebody came. In the world the last one of each network counts, so that nobody fills this alone."""
        self._came.pop(key, None)
        if self._own.profile.diverse:
            net = prefix(address.ip)
            self._came = {other: place for other, place in self._came.items() if prefix(place.ip) != net}
        self._came[key] = address
        if len(self._came) > MAX_CAME:
            del self._came[next(iter(self._came))]

    def _with_room(self, debuter: NodeRecord) -> list[GossipRecord]:
        """Those who came here, aren't neighbors of ours, and have room, by what we know of them now."""
        graph, excluded = self._graph, {debuter.public_key} | debuter.neighbors | self._graph.root.neighbors
        return [
            GossipRecord(record, address)
            for key, address in self._came.items()
            if key not in excluded and self._has_room(key) and graph.full_neighbors(key)
            if (record := graph.record(key))
        ]

    def _at(self, record: NodeRecord) -> GossipRecord:
        return GossipRecord(record, self._graph.address(record.public_key))

    def _towards_room(self, debuter: NodeRecord, candidates: list[NodeRecord]) -> list[NodeRecord]:
        """Those candidates that are nearest to a Node with room, by what we know; none if there is no such Node."""
        graph = self._graph
        edges = {record.public_key: {record.public_key} for record in candidates}
        seen = {graph.root_key, debuter.public_key, *debuter.neighbors}
        for _ in range(ROOM_WITHIN):
            near = [record for record in candidates if any(map(self._has_room, edges[record.public_key]))]
            if near:
                return sorted(near, key=lambda record: self._random(8))
            for key, edge in edges.items():
                seen |= edge
                edges[key] = {
                    other for one in edge if (record := graph.record(one)) for other in record.neighbors
                } - seen
        return []

    def _has_room(self, key: PublicKey) -> bool:
        record = self._graph.record(key)
        return record is not None and record.accepts_connections and self._graph.degree(key) < MAX_DEGREE

    def _split(self, debuter: NodeRecord, address: NodeAddress, other: PublicKey, now: float) -> list[VisitorsEffect]:
        """Take a newcomer beyond our places, and introduce it to a neighbor, which parts from us for it: a - b becomes
        a - new - b. Our round tells that neighbor of it before the newcomer comes there."""
        key = debuter.public_key
        self._places.displace(address.ip, key, now)
        self._graph.add(debuter, address, now)
        self._own.add_neighbor(key, now)
        self._places.split(key, other, now)
        self._rounds.introduced[key] = (other, now + WITHHOLD)
        introduction = Tell(key, address.endpoint, self._gossip_about(self._graph.root_key, other))
        return [introduction, *self._rounds.round(now)]

    def _introduce(
        self, key: PublicKey, address: NodeAddress, candidates: list[NodeRecord], now: float
    ) -> list[VisitorsEffect]:
        before = self._places.split_from(key)  # It comes again: to another one it would cost us that neighbor, too.
        for candidate in candidates:
            introducee = candidate.public_key
            if before in (None, introducee) and self.may_show(address.ip, introducee, now):
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
        if not sender and not debuter.accepts_connections and self._own.must_prove(debuter):
            return "that Node proves its key"
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
        self, debuter: PublicKey, address: NodeAddress, target: GossipRecord | None, now: float
    ) -> list[VisitorsEffect]:
        if target is None:
            return [Tell(debuter, address.endpoint, GossipFailure.NO_SUITABLE_NEIGHBORS)]
        if self.may_show(address.ip, target.record.public_key, now):
            return [Tell(debuter, address.endpoint, Gossip((target,)))]
        return [Tell(debuter, address.endpoint, GossipFailure.NO_SUITABLE_NEIGHBORS), *self._greed(address.ip, now)]

    def _greed(self, ip: str, now: float) -> list[VisitorsEffect]:
        """Somebody was shown nobody, as his network was shown enough: it is his fault if he was shown all of them."""
        if not self._shown.greedy(ip, now):
            return []
        return [Offence(Rule.HARVEST, ip, detail="it was shown as many Nodes as anybody needs")]

    def may_show(self, ip: str, key: PublicKey, now: float) -> bool:
        return not self._own.profile.diverse or self._shown.may_show(ip, key, now)

    def _gossip_about(self, *keys: PublicKey) -> Gossip:
        records = map(self._graph.record, keys)
        return Gossip(tuple(self._at(record) for record in records if record))
