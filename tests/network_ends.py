"""Ends of the network: Nodes that may say anything of themselves, and a Neighborhood and Links of ours that hear it.

What the core's parts are called with stands here alone: tests say who says what, and when.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.secure_ends import DEV, heard
from tests.secure_ends import link as secure_end
from tests.strategies import key_pair

from masq.core.effects import Dial, Log, NewIdentity, Prove, SaveConfig, Say, Tell, WriteLink
from masq.core.limits import MAX_LISTED, Limits
from masq.core.links.door import Door
from masq.core.links.links import LinkArrival, Links, Written
from masq.core.network.contacts import Contact
from masq.core.network.gossip import GossipKind, classify
from masq.core.network.graph import Graph
from masq.core.network.neighborhood import Neighborhood, NeighborhoodEffect
from masq.core.network.own_record import Profile
from masq.core.offence import Offence
from masq.crypto import CryptDE, Random
from masq.types import DEFAULT_RATE_PACK, Endpoint, LinkPolicy, NodeAddress, PublicKey, RatePack
from masq.wire.message import Gossip, GossipFailure, GossipRecord, NodeRecord
from masq.wire.news import News
from masq.wire.secure_link import Event, FrameType, SecureLink, new_frame

STEP: Final = 0.001
"""How much later than asked drivers call `tick`."""


@dataclass(frozen=True)
class Peer:
    """A Node: always the same keys and address for one number."""

    number: int

    @property
    def keys(self) -> CryptDE:
        return key_pair(self.number, "dev")

    @property
    def key(self) -> PublicKey:
        return self.keys.public_key

    @property
    def ip(self) -> str:
        return f"10.1.{self.number // 250}.{self.number % 250 + 1}"

    @property
    def address(self) -> NodeAddress:
        return NodeAddress(self.ip, (6001,))

    @property
    def source(self) -> Endpoint:
        """Where its links come from."""
        return Endpoint(self.ip, 40_000)

    def record(
        self,
        *listed: PublicKey,
        version: int = 1,
        accepts: bool = True,
        routes: bool = True,
        rates: RatePack = DEFAULT_RATE_PACK,
        extensions: tuple[str, ...] = ("flow1",),
        country: str | None = None,
    ) -> NodeRecord:
        """What it says of itself: by default that it speaks JSON, where nobody proves a key."""
        return NodeRecord.sign(
            self.keys, bytes(20), rates, frozenset(listed), accepts, routes, version, country, extensions
        )

    def shown(self, *listed: PublicKey, version: int = 1, accepts: bool = True, routes: bool = True) -> GossipRecord:
        """Its record with its address."""
        return GossipRecord(self.record(*listed, version=version, accepts=accepts, routes=routes), self.address)

    def hidden(self, *listed: PublicKey, version: int = 1, accepts: bool = True, routes: bool = True) -> GossipRecord:
        """Its record without its address."""
        return GossipRecord(self.record(*listed, version=version, accepts=accepts, routes=routes), None)

    def contact(self, whole_key: bool = True) -> Contact:
        """As somebody to debut to: lost, or of a descriptor, which shows half of the key."""
        return Contact(self.key if whole_key else self.key[:32] + bytes(32), self.address)


ROOT: Final = Peer(0)
"""Ourselves."""


def peers(count: int, first: int = 1) -> list[Peer]:
    return [Peer(number) for number in range(first, first + count)]


def graph_of(root: NodeRecord, *known: GossipRecord, address: NodeAddress | None = ROOT.address) -> Graph:
    """A graph as of second 0."""
    graph = Graph(root, address, 0.0)
    for item in known:
        graph.add(item.record, item.address, 0.0)
    return graph


def kind_of(graph: Graph, speaker: Peer, *items: GossipRecord) -> GossipKind:
    """What a message from there is; GossipRefused if it may not be."""
    return classify(Gossip(items), speaker.source, graph)


def told_keys(tell: Tell) -> list[PublicKey]:
    """Whose records a message holds, in its order."""
    assert isinstance(tell.message, Gossip)
    return [item.record.public_key for item in tell.message.records]


def told_record(tell: Tell, key: PublicKey) -> GossipRecord:
    assert isinstance(tell.message, Gossip)
    (item,) = (item for item in tell.message.records if item.record.public_key == key)
    return item


class Ours:
    """Our Neighborhood and its clock. After each input it has to keep the laws of `_check`."""

    def __init__(
        self,
        *contacts: Contact,
        accepts: bool = True,
        address: NodeAddress | None = ROOT.address,
        version: int = 0,
        radius: int = 3,
        now: float = 0.0,
        diverse: bool = False,
        random: Random = bytes,
        country_of: Callable[[str], str | None] = lambda ip: None,
    ) -> None:
        """`random`: what is drawn; by default always the first one."""
        profile = Profile(
            earning_wallet=bytes(20),
            rates=DEFAULT_RATE_PACK,
            accepts_connections=accepts,
            routes_data=True,
            country=None,
            address=address,
            diverse=diverse,
            country_of=country_of,
        )
        self.core = Neighborhood(
            ROOT.keys,
            profile,
            list(contacts),
            radius,
            version,
            now,
            lambda key, ip, but: key in self.linked,
            random,
            lambda key, ip: key in self.linked,
        )
        self.said: list[tuple[PublicKey, News]] = []
        """Differences that were told, and to whom."""
        self.now = now
        self.logs: list[Log] = []
        self.offences: list[Offence] = []
        self.asked: list[PublicKey] = []
        """Who was asked to prove its key."""
        self.renewals = 0
        """How often it asked for another identity."""
        self.linked: set[PublicKey] = set()
        """To whom a link stands."""
        self.saved: list[str] = []
        self._address = address
        self._last = self.core.graph.root

    # --- what it has come to ---

    @property
    def key(self) -> PublicKey:
        return ROOT.key

    @property
    def graph(self) -> Graph:
        return self.core.graph

    @property
    def record(self) -> NodeRecord:
        return self.core.graph.root

    @property
    def full(self) -> list[PublicKey]:
        return [record.public_key for record in self.graph.full_neighbors(self.key)]

    def lists(self, peer: Peer) -> bool:
        return peer.key in self.record.neighbors

    def knows(self, peer: Peer) -> bool:
        return peer.key in self.graph

    def events(self) -> list[str]:
        """Of the log so far."""
        return [log.event for log in self.logs]

    def close(self, peer: Peer, proven: PublicKey = b"") -> bool:
        """Whether a link to where a peer is is a neighbor's or contact's."""
        return self.core.is_close(peer.ip, proven)

    # --- inputs ---

    def starts(self) -> list[Tell]:
        return self._take(self.core.start(self.now))

    def hears(self, speaker: Peer, *items: GossipRecord, proven: Peer | None = None) -> list[Tell]:
        """Gossip from an address; `proven`: whose key the link has proved, if it is a secure one."""
        sender = proven.key if proven else b""
        return self._take(self.core.receive(Gossip(items), speaker.source, self.now, sender))

    def is_told(self, speaker: Peer, news: News) -> list[News]:
        """News over the secure link of a peer: what it is told for it."""
        before = len(self.said)
        self._take(self.core.hear(news, speaker.source, self.now, speaker.key))
        return [news for key, news in self.said[before:] if key == speaker.key]

    def hears_failure(self, speaker: Peer) -> list[Tell]:
        failure = GossipFailure.NO_SUITABLE_NEIGHBORS
        return self._take(self.core.receive(failure, speaker.source, self.now))

    def has_proof(self, key: PublicKey, at: Peer) -> list[Tell]:
        return self._take(self.core.proven(key, at.source, 6001, self.now))

    def is_seen(self, peer: Peer, ip: str) -> list[Tell]:
        """A Node that we dialled says where it sees us: the one thing that may change our address."""
        effects = self.core.proven(peer.key, peer.source, 6001, self.now, ip)
        self._address = self.graph.root_address
        return self._take(effects)

    def is_found(self, peer: Peer) -> list[Tell]:
        """A Node dials us, and proves its key."""
        return self._take(self.core.proven(peer.key, peer.source, 6001, self.now, None))

    def loses(self, peer: Peer) -> list[Tell]:
        return self._take(self.core.link_lost(peer.ip, self.now))

    def waits(self, seconds: float) -> list[Tell]:
        """Ticks whenever it wants to be woken, for so long."""
        until = self.now + seconds
        tells = []
        while (wake := self.core.next_wake(self.now) + STEP) < until:
            self.now = wake
            tells += self._take(self.core.tick(self.now))
        self.now = until
        return tells + self._take(self.core.tick(self.now))

    def befriends(self, peer: Peer, *listed: PublicKey, accepts: bool = True) -> None:
        """A Debut of a peer's and its round: a full neighbor, which lists these others too. Our rounds are over."""
        said = peer.shown if accepts else peer.hidden
        self.hears(peer, said(accepts=accepts))
        self.hears(peer, said(self.key, *listed, version=2, accepts=accepts))
        assert peer.key in self.full
        self.waits(6.0)

    def befriends_degrees(self, *degrees: int) -> list[Peer]:
        """Full neighbors of these gossip degrees (neighborhood.md 1.3): nobody else whom they list is known."""
        made = peers(len(degrees))
        for peer, degree in zip(made, degrees, strict=True):
            self.befriends(peer, *(other.key for other in peers(degree - 1, 100 + 10 * peer.number)))
        assert [self.graph.degree(peer.key) for peer in made] == list(degrees)
        return made

    def _take(self, effects: Iterable[NeighborhoodEffect]) -> list[Tell]:
        tells = []
        for effect in effects:
            if isinstance(effect, Tell):
                tells.append(effect)
            elif isinstance(effect, SaveConfig):
                assert effect.name == "past_neighbors"
                self.saved.append(effect.value)
            elif isinstance(effect, Offence):
                self.offences.append(effect)
            elif isinstance(effect, Say):
                self.said.append((effect.key, News.decode(effect.news)))
            elif isinstance(effect, Prove):
                self.asked.append(effect.key)
            elif isinstance(effect, NewIdentity):
                self.renewals += 1
            else:
                self.logs.append(effect)
        self._check()
        return tells

    def _check(self) -> None:
        root, last = self.record, self._last
        assert root.verify(ROOT.keys), "our record is always signed"
        assert root.version >= last.version
        assert root.neighbors == last.neighbors or root.version > last.version, "a change raises the version"
        assert len(root.neighbors) <= MAX_LISTED
        assert self.key not in root.neighbors
        assert self.graph.root_address == self._address, "nobody changes our address"
        self._last = root


