"""A few whole Nodes, joined by hand: what one writes to a link the other reads, and a test is world and clock."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

from tests.secure_ends import DEV, keys

from masq.chain.transaction import SignedTransaction
from masq.chain.wallet import Wallet
from masq.core.accountant.accountant import AccountantConfig, SavedState
from masq.core.accountant.fees import Fee
from masq.core.build import NodeConfig, build_node
from masq.core.effects import CloseLink, Connect, Dial, Log, WriteLink, WriteSocket
from masq.core.links.links import GOSSIP_FLOW
from masq.core.network.contacts import Contact
from masq.core.network.own_record import Profile
from masq.core.node import Node
from masq.keccak import keccak256
from masq.types import Endpoint, LinkPolicy, Mode, NodeAddress, PackagePolicy, RatePack
from masq.wire.circuit import EXTENSION
from masq.wire.message import GossipFailure, NodeRecord, encode_message
from masq.wire.package import Package, single_hop

PORT = 6001
EPOCH = 1_800_000_000.0

T = TypeVar("T")


def wallet(text: str) -> Wallet:
    return Wallet(keccak256(text.encode()))


def sign(nonce: int, fee: Fee, recipient: bytes, wei: int) -> SignedTransaction:
    """Not for any chain: what was signed can be read in it."""
    raw = b"%d %d %s %d" % (nonce, fee.most, recipient.hex().encode(), wei)
    return SignedTransaction(raw, keccak256(raw), nonce)


@dataclass
class One:
    """A Node and what it asked of its driver, but for links: until somebody takes it."""

    node: Node
    config: NodeConfig
    ip: str
    asked: list[object] = field(default_factory=list)
    ends: dict[int, tuple[One, int]] = field(default_factory=dict)
    """For each link: who is at the other end, and its number there."""
    mute: bool = False
    """Nothing that it writes to links arrives."""

    @property
    def wallet(self) -> bytes:
        """The consuming wallet's address."""
        assert self.config.wallet
        return self.config.wallet.address

    def take(self, kind: type[T]) -> list[T]:
        """What it asked for of one kind. All that it asked before is forgotten."""
        taken = [each for each in self.asked if isinstance(each, kind)]
        self.asked.clear()
        return taken

    def written(self, socket: int) -> bytes:
        return b"".join(each.data for each in self.take(WriteSocket) if each.socket == socket)

    def owes(self) -> dict[bytes, int]:
        return {wallet: account.wei for wallet, account in self.node.accountant.ledger.payables.items()}

    def is_owed(self) -> dict[bytes, int]:
        return {wallet: account.wei for wallet, account in self.node.accountant.ledger.receivables.items()}


