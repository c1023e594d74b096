"""What a Node says of itself: its record, whom it lists, and since when news of that is due (neighborhood.md 1.4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from masq.core.network.gossip import GossipRefused
from masq.core.network.graph import Graph
from masq.core.offence import Rule
from masq.crypto import Keys
from masq.types import Address, NodeAddress, PublicKey, RatePack
from masq.wire.circuit import EXTENSION
from masq.wire.message import Gossip, GossipRecord, NodeRecord
from masq.wire.news import GOSSIP2

EXTENSIONS: Final = ("flow1", "circuit1", "pace1", GOSSIP2)
"""What we advertise beyond 0.9.1 (protocol.md 14.1)."""
PARTED_FOR: Final = 60.0
"""Seconds in which a neighbor that parted from us isn't taken up again for what it tells."""


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
    country_of: Callable[[str], str | None] = lambda ip: None
    """The country to say, if this is our IP address one day."""


class OwnRecord:
    """The root of the graph, and what its changes ask for."""

    def __init__(self, keys: Keys, profile: Profile, first_version: int, now: float) -> None:
        self._keys = keys
        self.profile = profile
        self.graph = Graph(self._sign(frozenset(), first_version), profile.address, now)
        self.listed: dict[PublicKey, float] = {}
        """Whom we list though they haven't listed us, and since when."""
        self.chosen: dict[PublicKey, None] = {}
        """Neighbors that we debuted to. The others are visitors: they came to us."""
        self.dirty_since: float | None = None
        """Since when a round is due."""
        self.since: dict[PublicKey, float] = {}
        """When we listed each neighbor, the first one first."""
        self.parted: dict[PublicKey, float] = {}
        """Neighbors that have now somebody between us, and since when: told once more, not taken up again at once."""
        self.untold: float | None = None
        """Since when an introducer of ours doesn't know that we list it."""
        self._split_version = False  # A peer was sent a shortened record of our present version.

    def add_neighbor(self, key: PublicKey, now: float, chosen: bool = False) -> None:
        root = self.graph.root
        if chosen:
            self.chosen[key] = None
        if key not in root.neighbors:
            self.graph.set_root(self._sign(root.neighbors | {key}, root.version + 1))
            self._split_version = False
            self.listed[key] = now
            self.since[key] = now
            self.parted.pop(key, None)

    def drop_neighbor(self, key: PublicKey, now: float) -> None:
        root = self.graph.root
        self.listed.pop(key, None)
        self.chosen.pop(key, None)
        self.since.pop(key, None)
        if key in root.neighbors:
            self.graph.set_root(self._sign(root.neighbors - {key}, root.version + 1))
            self._split_version = False
            self.dirty_since = self.dirty_since or now

    def part(self, key: PublicKey, now: float) -> None:
        """A neighbor is none any more, though its link stands."""
        self.drop_neighbor(key, now)
        self.parted = {other: then for other, then in self.parted.items() if now - then < PARTED_FOR}
        self.parted[key] = now

    def move(self, ip: str, now: float) -> None:
        """We are at another IP address, with the same ports, and perhaps in another country."""
        before = self.profile
        assert before.address
        address = NodeAddress(ip, before.address.ports)
        self.profile = replace(before, address=address, country=before.country_of(ip))
        self.graph.move_root(address)
        if self.profile.country != before.country:
            root = self.graph.root
            self.graph.set_root(self._sign(root.neighbors, root.version + 1))
            self._split_version = False
        self.dirty_since = self.dirty_since or now

    def has_parted(self, key: PublicKey, now: float) -> bool:
        return now - self.parted.get(key, float("-inf")) < PARTED_FOR

    def unconfirmed(self, now: float, confirm: float) -> list[PublicKey]:
        """Whom we have listed for longer than `confirm` seconds, and who doesn't list us."""
        graph = self.graph
        if not self.listed and len(graph.full_neighbors(graph.root_key)) == len(graph.root.neighbors):
            return []
        for key in graph.root.neighbors:
            if not graph.is_full(graph.root_key, key):  # Also who listed us once, and does no more.
                self.listed.setdefault(key, now)
        late = []
        for key, since in sorted(self.listed.items()):
            if key not in self.graph.root.neighbors or self.graph.is_full(self.graph.root_key, key):
                del self.listed[key]
            elif now - since > confirm:
                late.append(key)
        return late

    def renew_if_split(self) -> None:
        """A new version, if somebody holds another record of this one."""
        if self._split_version:
            root = self.graph.root
            self.graph.set_root(self._sign(root.neighbors, root.version + 1))
            self._split_version = False

    def for_debuter(self, debuter: PublicKey) -> Gossip:
        """The answer to a Debut: 0.9.1 expects it to list the debuter and nobody else."""
        root = self.graph.root
        only = frozenset((debuter,))
        self._split_version = root.neighbors != only
        return Gossip((GossipRecord(self._sign(only, root.version), self.shown_address()),))

    def shown(self) -> GossipRecord:
        return GossipRecord(self.graph.root, self.shown_address())

    def shown_address(self) -> NodeAddress | None:
        return self.profile.address if self.profile.accepts_connections else None

    def verify(self, item: GossipRecord) -> None:
        """GossipRefused if a signature isn't valid. What is known byte for byte isn't verified again."""
        record = item.record
        known = self.graph.record(record.public_key)
        same = known and (known.signed_data, known.signature) == (record.signed_data, record.signature)
        if not same and not record.verify(self._keys):
            raise GossipRefused("a signature is not valid", Rule.FORGED_GOSSIP)

    def must_prove(self, record: NodeRecord) -> bool:
        """Whether its Node can prove its key to us: then nobody else speaks for it."""
        known = self.graph.record(record.public_key)
        newest = known if known is not None and known.version >= record.version else record
        return EXTENSION in self.profile.extensions and EXTENSION in newest.extensions

    def _sign(self, neighbors: frozenset[PublicKey], version: int) -> NodeRecord:
        profile = self.profile
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
