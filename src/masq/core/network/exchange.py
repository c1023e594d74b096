"""What neighbors of ours tell by differences: what we want of it, and what they want of us (neighborhood.md 3.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from masq.core.effects import Log, Say
from masq.core.network.contacts import Contacts
from masq.core.network.graph import Graph
from masq.core.network.hearsay import Hearsay
from masq.core.network.partners import Partner, Partners
from masq.crypto import Random
from masq.types import Endpoint, NodeAddress, PublicKey
from masq.wire.message import Gossip, GossipRecord
from masq.wire.news import News, id_of

ANSWER_WITHIN: Final = 5.0
"""Seconds that a record which was asked for has to come; then somebody else is asked for it."""
ASK_AGAIN: Final = 600.0
"""Seconds after which a neighbor is asked for everything once more: what was lost comes then."""
EVERYTHING_EVERY: Final = 10.0
"""Seconds between two times that a neighbor is told everything."""
PEERS: Final = 3
"""Addresses of Nodes afar that a neighbor is told at once."""
PEERS_IN_ALL: Final = 8
"""And for as long as its link stands: then it knows enough to find others when its neighbors are gone."""
PEERS_EVERY: Final = 20.0
"""Seconds from one neighbor that is told some to the next."""

MayShow = Callable[[str, PublicKey, float], bool]


class Exchange:
    """Hears News, and asks for what is new in it."""

    def __init__(
        self,
        graph: Graph,
        contacts: Contacts,
        hearsay: Hearsay,
        partners: Partners,
        may_show: MayShow,
        radius: int,
        random: Random,
    ) -> None:
        self._graph = graph
        self._contacts = contacts
        self._hearsay = hearsay
        self._partners = partners
        self._may_show = may_show
        self._radius = radius
        self._random = random
        self._asked: dict[bytes, tuple[PublicKey, float]] = {}
        """Records that were asked for, of whom, and when: the first ones first."""
        self._peers_at = float("-inf")
        self._reach: frozenset[bytes] = frozenset()
        self._within: frozenset[PublicKey] = frozenset()
        """The keys that these are of."""

    def hear(self, news: News, source: Endpoint, now: float, sender: PublicKey) -> list[Say | Log]:
        """News of the Node that proved this key. GossipRefused if a signature in it isn't valid."""
        effects: list[Say | Log] = [*self._take(news, source, now, sender)]
        if sender not in self._graph.root.neighbors or not self._partners.speaks(sender):
            return effects
        partner = self._partners.of(sender)
        for id, version in news.offers:
            partner.offered(id, version)
        if news.peers and self._graph.is_full(self._graph.root_key, sender):
            for key, address in news.peers[:PEERS]:
                self._contacts.hear_at(key, address)
        if news.everything and now - partner.answered >= EVERYTHING_EVERY:
            effects += self._partners.everything(sender, now)
            effects += self._peers(sender, partner, source.ip, now)
            if now - partner.asked >= EVERYTHING_EVERY:
                effects += self._partners.ask(sender, now)
        effects += self._serve(news, partner, sender, now)
        return effects + self.want(now)

    def _take(self, news: News, source: Endpoint, now: float, sender: PublicKey) -> list[Log]:
        """The sender's own record, and those that it was asked for."""
        items = []
        for record in news.records:
            key = record.public_key
            if key == sender:
                place = NodeAddress(source.ip, news.ports) if news.ports and record.accepts_connections else None
                items.append(GossipRecord(record, place))
            elif self._asked.get(id_of(key), (b"", 0.0))[0] == sender:
                items.append(GossipRecord(record, None))
        if not items:
            return []
        logs = self._hearsay.heard(Gossip(tuple(items)), source, now, sender, aware=True)
        for item in items:
            id = id_of(item.record.public_key)
            if sender in self._partners and item.record.public_key != sender:
                self._partners.of(sender).has[id] = item.record.version
            if self._asked.pop(id, None) is not None:
                self._settle(id, sender, -1)
        return logs

    def _settle(self, id: bytes, sender: PublicKey, failed: int) -> None:
        """What was asked for came, and if it was not taken, it would not be the next time; or it did not come.

        Who offers and doesn't send is asked after all others: it would keep from us what they have.
        """
        if sender in self._partners:
            partner = self._partners.of(sender)
            partner.offers.pop(id, None)
            partner.failed = max(0, partner.failed + failed)
        known = self._graph.called(id)
        for other in self._partners:
            if id in other.offers and (known is None or other.offers[id] > known.record.version):
                other.sought = False

    def _serve(self, news: News, partner: Partner, sender: PublicKey, now: float) -> list[Say]:
        """Send what is wanted, as far as we know it and there isn't too much of it."""
        if not news.wanted:
            return []
        known = [known.record for id in dict.fromkeys(news.wanted) if (known := self._graph.called(id))]
        found = [record for record in known if partner.records.take(now)]
        for record in found:
            partner.has[id_of(record.public_key)] = record.version
        return self._partners.records(sender, found)

    def want(self, now: float) -> list[Say]:
        """Ask for what is offered, and within reach: each of one neighbor."""
        while self._asked:
            id, (sender, then) = next(iter(self._asked.items()))
            if now - then < ANSWER_WITHIN:
                break
            del self._asked[id]
            self._settle(id, sender, 1)
        effects: list[Say] = []
        self._look_around()
        for sender, partner in self._partners.items():
            if partner.sought or not partner.offers:
                continue
            wanted = self._wanted(partner)
            unknown = [id for id, is_new in wanted if is_new]
            refused = set(unknown[self._hearsay.belief.left(sender, now) :] if unknown else ())
            partner.sought = not refused  # Who isn't believed so much now may be in a while.
            ids = tuple(id for id, _ in wanted if id not in refused)
            self._asked.update((id, (sender, now)) for id in ids)
            if ids:
                effects += self._partners.say(sender, News(wanted=ids))
        return effects

    def _wanted(self, partner: Partner) -> list[tuple[bytes, bool]]:
        """Of what it offers, what we lack and nobody was asked for; and whether we know nothing of that Node yet."""
        graph, reach, offers = self._graph, self._reach, partner.offers
        wanted = []
        for id in [id for id in offers if id in reach]:
            known, version = graph.called(id), offers[id]
            if known is not None and (known.record is graph.root or known.record.version >= version):
                del offers[id]
                partner.has[id] = max(version, partner.has.get(id, -1))
            elif id not in self._asked:
                wanted.append((id, known is None))
        return wanted

    def _look_around(self) -> None:
        """See who is within the radius. If others are than before, there may be more to find in all offers."""
        within = self._graph.within(self._radius)
        if within is not self._within:
            self._within, self._reach = within, frozenset(map(id_of, within))
            for partner in self._partners:
                partner.sought = False

    def _peers(self, sender: PublicKey, partner: Partner, ip: str, now: float) -> list[Say]:
        """A few addresses of Nodes that it isn't likely to know: of those that we have heard of, and of neighbors."""
        most = min(PEERS, PEERS_IN_ALL - len(partner.peers))
        afar = self._contacts.afar(sender, partner.peers, max(0, most))
        shown = [(key, address) for key, address in afar if self._may_show(ip, key, now)]
        partner.peers.update((key, None) for key, _ in afar)
        return self._partners.say(sender, News(peers=tuple(shown))) if shown else []

    def _tell_one(self, now: float) -> list[Say]:
        """Tell one neighbor a few more addresses."""
        self._peers_at = now + PEERS_EVERY
        able = [each for each in self._partners.items() if each[1].follows and len(each[1].peers) < PEERS_IN_ALL]
        key, partner = min(able, key=lambda each: self._random(8), default=(b"", None))
        address = self._graph.address(key)
        return self._peers(key, partner, address.ip, now) if partner and address else []

    def tick(self, now: float) -> list[Say]:
        """Ask again for what didn't come, and, once in a while, for everything."""
        effects: list[Say] = []
        for key in self._partners.asked_before(now - ASK_AGAIN):
            effects += self._partners.ask(key, now)
        if now >= self._peers_at:
            effects += self._tell_one(now)
        return [*effects, *self.want(now)] if self._asked else effects

    def wakes(self) -> list[float]:
        first = next(iter(self._asked.values()), None)
        return [] if first is None else [first[1] + ANSWER_WITHIN]
