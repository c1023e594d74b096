"""Messages: the payloads that packages carry, and their envelope (protocol.md 6 and 7)."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, NamedTuple

from masq.crypto import Keys
from masq.errors import MalformedError
from masq.types import Address, NodeAddress, PublicKey, RatePack
from masq.wire import cbor

VERSION: Final = (0, 1)
MAX_RECORDS: Final = 512
"""Records of one gossip message of ours."""
MAX_RECORDS_READ: Final = 1_024
"""Records that are looked at of a message; what follows is ignored. 0.9.1 sends all it knows, whoever invented it."""
MAX_NEIGHBORS: Final = 64
"""Neighbors that one record may list."""
MAX_RECORD: Final = 6 * 1024
"""Bytes that a record may sign: 64 neighbors, the fields that are known, and a kilobyte of others' additions."""
MAX_DECODED: Final = 2_048
"""Records that are kept decoded: as many as a Node knows, of a kilobyte each, at most 12 MiB."""
MAX_KEY: Final = 64
"""Bytes of a public key."""
MAX_COUNTRY: Final = 8
MAX_NAMES: Final = 32
"""Extensions of a record, and letters of each one's name."""
MAX_PORTS: Final = 16
"""Ports of one address: the lowest ones are kept. One is dialled."""

_STREAM_KEY_SIZE: Final = 20


@dataclass(frozen=True, slots=True)
class SequencedPacket:
    """A piece of one direction of a stream: numbered from 0, the last one flagged (protocol.md 7.4)."""

    sequence: int
    data: bytes
    last: bool = False

    def encode(self) -> bytes:
        return bytes((self.last,)) + self.sequence.to_bytes(8, "big") + self.data

    @classmethod
    def decode(cls, value: Any) -> SequencedPacket:
        packet = cbor.byte_string(value, "sequenced packet")
        if len(packet) < 9 or packet[0] > 1:
            raise MalformedError("sequenced packet: flag, number and data expected")
        return cls(int.from_bytes(packet[1:9], "big"), packet[9:], packet[0] == 1)


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """Bytes from the originator's client to a server, by way of the exit (protocol.md 7.1)."""

    stream_key: bytes
    packet: SequencedPacket
    hostname: str | None
    port: int
    protocol: str
    """"HTTP" or "TLS"; an exit makes no use of it."""
    originator_key: bytes
    """The alias key, to which responses are sealed."""
    window: int | None = None
    """Bytes of response data that may be sent in all: our flow control (protocol.md 14.2). None: no limit is kept."""

    def inner(self) -> bytes:
        value = {
            "stream_key": self.stream_key,
            "sequenced_packet": self.packet.encode(),
            "target_hostname": self.hostname,
            "target_port": self.port,
            "protocol": self.protocol,
            "originator_public_key": self.originator_key,
        }
        if self.window is not None:
            value["window"] = self.window
        return cbor.encode(value)

    @classmethod
    def decode(cls, value: Any) -> ClientRequest:
        names = (
            "stream_key",
            "sequenced_packet",
            "target_hostname",
            "target_port",
            "protocol",
            "originator_public_key",
        )
        stream_key, packet, hostname, port, protocol, key = cbor.fields(value, names, "ClientRequest")
        if protocol not in ("HTTP", "TLS"):
            raise MalformedError("ClientRequest: the protocol is HTTP or TLS")
        return cls(
            cbor.byte_string(stream_key, "stream key", _STREAM_KEY_SIZE),
            SequencedPacket.decode(packet),
            None if hostname is cbor.ABSENT or cbor.is_none(hostname) else cbor.text(hostname, "hostname"),
            cbor.unsigned(port, "port", 16),
            protocol,
            cbor.byte_string(key, "originator key"),
            _window(value),
        )