class Nodes:
    """Nodes, links between them, and the time. What is under way arrives before anything else happens."""

    def __init__(self) -> None:
        self.now = 0.0
        self.all: list[One] = []
        self._under_way: deque[tuple[One, int, str, bytes]] = deque()

    # --- Nodes ---

    def add(
        self,
        *,
        mode: Mode = Mode.STANDARD,
        hops: int = 1,
        pays: bool = True,
        extensions: Sequence[str] = ("flow1", "circuit1"),
        link_policy: LinkPolicy = LinkPolicy.AUTO,
        package_policy: PackagePolicy = PackagePolicy.AUTO,
        saved: SavedState = SavedState(),
        scans: bool = True,
        contacts: Sequence[One] = (),
        max_spending: int | None = None,
    ) -> One:
        number = len(self.all) + 1
        ip = f"10.0.0.{number}"
        paying = wallet(f"consuming {number}") if pays else None
        earning = wallet(f"earning {number}").address
        profile = Profile(
            earning_wallet=earning,
            rates=RatePack(10, 1_000, 100, 7_000),
            accepts_connections=mode.accepts_connections,
            routes_data=mode.routes_data,
            country=None,
            address=NodeAddress(ip, (PORT,)) if mode.accepts_connections else None,
            extensions=tuple(extensions),
        )
        config = NodeConfig(
            keys=keys(),
            alias=keys(),
            mode=mode,
            profile=profile,
            wallet=paying,
            accountant=AccountantConfig(
                earning_wallet=earning,
                consuming_wallet=paying.address if paying else None,
                sign=sign if pays else None,
                max_spending=max_spending,
            ),
            hops=hops,
            contacts=tuple(
                Contact(each.config.keys.first_contact_key(each.config.keys.fragment()), NodeAddress(each.ip, (PORT,)))
                for each in contacts
            ),
            scans=scans,
            contract=DEV,
            link_policy=link_policy,
            package_policy=package_policy,
            epoch=EPOCH,
        )
        one = One(build_node(config, saved, os.urandom, self.now), config, ip)
        self.all.append(one)
        return one

    def line(self, *nodes: One) -> None:
        """Each knows all records, and is the neighbor of those beside it, as if gossip had told."""
        around: dict[str, set[bytes]] = {one.ip: set() for one in nodes}
        for one, other in pairwise(nodes):
            around[one.ip].add(other.node.keys.public_key)
            around[other.ip].add(one.node.keys.public_key)
        records = {one.ip: record_of(one, frozenset(around[one.ip])) for one in nodes}
        for one in nodes:
            graph = one.node.neighborhood.graph
            graph.set_root(records[one.ip])
            for other in nodes:
                if other is not one:
                    near = other.node.keys.public_key in around[one.ip]
                    graph.add(records[other.ip], other.config.profile.address if near else None, self.now)
        for one in nodes:
            self.do(one, one.node.start(self.now))
        for one, other in pairwise(nodes):
            self.greet(one, other)
        for one in nodes:
            one.asked.clear()

    def greet(self, one: One, other: One) -> None:
        """A Node sends its neighbor something of no consequence: a link stands then."""
        keys, key = one.node.keys, other.node.keys.public_key
        package = Package(single_hop(keys, key), keys.seal(key, encode_message(GossipFailure.UNKNOWN)))
        able = EXTENSION in other.node.neighborhood.graph.root.extensions
        to = Endpoint(other.ip, PORT)
        self.do(one, one.node.links.send(to, key, package, GOSSIP_FLOW, able, self.now))

    def learn(self, *nodes: One, extensions: Sequence[str]) -> None:
        """All these Nodes advertise more, and each hears of it."""
        known = {one.ip: one.node.neighborhood.graph.root for one in nodes}
        for one in nodes:
            for other in nodes:
                record = record_of(other, known[other.ip].neighbors, extensions)
                graph = one.node.neighborhood.graph
                if one is other:
                    graph.set_root(record)
                else:
                    graph.update(record, None, self.now)

    def dial(self, one: One, other: One) -> None:
        """A second secure link, beside the one that there is."""
        del one.node.links._by_ip[other.ip]
        self.greet(one, other)

    # --- time and effects ---

    def do(self, one: One, effects: Iterable[object]) -> None:
        """Effects of a Node are carried out, and all that comes of them at the others; small cells leave."""
        self._perform(one, effects)
        moved = True
        while moved:
            self._arrive()
            moved = False
            for each in self.all:
                leaving = each.node.flush(max(self.now, min(each.node.flush_due, self.now + 1)))
                self._perform(each, leaving)
                moved = moved or bool(leaving)

    def run(self, seconds: float, step: float = 0.1) -> None:
        until = self.now + seconds
        while self.now < until - 1e-9:
            self.now += min(step, until - self.now)
            for one in self.all:
                self.do(one, one.node.tick(self.now))

    def _perform(self, one: One, effects: Iterable[object]) -> None:
        for effect in effects:
            if isinstance(effect, WriteLink):
                self._under_way.append((one, effect.link, "write", bytes(effect.data)))
            elif isinstance(effect, CloseLink):
                self._under_way.append((one, effect.link, "close", b""))
            elif isinstance(effect, Dial):
                self._dial(one, effect)
            else:
                one.asked.append(effect)

    def _arrive(self) -> None:
        while self._under_way:
            one, link, what, data = self._under_way.popleft()
            if link not in one.ends or (one.mute and what == "write"):
                continue
            other, there = one.ends[link]
            if what == "write":
                self._perform(other, other.node.link_received(there, memoryview(bytearray(data)), self.now))
            else:
                del one.ends[link]
                if other.ends.pop(there, None):
                    self._perform(other, other.node.link_closed(there, self.now))

    def _dial(self, one: One, dial: Dial) -> None:
        other = next((each for each in self.all if each.ip == dial.endpoint.ip), None)
        there = None
        if other is not None:
            there, effects = other.node.accept(Endpoint(one.ip, 40_000), self.now)
            self._perform(other, effects)
        if other is None or there is None:
            self._perform(one, one.node.dial_failed(dial.link, "nobody answers", self.now))
            return
        one.ends[dial.link], other.ends[there] = (other, there), (one, dial.link)
        self._perform(one, one.node.dialled(dial.link, self.now))

    def cut(self, one: One, other: One) -> None:
        """All links between two Nodes are lost, and both hear of it."""
        lost = [(link, there) for link, (far, there) in one.ends.items() if far is other]
        for link, there in lost:
            del one.ends[link], other.ends[there]
        for link, there in lost:
            self.do(one, one.node.link_closed(link, self.now))
            self.do(other, other.node.link_closed(there, self.now))

    def link(self, one: One, other: One) -> int:
        """The newest link of one Node to another."""
        return max(link for link, (far, _) in one.ends.items() if far is other)

    # --- what clients and servers do ---

    def open(self, one: One, first: bytes = b"GET /", group: str = "", host: str = "a.test") -> int:
        socket, effects = one.node.open(host, 80, group, self.now)
        self.do(one, effects)
        if first:
            self.says(one, socket, first)
        return socket

    def says(self, one: One, socket: int, data: bytes) -> None:
        """A client or server does."""
        self.do(one, one.node.socket_received(socket, data, self.now))

    def connect(self, one: One) -> int:
        """The one server that an exit asks for is reached: its socket."""
        (asked,) = one.take(Connect)
        self.do(one, one.node.connected(asked.socket, "192.0.2.1", self.now))
        return asked.socket


def record_of(one: One, neighbors: frozenset[bytes], extensions: Sequence[str] | None = None) -> NodeRecord:
    """What a Node says of itself; `extensions` if it advertises others than it did."""
    profile = one.config.profile
    return NodeRecord.sign(
        one.config.keys,
        profile.earning_wallet,
        profile.rates,
        neighbors,
        profile.accepts_connections,
        profile.routes_data,
        1,
        None,
        one.node.neighborhood.graph.root.extensions if extensions is None else tuple(extensions),
    )


def events(one: One) -> list[str]:
    """What its log lines are about."""
    return [log.event for log in one.take(Log)]
