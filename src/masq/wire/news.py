"""News: what neighbors of ours tell each other of the network by differences (protocol.md 16)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, NamedTuple

from masq.errors import MalformedError
from masq.types import NodeAddress, PublicKey
from masq.wire import cbor
from masq.wire.message import MAX_KEY, MAX_PORTS, MAX_RECORD, NodeRecord, OversizedError
from masq.wire.secure_link import MAX_BODY

GOSSIP2: Final = "gossip2"
"""What a record advertises whose Node speaks it."""
ID: Final = 8
"""Bytes of the digest of a key that name its Node."""
_VERSION: Final = 4
_OFFER: Final = ID + _VERSION
MAX_NEWS: Final = MAX_BODY - 512
"""Bytes of records, or of offers, in one message: there is only one of both kinds in a message that is so full."""
MAX_PEERS: Final = 8


@lru_cache(4_096)
def id_of(key: PublicKey) -> bytes:
    """What names a Node: the first 8 bytes of SHA-256 of its key.

    Not of the key: its first half opens what is sealed, and nothing binds that to the second, which signs. So anybody
    could sign records of a key that begins as another one does, and who takes them would not ask for the other's.
    """
    return sha256(key).digest()[:ID]


class News(NamedTuple):
    """One message. Everything in it may be missing."""

    records: tuple[NodeRecord, ...] = ()
    """Signed records that were asked for, and the sender's own."""
    ports: tuple[int, ...] = ()
    """Where the sender listens, at the address that its link comes from; with its own record."""
    offers: tuple[tuple[bytes, int], ...] = ()
    """Records that the sender has: `id_of` their key, and their version."""
    wanted: tuple[bytes, ...] = ()
    """Records that the sender wants: `id_of` their key."""
    everything: bool = False
    """Whether the sender wants to be told of all that there is, and from now on of what changes."""
    peers: tuple[tuple[PublicKey, NodeAddress], ...] = ()
    """Nodes that accept connections, and where: not signed by them."""

    def encode(self) -> bytes:
        """At most MAX_BODY bytes, if records and offers take no more than MAX_NEWS."""
        value: dict[str, object] = {}
        if self.records:
            value["records"] = [[record.signed_data, record.signature] for record in self.records]
        if self.ports:
            value["ports"] = list(self.ports)
        if self.offers:
            value["offers"] = b"".join(id + version.to_bytes(_VERSION, "big") for id, version in self.offers)
        if self.wanted:
            value["wanted"] = b"".join(self.wanted)
        if self.everything:
            value["everything"] = True
        if self.peers:
            value["peers"] = [
                [key, ipaddress.ip_address(address.ip).packed, address.ports[0]] for key, address in self.peers
            ]
        return cbor.encode(value)

    @classmethod
    def decode(cls, data: bytes) -> News:
        """MalformedError if it doesn't parse. What exceeds our bounds is left out, and the rest counts."""
        value = cbor.decode(data)
        if not isinstance(value, dict):
            raise MalformedError("news: not a map")
        return cls(**{name: read(value[name]) for name, read in _FIELDS.items() if name in value})


def _records(value: Any) -> tuple[NodeRecord, ...]:
    records = []
    for item in cbor.array(value, "records"):
        data, signature = cbor.fields(item, ("data", "signature"), "record")
        try:
            decoded = NodeRecord.decode(cbor.byte_string(data, "record"), cbor.byte_string(signature, "signature"))
        except OversizedError:
            continue
        records.append(decoded)
    return tuple(records)


def _ports(value: Any) -> tuple[int, ...]:
    ports = {cbor.unsigned(port, "port", 16) for port in cbor.array(value, "ports")}
    return tuple(sorted(ports)[:MAX_PORTS])


def _offers(value: Any) -> tuple[tuple[bytes, int], ...]:
    return tuple([(piece[:ID], int.from_bytes(piece[ID:], "big")) for piece in _pieces(value, "offers", _OFFER)])


def _wanted(value: Any) -> tuple[bytes, ...]:
    return tuple(_pieces(value, "wanted", ID))


def _everything(value: Any) -> bool:
    return cbor.boolean(value, "everything")


def _peers(value: Any) -> tuple[tuple[PublicKey, NodeAddress], ...]:
    return tuple(map(_peer, cbor.array(value, "peers")[:MAX_PEERS]))


def _pieces(value: Any, name: str, size: int) -> list[bytes]:
    whole = cbor.byte_string(value, name)
    if len(whole) % size:
        raise MalformedError(f"{name}: {len(whole)} bytes are no multiple of {size}")
    return [whole[start : start + size] for start in range(0, len(whole), size)]


def _peer(value: Any) -> tuple[PublicKey, NodeAddress]:
    key, ip, port = cbor.fields(value, ("key", "ip", "port"), "peer")
    packed = cbor.byte_string(ip, "IP address")
    if len(packed) not in (4, 16):
        raise MalformedError(f"IP address: {len(packed)} bytes instead of 4 or 16")
    known = cbor.byte_string(key, "key")
    if len(known) > MAX_KEY:
        raise MalformedError(f"key: {len(known)} bytes are more than {MAX_KEY}")
    return known, NodeAddress(str(ipaddress.ip_address(packed)), (cbor.unsigned(port, "port", 16),))


_FIELDS: Final[dict[str, Callable[[Any], Any]]] = {
    "records": _records,
    "ports": _ports,
    "offers": _offers,
    "wanted": _wanted,
    "everything": _everything,
    "peers": _peers,
}
"""What may be there, and how it is read. Most often one of them is."""


def in_frames(records: Sequence[NodeRecord]) -> list[News]:
    """Records in as few messages as hold them."""
    made: list[News] = []
    part: list[NodeRecord] = []
    size = 0
    for record in records:
        needs = len(record.signed_data) + len(record.signature) + 16
        if part and size + needs > MAX_NEWS:
            made.append(News(tuple(part)))
            part, size = [], 0
        part.append(record)
        size += needs
    return [*made, News(tuple(part))] if part else made


assert MAX_RECORD < MAX_NEWS