@dataclass(frozen=True, slots=True)
class ClientResponse:
    """Bytes from the server (protocol.md 7.2)."""

    stream_key: bytes
    packet: SequencedPacket
    window: int | None = None
    """As in ClientRequest, for the other direction."""
    reason: str | None = None
    """Why the stream ends, if it fails, in words (protocol.md 14.3)."""
    code: int | None = None
    """The same as one of the codes of END (protocol.md 15.4)."""

    def inner(self) -> bytes:
        value: dict[str, object] = {"stream_key": self.stream_key, "sequenced_packet": self.packet.encode()}
        if self.window is not None:
            value["window"] = self.window
        if self.reason is not None:
            value["reason"] = self.reason
        if self.code is not None:
            value["code"] = self.code
        return cbor.encode(value)

    @classmethod
    def decode(cls, value: Any) -> ClientResponse:
        stream_key, packet = cbor.fields(value, ("stream_key", "sequenced_packet"), "ClientResponse")
        return cls(
            cbor.byte_string(stream_key, "stream key", _STREAM_KEY_SIZE),
            SequencedPacket.decode(packet),
            _window(value),
            _reason(value),
            _code(value),
        )


def _window(value: Any) -> int | None:
    window = value.get("window") if isinstance(value, dict) else None
    return None if window is None else cbor.unsigned(window, "window", 63)


def _code(value: Any) -> int | None:
    code = value.get("code") if isinstance(value, dict) else None
    return None if code is None else cbor.unsigned(code, "code", 8)


def _reason(value: Any) -> str | None:
    reason = value.get("reason") if isinstance(value, dict) else None
    return None if reason is None else cbor.text(reason, "reason")[:200]


@dataclass(frozen=True, slots=True)
class DnsResolveFailed:
    """The exit found no such host, or couldn't connect to it (protocol.md 7.3)."""

    stream_key: bytes
    reason: str | None = None
    """As in ClientResponse."""
    code: int | None = None

    def inner(self) -> bytes:
        value: dict[str, object] = {"stream_key": self.stream_key}
        if self.reason is not None:
            value["reason"] = self.reason
        if self.code is not None:
            value["code"] = self.code
        return cbor.encode(value)

    @classmethod
    def decode(cls, value: Any) -> DnsResolveFailed:
        (stream_key,) = cbor.fields(value, ("stream_key",), "DnsResolveFailed")
        return cls(cbor.byte_string(stream_key, "stream key", _STREAM_KEY_SIZE), _reason(value), _code(value))


class GossipFailure(StrEnum):
    """Why a Debut was not accepted (protocol.md 7.8)."""

    NO_NEIGHBORS = "NoNeighbors"
    NO_SUITABLE_NEIGHBORS = "NoSuitableNeighbors"
    MANUAL_REJECTION = "ManualRejection"
    UNKNOWN = "Unknown"

    def inner(self) -> bytes:
        return cbor.encode(self.value)

    @classmethod
    def decode(cls, value: Any) -> GossipFailure:
        name = cbor.text(value, "gossip failure")
        return cls(name) if name in cls._value2member_map_ else cls.UNKNOWN


class OversizedError(MalformedError):
    """A record beyond our bounds. It is left out; who passes it on may be of 0.9.1, which has no bounds."""


