"""Ends of packages: a user's entry with the Nodes around it, and an originator who says what a test wants."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple, TypeVar

from tests.secure_ends import keys

from masq.chain.wallet import Wallet
from masq.core.effects import Connect, Forward
from masq.core.limits import Limits
from masq.core.network.graph import Graph
from masq.core.network.reputation import Reputation
from masq.core.network.routing import Routes
from masq.core.packages.entry import PackageEntry
from masq.core.packages.exit import PackageExit
from masq.core.packages.relay import ForEntry, ForExit, PackageRelay, Relayed
from masq.core.proofs import Proofs
from masq.core.purses import Purses
from masq.core.sockets import Sockets
from masq.core.tab import Tab
from masq.crypto import CryptDE
from masq.keccak import keccak256
from masq.types import Address, PublicKey, RatePack
from masq.wire.message import (
    ClientRequest,
    ClientResponse,
    DnsResolveFailed,
    NodeRecord,
    SequencedPacket,
    decode_message,
    encode_message,
)
from masq.wire.package import Component, Hop, Package, round_trip, shift

OURS: Final = ("flow1",)
"""What an exit of ours advertises."""
REAL: Final = ()
"""And one of 0.9.1."""
WALLET: Final = Wallet(keccak256(b"the user"))
KEY: Final = b"s" * 20

T = TypeVar("T")


def only(kind: type[T], effects: Iterable[object]) -> list[T]:
    return [each for each in effects if isinstance(each, kind)]


def said(effects: list[object]) -> list[tuple[int, bytes, bool, int | None]]:
    """What the originator hears: number, data, whether it is the last one, credit."""
    return [
        (each.packet.sequence, each.packet.data, each.packet.last, each.window)
        for each in only(ClientResponse, effects)
    ]


class Stop:
    """A Node that packages come to. The `number`-th of several that could serve is the dearer the higher it is."""

    def __init__(self, number: int = 0, extensions: Sequence[str] = OURS, limits: Limits = Limits()) -> None:
        self.keys = keys()
        self.extensions = tuple(extensions)
        self.rates = RatePack(10 + number, 1_000 + number, 100 + number, 7_000 + number)
        self.wallet: Address = self.key[:20]
        self.relay = PackageRelay(self.keys, keys(), Proofs(self.keys, None), charges=True)
        self.tab, self.sockets = Tab(), Sockets(limits)
        self.exit = PackageExit(self.keys, self.rates, self.sockets, self.tab, limits)

    @property
    def key(self) -> PublicKey:
        return self.keys.public_key

    def record(self, neighbors: Iterable[PublicKey]) -> NodeRecord:
        return NodeRecord.sign(
            self.keys, self.wallet, self.rates, frozenset(neighbors), True, True, 0, None, self.extensions
        )

    def earned(self) -> int:
        return sum(self.tab.earned.values())


def network(user: CryptDE, layers: Sequence[Sequence[Stop]]) -> Graph:
    """Each Node is the neighbor of all in the layers beside it; the user is before the first one."""
    around: dict[PublicKey, set[PublicKey]] = {stop.key: set() for layer in layers for stop in layer}
    around[user.public_key] = {stop.key for stop in layers[0]}
    for stop in layers[0]:
        around[stop.key].add(user.public_key)
    for nearer, farther in pairwise(layers):
        for one in nearer:
            for other in farther:
                around[one.key].add(other.key)
                around[other.key].add(one.key)
    root = NodeRecord.sign(
        user, bytes(20), RatePack(1, 1, 1, 1), frozenset(around[user.public_key]), True, True, 0, None, OURS
    )
    graph = Graph(root, None, 0.0)
    for layer in layers:
        for stop in layer:
            graph.add(stop.record(around[stop.key]), None, 0.0)
    return graph


class Heard(NamedTuple):
    """A request as it has come to an exit."""

    stop: Stop
    arrival: ForExit

    @property
    def request(self) -> ClientRequest:
        return self.arrival.request

    @property
    def said(self) -> tuple[int, bytes, bool, int | None]:
        """Number, data, whether it is the last one, and credit."""
        packet = self.request.packet
        return packet.sequence, packet.data, packet.last, self.request.window


class Ranked(Reputation):
    """For tests that say whose turn it is: of several Nodes the first one is as good as always drawn."""

    def weight(self, record: NodeRecord, beside: PublicKey) -> float:
        return float(1e-7 ** (record.rates.routing_byte_rate - 10))


class User:
    """The entry of one Node, driven without a Node around it: over relays to the cheapest of the exits."""

    def __init__(self, *exits: Sequence[str], relays: int = 1, hops: int | None = None) -> None:
        """`exits`: what each of them advertises, the cheapest first. `hops`: 0 for an exit of its own."""
        self.exits = [Stop(number, extensions) for number, extensions in enumerate(exits or (OURS,))]
        self.relays = [Stop(number) for number in range(relays)]
        self.keys, self.alias = keys(), keys()
        layers = [self.relays, self.exits] if self.relays else [self.exits]
        self.graph = network(self.keys, layers)
        self.tab = Tab()
        self.now = 0.0
        proofs = Proofs(self.keys, WALLET)
        self.hops = len(layers) if hops is None else hops
        routes = Routes(self.graph, os.urandom, reputation=Ranked())
        self.entry = PackageEntry(
            self.keys, self.alias, routes, Purses([proofs]), self.hops, Sockets(), self.tab, os.urandom
        )
        self.relay = PackageRelay(self.keys, self.alias, proofs, charges=bool(self.hops))
        self.stops = {stop.key: stop for stop in [*self.relays, *self.exits]}
        self.heard: list[Heard] = []
        """What has come to exits, until somebody takes it."""
        self.latest: Heard
        self.socket = 0
        self._numbers: dict[tuple[PublicKey, bytes], int] = {}

    # --- the client ---

    def open(self, first: bytes = b"GET /", group: str = "", host: str = "a.test", port: int = 80) -> int:
        """A client's socket; what it says first is on its way."""
        self.socket, effects = self.entry.open(host, port, group, self.now)
        assert self.carry(effects) == []
        if first:
            self.says(first)
        return self.socket

    def says(self, data: bytes, socket: int | None = None) -> list[object]:
        return self.carry(self.entry.received(socket or self.socket, memoryview(data), self.now))

    def ends(self, socket: int | None = None) -> list[object]:
        return self.carry(self.entry.ended(socket or self.socket, self.now))

    def tick(self, seconds: float) -> list[object]:
        self.now += seconds
        return self.carry(self.entry.tick(self.now))

    # --- packages on their way ---

    def carry(self, effects: Iterable[object]) -> list[object]:
        """Packages arrive at exits; the other effects."""
        out = []
        for effect in effects:
            if isinstance(effect, Forward):
                assert effect.flow == effect.package.hops[0][:32]
                self.latest = self._over(effect.key, effect.package)
                self.heard.append(self.latest)
            else:
                out.append(effect)
        return out

    def _over(self, key: PublicKey, package: Package) -> Heard:
        while True:
            stop = self.stops[key]
            arrival = stop.relay.arrive(package)
            if isinstance(arrival, ForExit):
                assert arrival.payer == WALLET.address
                return Heard(stop, arrival)
            key, package = self._passed(stop, arrival)

    def _passed(self, stop: Stop, arrival: object) -> tuple[PublicKey, Package]:
        assert isinstance(arrival, Relayed)
        stop.tab.earn(arrival.payer, stop.rates.routing_charge(arrival.size))
        return arrival.forward.key, arrival.forward.package

    def take(self) -> list[Heard]:
        heard, self.heard = self.heard, []
        return heard

    def take_said(self) -> list[tuple[int, bytes, bool, int | None]]:
        return [each.said for each in self.take()]

    # --- what exits answer ---

    def answers(
        self,
        data: bytes = b"",
        last: bool = False,
        window: int | None = None,
        reason: str | None = None,
        code: int | None = None,
        to: Heard | None = None,
        number: int | None = None,
    ) -> list[object]:
        """The exit that has heard the latest, or another request, says the next packet, or the one of a number."""
        to = to or self.latest
        key = to.request.stream_key
        following = self._numbers.get((to.stop.key, key), 0)
        if number is None:
            number, self._numbers[to.stop.key, key] = following, following + 1
        return self.hears(ClientResponse(key, SequencedPacket(number, data, last), window, reason, code), to)

    def fails(self, reason: str | None = None, code: int | None = None, to: Heard | None = None) -> list[object]:
        """The exit could not resolve or reach the server."""
        to = to or self.latest
        return self.hears(DnsResolveFailed(to.request.stream_key, reason, code), to)

    def hears(self, message: ClientResponse | DnsResolveFailed, to: Heard) -> list[object]:
        stop = to.stop
        payload = stop.keys.seal(to.request.originator_key, encode_message(message))
        package = Package(shift(to.arrival.package.hops, stop.keys), payload)
        return self.back(to.arrival.hop.next_key, package)

    def back(self, key: PublicKey, package: Package) -> list[object]:
        """A package of an exit travels home."""
        while key != self.keys.public_key:
            key, package = self._passed(self.stops[key], self.stops[key].relay.arrive(package))
        arrival = self.relay.arrive(package)
        assert isinstance(arrival, ForEntry)
        return self.carry(self.entry.response(arrival.message, arrival.return_id, arrival.payload_size, self.now))

    def owed(self) -> dict[Address, int]:
        return dict(self.tab.owed)


