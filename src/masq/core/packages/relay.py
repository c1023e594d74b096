"""Packages that arrive: opened, then relayed, or meant for a part of this Node (protocol.md 8.1-8.3; MASQ: Hopper)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, TypeVar

from masq.core.effects import Forward
from masq.core.limits import MAX_PACKAGES, PACKAGES_FOR
from masq.core.proofs import Proofs, Unpaid
from masq.crypto import Keys
from masq.errors import PeerError
from masq.types import Address
from masq.wire.message import (
    ClientRequest,
    ClientResponse,
    DnsResolveFailed,
    Gossip,
    GossipFailure,
    Message,
    Spelling,
)
from masq.wire.package import Component, Hop, Package, open_hop, open_return_route_id, shift
from masq.wire.secure_link import FLOW

CACHE: Final = 4_096
"""Opened elements and verified proofs that are remembered: the packages of a stream repeat them."""

MAX_REMEMBERED: Final = 2_048
"""Bytes of an element that is remembered: what is longer is none that any Node makes."""


class Misrouted(PeerError):
    """A package whose route makes no sense here."""


class Repeated(PeerError):
    """A package that was here before: payloads are sealed anew each time, so no honest Node sends one twice."""


@dataclass(frozen=True, slots=True)
class Relayed:
    """A package for another Node, and who pays for its payload."""

    forward: Forward
    payer: Address
    size: int


@dataclass(frozen=True, slots=True)
class ForExit:
    request: ClientRequest
    hop: Hop
    package: Package
    payer: Address | None


@dataclass(frozen=True, slots=True)
class ForEntry:
    message: ClientResponse | DnsResolveFailed
    return_id: int
    payload_size: int


@dataclass(frozen=True, slots=True)
class ForNeighborhood:
    message: Gossip | GossipFailure


PackageArrival = Relayed | ForExit | ForEntry | ForNeighborhood

_EXPECTED: Final = {
    Component.PROXY_CLIENT: (ClientRequest,),
    Component.PROXY_SERVER: (ClientResponse, DnsResolveFailed),
    Component.NEIGHBORHOOD: (Gossip, GossipFailure),
}


class PackageRelay:
    """Opens packages with this Node's keys. Anything wrong is a PeerError, and concerns that package alone."""

    def __init__(self, keys: Keys, alias: Keys, proofs: Proofs, charges: bool, spelling: Spelling = Spelling()) -> None:
        """`charges` is False for a zero-hop Node, which serves itself without a wallet."""
        self._keys = keys
        self._alias = alias
        self._proofs = proofs
        self._charges = charges
        self._spelling = spelling
        self._hops: dict[bytes, Hop] = {}
        self._return_ids: dict[bytes, int] = {}
        self._seen = Seen()

    def tick(self, now: float) -> None:
        self._seen.tick(now)

    def open(self, box: bytes) -> Package:
        """The package in a box that the Node before us has sealed."""
        return Package.decode(self._keys.open(box))

    def arrive(self, package: Package) -> PackageArrival:
        """What an opened package is. A hop from ourselves to ourselves is taken at once."""
        for _ in range(2):
            if not package.hops:
                raise Misrouted("a package without a route")
            element = package.hops[0]
            hop = self._hops.get(element)
            if hop is None:
                hop = _remember(self._hops, element, open_hop(element, self._keys))
            if hop.component is not Component.HOPPER:
                return self._local(hop, package)
            if hop.next_key != self._keys.public_key:
                return self._relay(hop, package)
            package = Package(shift(package.hops, self._keys), package.payload)
        raise Misrouted("a package that goes round in circles")

    def _relay(self, hop: Hop, package: Package) -> Relayed:
        payer = self._proofs.payer_of(hop)
        if payer is None:
            raise Unpaid("a package to relay without a payer")
        self._once(package)
        shifted = Package(shift(package.hops, self._keys), package.payload)
        flow = shifted.hops[0][:FLOW]
        return Relayed(Forward(hop.next_key, shifted, flow), payer, len(package.payload))

    def _local(self, hop: Hop, package: Package) -> PackageArrival:
        keys = self._alias if hop.component is Component.PROXY_SERVER else self._keys
        message: Message = self._spelling.decode(keys.open(package.payload))
        if not isinstance(message, _EXPECTED[hop.component]):
            raise Misrouted(f"a {type(message).__name__} for the wrong component")
        if isinstance(message, ClientRequest):
            payer = self._proofs.payer_of(hop)
            if payer is None and self._charges:
                raise Unpaid("a request without a payer")
            if len(package.hops) < 2:
                raise Misrouted("a request without a way back")
            self._once(package)
            return ForExit(message, hop, package, payer)
        if isinstance(message, ClientResponse | DnsResolveFailed):
            number = self._return_id(package)
            self._once(package)
            return ForEntry(message, number, len(package.payload))
        if hop.payer is not None:
            raise Misrouted(
                "gossip that was relayed"
            )  # Direct gossip never has a payer: somebody poses as our neighbor.
        return ForNeighborhood(message)

    def _once(self, package: Package) -> None:
        """What costs somebody something is taken once. Repeated: it was taken already."""
        if not self._seen.add(package.hops[0], package.payload):
            raise Repeated("a package that was here before")

    def _return_id(self, package: Package) -> int:
        if len(package.hops) < 2:
            raise Misrouted("an answer without a return route id")
        element = package.hops[1]
        number = self._return_ids.get(element)
        if number is None:
            number = _remember(self._return_ids, element, open_return_route_id(element, self._keys))
        return number


class Seen:
    """The packages of the last minutes, in two generations: the older one is dropped as a whole."""

    def __init__(self) -> None:
        self._young: set[bytes] = set()
        self._old: set[bytes] = set()
        self._since = 0.0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def add(self, element: bytes, payload: bytes) -> bool:
        """Remember a package. Whether it is new."""
        name = hashlib.blake2b(payload, digest_size=8, key=hashlib.blake2b(element, digest_size=32).digest()).digest()
        if name in self._young or name in self._old:
            return False
        if len(self._young) >= MAX_PACKAGES:
            self._turn()
        self._young.add(name)
        return True

    def tick(self, now: float) -> None:
        if now - self._since >= PACKAGES_FOR:
            self._since = now
            self._turn()

    def _turn(self) -> None:
        self._old, self._young = self._young, set()


_T = TypeVar("_T")


def _remember(cache: dict[bytes, _T], element: bytes, value: _T) -> _T:
    if len(element) > MAX_REMEMBERED:
        return value
    if len(cache) >= CACHE:
        cache.clear()
    cache[element] = value
    return value