_BODY: Final = (
    "public_key",
    "earning_wallet",
    "rate_pack",
    "neighbors",
    "accepts_connections",
    "routes_data",
    "version",
    "country_code_opt",
)


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """What a Node says of itself, with the very bytes that it signed (protocol.md 7.6).

    `signed_data` and `signature` are passed on unchanged, with whatever keys we don't know.
    """

    public_key: PublicKey
    earning_wallet: Address
    rates: RatePack
    neighbors: frozenset[PublicKey]
    accepts_connections: bool
    routes_data: bool
    version: int
    country: str | None
    extensions: tuple[str, ...]
    """Abilities beyond 0.9.1 that the Node advertises (protocol.md 14.1)."""
    signed_data: bytes
    signature: bytes

    @classmethod
    def sign(
        cls,
        keys: Keys,
        earning_wallet: Address,
        rates: RatePack,
        neighbors: frozenset[PublicKey],
        accepts_connections: bool,
        routes_data: bool,
        version: int,
        country: str | None = None,
        extensions: tuple[str, ...] = (),
    ) -> NodeRecord:
        body: dict[str, object] = {
            "public_key": keys.public_key,
            "earning_wallet": {"address": list(earning_wallet)},
            "rate_pack": rates._asdict(),
            "neighbors": sorted(neighbors),
            "accepts_connections": accepts_connections,
            "routes_data": routes_data,
            "version": version,
            "country_code_opt": country,
        }
        if extensions:
            body["extensions"] = list(extensions)
        data = cbor.encode(body)
        return cls(
            keys.public_key,
            earning_wallet,
            rates,
            neighbors,
            accepts_connections,
            routes_data,
            version,
            country,
            extensions,
            data,
            keys.sign(data),
        )

    @classmethod
    def decode(cls, signed_data: bytes, signature: bytes) -> NodeRecord:
        """The record in a signed body, the signature still unverified.

        MalformedError if it doesn't parse; OversizedError if it is larger than a Node has reason to make it. Most
        records that come were here before, so the last ones are remembered.
        """
        return _decoded(signed_data, signature)

    @classmethod
    def parse(cls, signed_data: bytes, signature: bytes) -> NodeRecord:
        """As `decode`, which remembers what it made."""
        if len(signed_data) > MAX_RECORD:
            raise OversizedError(f"node record: {len(signed_data)} bytes are more than {MAX_RECORD}")
        value = cbor.decode(signed_data)
        key, wallet, rates, neighbors, accepts, routes, version, country = cbor.fields(value, _BODY, "node record")
        (address,) = cbor.fields(wallet, ("address",), "earning wallet")
        listed = cbor.array(neighbors, "neighbors")
        if len(listed) > MAX_NEIGHBORS:
            raise OversizedError(f"node record: {len(listed)} neighbors are more than {MAX_NEIGHBORS}")
        extensions = value.get("extensions") if isinstance(value, dict) else None
        names_known = extensions if isinstance(extensions, list) and len(extensions) <= MAX_NAMES else []
        return cls(
            _key(key, "public key"),
            cbor.byte_array(address, "earning wallet", 20),
            RatePack(*(cbor.unsigned(rate, "rate", 64) for rate in cbor.fields(rates, RatePack._fields, "rate pack"))),
            frozenset(_key(neighbor, "neighbor") for neighbor in listed),
            cbor.boolean(accepts, "accepts_connections"),
            cbor.boolean(routes, "routes_data"),
            cbor.unsigned(version, "version", 32),
            None if country is cbor.ABSENT or cbor.is_none(country) else _country(country),
            tuple(name for name in names_known if isinstance(name, str) and len(name) <= MAX_NAMES),
            signed_data,
            signature,
        )

    def verify(self, keys: Keys) -> bool:
        """Whether the key in the record signed it, for our chain."""
        return keys.verify(self.signed_data, self.signature, self.public_key)


@lru_cache(MAX_DECODED)
def _decoded(signed_data: bytes, signature: bytes) -> NodeRecord:
    return NodeRecord.parse(signed_data, signature)


def _key(value: Any, what: str) -> PublicKey:
    key = cbor.byte_string(value, what)
    if len(key) > MAX_KEY:
        raise OversizedError(f"{what}: {len(key)} bytes are more than {MAX_KEY}")
    return key


def _country(value: Any) -> str:
    code = cbor.text(value, "country code")
    if len(code) > MAX_COUNTRY:
        raise OversizedError(f"country code: {len(code)} letters are more than {MAX_COUNTRY}")
    return code


@dataclass(frozen=True, slots=True)
class GossipRecord:
    """A record in a gossip message; the address beside it is unsigned."""

    record: NodeRecord
    address: NodeAddress | None


@dataclass(frozen=True, slots=True)
class Gossip:
    """What a Node tells a neighbor of the network (protocol.md 7.6, 9)."""

    records: tuple[GossipRecord, ...]

    def inner(self) -> bytes:
        return cbor.encode(
            {
                "node_records": [
                    {
                        "signed_data": item.record.signed_data,
                        "signature": item.record.signature,
                        "node_addr_opt": None if item.address is None else _encode_address(item.address),
                    }
                    for item in self.records
                ]
            }
        )

    @classmethod
    def decode(cls, value: Any) -> Gossip:
        """MalformedError if a record doesn't parse. What exceeds our bounds is left out, and the rest counts.

        A Node without such bounds passes on whatever a stranger told it: it must not be silenced by that.
        """
        (records,) = cbor.fields(value, ("node_records",), "Gossip")
        taken = []
        for record in cbor.array(records, "node records")[:MAX_RECORDS_READ]:
            try:
                taken.append(_decode_record(record))
            except OversizedError:
                continue
        return cls(tuple(taken))


