"""CORES packages: the package, its hops and payers, routes and how they shift (protocol.md 5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Any, Final

from masq.chain.wallet import Wallet, recover
from masq.crypto import Keys
from masq.errors import CryptoError, MalformedError
from masq.types import Address, PublicKey, address_text, parse_address
from masq.wire import cbor

MAX_HOPS: Final = 32
"""Elements of a route that a Node of ours accepts: 6 hops each way need 14."""


OPEN_ELEMENTS: Final = 7
"""Elements of OPEN: those of the longest route, 6 hops, and one of garbage."""
OPEN_ELEMENT: Final = 512
"""Bytes of an element of OPEN before it is sealed: what it says takes 300 to 400, by its place and by the wallet."""


class Component(IntEnum):
    """The part of a Node that a package is for, under the network's names (protocol.md 5.2)."""

    NEIGHBORHOOD = 0
    HOPPER = 1
    PROXY_SERVER = 2
    PROXY_CLIENT = 3


@dataclass(frozen=True, slots=True)
class Payer:
    """A wallet and its proof for one reader: a recoverable signature of the reader's digest (protocol.md 5.5)."""

    address: Address
    v: int
    r: bytes
    s: bytes

    @classmethod
    def sign(cls, wallet: Wallet, reader_digest: bytes) -> Payer:
        return cls(wallet.address, *wallet.sign_recoverable(reader_digest))

    def proves(self, own_digest: bytes) -> bool:
        """Whether the owner of the address made this proof for the reader with this digest."""
        try:
            return recover(own_digest, self.v, self.r, self.s) == self.address
        except CryptoError:
            return False

    def encode(self) -> bytes:
        """As real Nodes write it: an indefinite map."""
        proof = cbor.encode({"v": self.v, "r": list(self.r), "s": list(self.s)})
        return b"\xbf\x67address" + cbor.encode(address_text(self.address)) + b"\x65proof" + proof + b"\xff"

    @classmethod
    def decode(cls, value: Any) -> Payer:
        address, proof = cbor.fields(value, ("address", "proof"), "payer")
        v, r, s = cbor.fields(proof, ("v", "r", "s"), "proof")
        try:
            wallet = parse_address(cbor.text(address, "payer address"))
        except ValueError as error:
            raise MalformedError(f"payer: {error}") from error
        return cls(
            wallet, cbor.unsigned(v, "v", 8), cbor.byte_array(r, "proof r", 32), cbor.byte_array(s, "proof s", 32)
        )


@dataclass(frozen=True, slots=True)
class Hop:
    """What one Node learns of a route: who is next, who pays, which component is meant (protocol.md 5.2)."""

    next_key: PublicKey
    """Empty: nobody."""
    payer: Payer | None
    component: Component
    circuit_key: bytes | None = None
    """In the element of a circuit's OPEN only: 32 bytes (protocol.md 15.3)."""
    expires: int | None = None
    """Likewise: unix seconds."""
    statement: bytes = b""
    """Likewise: the payer's statement of account for this Node (protocol.md 15.9)."""
    voucher: bytes = b""
    """Likewise: what the payer promises to this Node (protocol.md 15.10)."""

    def encode(self) -> bytes:
        """As real Nodes write it; with a circuit's key, as OPEN has it: padded, so that all have OPEN_ELEMENT bytes."""
        payer = b"\xf6" if self.payer is None else self.payer.encode()
        plain = b"\x6apublic_key" + cbor.encode(self.next_key) + b"\x65payer" + payer
        plain += b"\x69component" + bytes((self.component,))
        if self.circuit_key is None:
            return b"\xa3" + plain
        plain += b"\x6bcircuit_key" + cbor.encode(self.circuit_key) + b"\x67expires" + cbor.encode(self.expires)
        # Readers of 0.2 skip it, and so they do the padding that it takes the place of.
        count = 6
        if self.statement:
            plain += b"\x69statement" + cbor.encode(self.statement)
            count += 1
        if self.voucher:
            plain += b"\x67voucher" + cbor.encode(self.voucher)
            count += 1
        # The length of the padding takes two bytes, whatever it is: so any size can be reached.
        size = max(0, OPEN_ELEMENT - len(plain) - 8)
        return bytes((0xA0 + count,)) + plain + b"\x63pad\x59" + size.to_bytes(2, "big") + bytes(size)

    @classmethod
    def decode(cls, data: bytes) -> Hop:
        value = cbor.decode(data)
        next_key, payer, component = cbor.fields(value, ("public_key", "payer", "component"), "hop")
        _check_component_width(data, isinstance(value, dict))
        circuit_key = expires = None
        statement = voucher = b""
        if isinstance(value, dict) and "circuit_key" in value:
            circuit_key = cbor.byte_string(value["circuit_key"], "circuit key", 32)
            expires = cbor.unsigned(value.get("expires"), "expiry", 64)
            said = value.get("statement")
            statement = said if type(said) is bytes else b""
            promised = value.get("voucher")
            voucher = promised if type(promised) is bytes else b""
        try:
            kind = Component(cbor.unsigned(component, "component", 8))
        except ValueError as error:
            raise MalformedError(f"hop: no component {component}") from error
        nobody = payer is cbor.ABSENT or cbor.is_none(payer)
        proven = None if nobody else Payer.decode(payer)
        return cls(cbor.byte_string(next_key, "next key"), proven, kind, circuit_key, expires, statement, voucher)


