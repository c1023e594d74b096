"""Neighbors of ours that are told differences: what each has, and what it is told now (neighborhood.md 3.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from masq.core.effects import Say
from masq.core.limits import MAX_KNOWN, RECORDS_FOR_NEIGHBOR, Bucket
from masq.core.network.own_record import OwnRecord
from masq.types import PublicKey
from masq.wire.message import NodeRecord
from masq.wire.news import GOSSIP2, News, id_of, in_frames

Says = Callable[[PublicKey, str], bool]
"""Whether a secure link to the Node of this key, at this IP address, stands."""


@dataclass(slots=True)
class Partner:
    """What is known of a neighbor that speaks `gossip2`, since its link stands. Records are named by `id_of` a key."""

    own: int = -1
    """The version of our own record that it was told last."""
    has: dict[bytes, int] = field(default_factory=dict)
    """Versions that it has, or was offered; never more than there are records known."""
    offers: dict[bytes, int] = field(default_factory=dict)
    """Versions that it has offered, and that we don't have."""
    looked: int = -1
    """The revision of the graph up to which it was offered what is new."""
    sought: bool = False
    """Whether its offers were looked through since there may be more to find in them."""
    follows: bool = False
    """Whether it wants to be told."""
    asked: float = float("-inf")
    """When we asked it for everything."""
    answered: float = float("-inf")
    """When it was told everything."""
    failed: int = 0
    """Records that it has offered, was asked for and didn't send, less those that it did."""
    peers: dict[PublicKey, None] = field(default_factory=dict)
    """Nodes whose addresses it was told."""
    records: Bucket = field(default_factory=lambda: Bucket(RECORDS_FOR_NEIGHBOR, 0.0))
    """Those that it may be sent."""

    def offered(self, id: bytes, version: int) -> None:
        """It offers a record that we don't have. Of too many the oldest offers are forgotten."""
        self.offers.pop(id, None)
        self.offers[id] = version
        self.sought = False
        if len(self.offers) > MAX_KNOWN:
            del self.offers[next(iter(self.offers))]


class Partners:
    """By key. A neighbor is one for as long as it is a neighbor, and its secure link stands."""

    def __init__(self, own: OwnRecord, says: Says) -> None:
        self._own = own
        self._graph = own.graph
        self._says = says
        self._by_key: dict[PublicKey, Partner] = {}
        self._forgotten = 0
        """How many Nodes the graph had forgotten when it was looked what of theirs is of use."""

    def __contains__(self, key: PublicKey) -> bool:
        return key in self._by_key

    def items(self) -> list[tuple[PublicKey, Partner]]:
        """All of them, who keeps to what it offers before who doesn't."""
        return sorted(self._by_key.items(), key=lambda each: each[1].failed)

    def __iter__(self) -> Iterator[Partner]:
        return iter(self._by_key.values())

    def speaks(self, key: PublicKey) -> bool:
        """Whether a Node can be told differences now. All others are told everything, as 0.9.1 is."""
        record, address = self._graph.record(key), self._graph.address(key)
        if record is None or address is None or GOSSIP2 not in record.extensions:
            return False
        return GOSSIP2 in self._own.profile.extensions and self._says(key, address.ip)

    def of(self, key: PublicKey) -> Partner:
        partner = self._by_key.get(key)
        if partner is None:
            partner = self._by_key[key] = Partner()
        return partner

    def forget(self, key: PublicKey) -> None:
        """Its link is another one, or none: what was under way is lost."""
        self._by_key.pop(key, None)

    def prune(self) -> None:
        """Forget who is our neighbor no more, and what nobody knows any more."""
        graph = self._graph
        for key in [key for key in self._by_key if key not in graph.root.neighbors and key not in self._own.parted]:
            del self._by_key[key]
        known, forgets = graph.ids(), self._forgotten != graph.forgotten
        self._forgotten = graph.forgotten
        for partner in self._by_key.values():
            if forgets or len(partner.has) > len(known):
                partner.has = {id: version for id, version in partner.has.items() if id in known}

    def asked_before(self, then: float) -> list[PublicKey]:
        """Those that were asked for everything, and not since a time."""
        late = [key for key, partner in self._by_key.items() if float("-inf") < partner.asked <= then]
        return [key for key in late if self.speaks(key)]

    def due(self, key: PublicKey, now: float) -> list[Say]:
        """What a neighbor is to be told now: our own record, if it changed; who has news; and that we follow it."""
        partner, graph = self.of(key), self._graph
        asks = partner.asked == float("-inf") and graph.is_full(graph.root_key, key)
        if asks:
            partner.asked = now
        news = self._news(key, partner, asks)
        return self.say(key, news) if any(news) else []

    def everything(self, key: PublicKey, now: float) -> list[Say]:
        """It wants to be told of all that there is."""
        partner = self.of(key)
        partner.follows, partner.answered = True, now
        partner.has, partner.looked = {}, -1
        return self.say(key, self._news(key, partner, False))

    def ask(self, key: PublicKey, now: float) -> list[Say]:
        """Ask for everything, once more."""
        self.of(key).asked = now
        return self.say(key, News(everything=True))

    def say(self, key: PublicKey, news: News) -> list[Say]:
        address = self._graph.address(key)
        return [] if address is None else [Say(key, address.ip, news.encode())]

    def records(self, key: PublicKey, records: list[NodeRecord]) -> list[Say]:
        """What it asked for."""
        return [said for news in in_frames(records) for said in self.say(key, news)]

    def _news(self, key: PublicKey, partner: Partner, asks: bool) -> News:
        """Our own record, and offers of others, as far as they are new to it: they aren't any more then."""
        root, address = self._graph.root, self._own.shown_address()
        offers = self._offers(key, partner) if partner.follows else ()
        partner.has.update(offers)
        if root.version <= partner.own:
            return News(offers=offers, everything=asks)
        partner.own = root.version
        return News((root,), address.ports if address else (), offers, everything=asks)

    def _offers(self, key: PublicKey, partner: Partner) -> tuple[tuple[bytes, int], ...]:
        """Records that somebody lists, and that a neighbor has not, or in an older version."""
        has, offers, graph = partner.has, partner.offers, self._graph
        news = graph.news_since(partner.looked)
        partner.looked = graph.revision
        return tuple(
            (id, record.version)
            for record in news
            if max(has.get(id := id_of(record.public_key), -1), offers.get(id, -1)) < record.version
            if record.public_key not in (key, graph.root_key)
        )