class Originator:
    """Who asks one exit for service, and says what a test wants. What the exit answers is opened as he opens it."""

    def __init__(self, credits: bool = True, payer: Address | None = WALLET.address, limits: Limits = Limits()) -> None:
        self.stop = Stop(limits=limits)
        self.exit = self.stop.exit
        self.credits = credits
        self.payer = payer
        self.keys, self.alias = keys(), keys()
        self.now = 0.0
        self.socket = 0
        """The one that the exit has connected last."""
        self._numbers: dict[bytes, int] = {}

    @property
    def stream_count(self) -> int:
        return sum(1 for _ in self.exit)

    def asks(
        self,
        data: bytes = b"",
        key: bytes = KEY,
        last: bool = False,
        window: int | None = 1 << 20,
        host: str | None = "a.test",
        number: int | None = None,
        by: CryptDE | None = None,
        to: PublicKey | None = None,
        sealed_to: PublicKey | None = None,
    ) -> list[object]:
        """The next packet of a stream, or the one of a number. Without credit there is no window.

        `by`: the Node after the exit on the way back; `to` its key, if another one; `sealed_to`: the key for answers.
        """
        following = self._numbers.get(key, 0)
        if number is None:
            number, self._numbers[key] = following, following + 1
        by = by or self.keys
        package = Package(
            round_trip(by, (by.public_key, self.stop.key), (self.stop.key, by.public_key), _nobody, 7), b""
        )
        request = ClientRequest(
            key,
            SequencedPacket(number, data, last),
            host,
            80,
            "HTTP",
            self.alias.public_key if sealed_to is None else sealed_to,
            window if self.credits else None,
        )
        hop = Hop(to or by.public_key, None, Component.PROXY_CLIENT)
        package = Package(package.hops[1:], b"")
        return self.effects(self.exit.request(request, hop, package, self.payer, self.now))

    def effects(self, effects: Iterable[object]) -> list[object]:
        """Effects, with what is said to the originator opened."""
        out: list[object] = []
        for effect in effects:
            if isinstance(effect, Forward):
                assert effect.flow == effect.package.hops[0][:32]
                out.append(decode_message(self.alias.open(effect.package.payload)))
            else:
                out.append(effect)
            if isinstance(effect, Connect):
                self.socket = effect.socket
        return out

    def connects(self, socket: int | None = None) -> list[object]:
        return self.effects(self.exit.connected(socket or self.socket, "192.0.2.1", self.now))

    def served(self, data: bytes = b"GET /", key: bytes = KEY) -> int:
        """The socket of a stream whose server is reached and has got this."""
        self.asks(data, key)
        self.connects()
        return self.socket

    def server_says(self, data: bytes, socket: int | None = None) -> list[object]:
        return self.effects(self.exit.received(socket or self.socket, memoryview(data), self.now))

    def take_earned(self) -> int:
        """Wei that the payer owes since the last look."""
        earned = self.stop.earned()
        self.stop.tab.earned.clear()
        return earned


def _nobody(reader: PublicKey) -> None:
    """No proof: an exit is given what was proven."""