def _check_component_width(data: bytes, is_map: bool) -> None:
    # Readers of the network take the component in one or two bytes only (protocol.md 1.4).
    if is_map:
        after = data.find(b"\x69component") + 10
        if after >= 10 and after < len(data) and data[after] in (0x19, 0x1A, 0x1B):
            raise MalformedError("hop: the component is wider than a byte")


@dataclass(frozen=True, slots=True)
class Package:
    """A LiveCoresPackage: the remaining route, each element sealed, and the sealed message (protocol.md 5.1)."""

    hops: list[bytes]
    payload: bytes
    version: tuple[int, int, int] = (0, 0, 0)

    def encode(self) -> bytes:
        return cbor.encode({"version": list(self.version), "route": {"hops": self.hops}, "payload": self.payload})

    @classmethod
    def decode(cls, data: bytes) -> Package:
        version, route, payload = cbor.fields(cbor.decode(data), ("version", "route", "payload"), "package")
        (elements,) = cbor.fields(route, ("hops",), "route")
        hops = cbor.array(elements, "hops")
        if len(hops) > MAX_HOPS or not all(type(hop) is bytes for hop in hops):
            raise MalformedError("route: its elements are up to 32 byte strings")
        a, b, c = cbor.byte_array(version, "package version", 3)
        return cls(hops, cbor.byte_string(payload, "payload"), (a, b, c))


def encode_data_version(major: int, minor: int) -> tuple[int, int, int]:
    """The packed form of a package version: 12 bits each (protocol.md 5.1)."""
    if not (0 <= major < 4096 and 0 <= minor < 4096):
        raise ValueError("a version part has 12 bits")
    return major >> 4, (major & 15) << 4 | minor >> 8, minor & 255


PayerOf = Callable[[PublicKey], Payer | None]
"""The payer for a reader; None when the builder has no consuming wallet."""


def one_way(keys: Keys, way: Sequence[PublicKey], payer_of: PayerOf, component: Component) -> list[bytes]:
    """The route over `way`, the builder first, to `component` of the last (protocol.md 5.3). Still to be shifted."""
    hops = [
        keys.seal(reader, Hop(following, payer_of(reader), Component.HOPPER).encode())
        for reader, following in pairwise(way)
    ]
    hops.append(keys.seal(way[-1], Hop(b"", payer_of(way[-1]), component).encode()))
    return hops


def round_trip(
    keys: Keys, over: Sequence[PublicKey], back: Sequence[PublicKey], payer_of: PayerOf, return_route_id: int
) -> list[bytes]:
    """The route over `over` to the exit and over `back` home, the return route id last (protocol.md 5.3)."""
    if over[-1] != back[0]:
        raise ValueError("the way back starts at the exit")
    hops = [
        keys.seal(reader, Hop(following, payer_of(reader), Component.HOPPER).encode())
        for reader, following in pairwise(over)
    ]
    for index, (reader, following) in enumerate(pairwise(back)):
        component = Component.HOPPER if index else Component.PROXY_CLIENT
        hops.append(keys.seal(reader, Hop(following, payer_of(reader), component).encode()))
    hops.append(keys.seal(back[-1], Hop(b"", payer_of(back[-1]), Component.PROXY_SERVER).encode()))
    hops.append(keys.seal(over[0], cbor.encode(return_route_id)))
    return hops


def single_hop(keys: Keys, to: PublicKey) -> list[bytes]:
    """The shifted route of gossip to a direct peer: unpaid, one element and its garbage (protocol.md 5.4)."""
    own = keys.seal(keys.public_key, Hop(to, None, Component.HOPPER).encode())
    return [keys.seal(to, Hop(b"", None, Component.NEIGHBORHOOD).encode()), keys.garbage(len(own))]


def shift(hops: list[bytes], keys: Keys) -> list[bytes]:
    """The route for the next Node: without its first element, garbage of that length at the end (protocol.md 5.4)."""
    return [*hops[1:], keys.garbage(len(hops[0]))]


def open_hop(element: bytes, keys: Keys) -> Hop:
    """The element that is for us. CryptoError or MalformedError if it isn't, or says nothing sensible."""
    return Hop.decode(keys.open(element))


def open_return_route_id(element: bytes, keys: Keys) -> int:
    return cbor.unsigned(cbor.decode(keys.open(element)), "return route id", 32)