# --- links ---


def open_door(close: bool = True) -> Door:
    """To neighbors, or to strangers."""
    return Door(Limits(), lambda ip, key: close, False)


def links(own: CryptDE = ROOT.keys, policy: LinkPolicy = LinkPolicy.AUTO, close: bool = True) -> Links:
    return Links(own, DEV, 6001, ("circuit1",), policy, os.urandom, Limits(), open_door(close))


def arrive(ours: Links, id: int, data: bytes, now: float = 0.0) -> tuple[list[LinkArrival], bytes]:
    """What arrives, and what is answered."""
    effects: list[Written] = []
    arrivals = list(ours.received(id, memoryview(bytearray(data)), now, effects))
    known = ours.get(id)
    if known is not None and known.secure is None and arrivals:
        ours.introduce(known)  # As the Node does with a package that opens.
    return arrivals, written(effects, id)


def written(effects: Iterable[object], id: int) -> bytes:
    """What these effects write to one link."""
    return b"".join(effect.data for effect in effects if isinstance(effect, WriteLink) and effect.link == id)


@dataclass
class End:
    """A link of ours, and the other end of it."""

    ours: Links
    id: int
    theirs: SecureLink
    numbers: dict[int, list[int]] = field(default_factory=dict)
    """Of the frames that came to the other end: by circuit."""

    def reads(self, effects: Iterable[object]) -> list[Event]:
        """What the other end makes of what was written to it."""
        data = written(effects, self.id)
        return heard(self.theirs, data) if data else []

    def frames(self, effects: Iterable[object]) -> list[tuple[int, int]]:
        """Circuit and number of the frames of `frame` that the other end gets."""
        found = []
        for event in self.reads(effects):
            body = bytes(event.body)  # type: ignore[union-attr]  # There is nothing but frames.
            found.append((int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big")))
        return found


def frame(circuit: int, number: int, size: int = 100) -> bytearray:
    """A circuit's cell that tells which one it is."""
    wire = new_frame(FrameType.CELL, size)
    wire[3:11] = circuit.to_bytes(4, "big") + number.to_bytes(4, "big")
    return wire


def visited(ours: Links, visitor: Peer, now: float = 0.0, own: CryptDE = ROOT.keys, ip: str = "") -> End:
    """A secure link that a peer has made to us."""
    id, _ = ours.accept(Endpoint(ip or visitor.ip, 40_000), now)
    assert id is not None
    theirs = secure_end(visitor.keys)
    _, second = arrive(ours, id, theirs.dial(own.public_key), now)
    heard(theirs, second)
    arrive(ours, id, theirs.take_answer(), now)
    return End(ours, id, theirs)


def dialled(ours: Links, dials: Sequence[object], host: Peer, now: float = 0.0) -> End:
    """The secure link that one of these effects asks for, once it stands."""
    (dial,) = (effect for effect in dials if isinstance(effect, Dial))
    theirs = secure_end(host.keys)
    heard(theirs, written(ours.dialled(dial.link, now), dial.link))
    _, rest = arrive(ours, dial.link, theirs.take_answer(), now)
    heard(theirs, rest)
    return End(ours, dial.link, theirs)