def _decode_record(value: Any) -> GossipRecord:
    data, signature, address = cbor.fields(value, ("signed_data", "signature", "node_addr_opt"), "gossip record")
    record = NodeRecord.decode(cbor.byte_string(data, "signed data"), cbor.byte_string(signature, "signature"))
    nowhere = address is cbor.ABSENT or cbor.is_none(address)
    return GossipRecord(record, None if nowhere else _decode_address(address))


def _encode_address(address: NodeAddress) -> dict[str, object]:
    ip = ipaddress.ip_address(address.ip)
    return {"ip_addr": {f"V{ip.version}": list(ip.packed)}, "ports": list(address.ports)}


def _decode_address(value: Any) -> NodeAddress:
    address, ports = cbor.fields(value, ("ip_addr", "ports"), "node address")
    if not isinstance(address, dict) or len(address) != 1:
        raise MalformedError("node address: one of V4 and V6 expected")
    ((family, octets),) = address.items()
    packed = cbor.byte_array(octets, "IP address", {"V4": 4, "V6": 16}.get(family, -1))
    numbers = {cbor.unsigned(port, "port", 16) for port in cbor.array(ports, "ports")}
    return NodeAddress(str(ipaddress.ip_address(packed)), tuple(sorted(numbers)[:MAX_PORTS]))


Message = ClientRequest | ClientResponse | DnsResolveFailed | Gossip | GossipFailure

_KINDS: Final[dict[str, Callable[[Any], Message]]] = {
    kind.__name__: kind.decode for kind in (ClientRequest, ClientResponse, DnsResolveFailed, Gossip, GossipFailure)
}

# The envelope has a fixed shape, so it is sliced rather than parsed wherever it comes in that shape.
_ENVELOPE_HEAD: Final = b"\xa3\x67version\xa2\x65major\x00\x65minor\x01\x65bytes"
_ENVELOPE_TAIL: Final = b"\x67phantom\xf6"
_SHAPES: Final = {name: b"\xa1" + cbor.encode(name) + _ENVELOPE_HEAD for name in _KINDS}


def encode_message(message: Message) -> bytes:
    """The message in its versioned envelope (protocol.md 6)."""
    return _SHAPES[type(message).__name__] + cbor.encode_byte_array(message.inner()) + _ENVELOPE_TAIL


def decode_message(data: bytes) -> Message:
    """The message in an envelope of version 0.1 or later. MalformedError for everything else."""
    for name, shape in _SHAPES.items():
        if data.startswith(shape) and data.endswith(_ENVELOPE_TAIL):
            try:
                inner = cbor.decode_byte_array(data[len(shape) : -len(_ENVELOPE_TAIL)])
            except MalformedError:
                break
            return _KINDS[name](cbor.decode(inner))
    return _decode_any_shape(data)


class Spelling(NamedTuple):
    """How a Node writes messages, and reads them. A simulator remembers what it has written."""

    encode: Callable[[Message], bytes] = encode_message
    decode: Callable[[bytes], Message] = decode_message


def _decode_any_shape(data: bytes) -> Message:
    if data[:1] in (b"\xbf", b"\xd9"):
        raise MalformedError("message: an indefinite or tagged map, which the network refuses here")
    value = cbor.decode(data)
    if isinstance(value, dict) and len(value) == 1:
        ((name, envelope),) = value.items()
    elif isinstance(value, list) and len(value) == 2:
        name, envelope = value
    else:
        raise MalformedError("message: a map of one entry expected")
    if not isinstance(name, str) or name not in _KINDS:
        raise MalformedError("message: unknown kind")
    version, content, phantom = cbor.fields(envelope, ("version", "bytes", "phantom"), "envelope")
    if not cbor.is_none(phantom):
        raise MalformedError("envelope: the phantom must be there, and null")
    major, minor = cbor.fields(version, ("major", "minor"), "version")
    if (cbor.unsigned(major, "major version", 16), cbor.unsigned(minor, "minor version", 16)) < VERSION:
        raise MalformedError(f"message: version {major}.{minor} is older than any that we know")
    return _KINDS[name](cbor.decode(cbor.byte_array(content, "envelope bytes")))


def stream_key(public_key: PublicKey, client_ip: str, client_port: int, salt: bytes) -> bytes:
    """The 20 bytes that name a stream, as 0.9.1 derives them (protocol.md 7.5)."""
    octets = ipaddress.ip_address(client_ip).packed
    return hashlib.sha1(public_key + octets + client_port.to_bytes(2, "little") + salt).digest()
