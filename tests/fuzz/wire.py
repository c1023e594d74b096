"""Fuzz targets: what Nodes send each other, before anybody knows whether it is good."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address

import numpy as np  # noqa: F401 - loaded by now, or else whoever needs it first would seem slow.
from nacl import bindings as sodium

from masq.crypto import CryptDE
from masq.errors import CryptoError, MalformedError
from masq.types import CHAINS
from masq.wire import cbor, circuit, news
from masq.wire.descriptor import parse_descriptor
from masq.wire.frame import Framer, mask, unmask
from masq.wire.message import (
    ClientRequest,
    ClientResponse,
    DnsResolveFailed,
    Gossip,
    GossipFailure,
    Message,
    NodeRecord,
    decode_message,
    encode_message,
)
from masq.wire.package import Hop, Package, Payer, open_hop, open_return_route_id

SECRET = bytes(range(32))
KEYS = CryptDE(CHAINS["dev"].contract, lambda size: SECRET[:size], SECRET, sodium.crypto_sign_seed_keypair(SECRET)[1])
"""The same in each process: or else an input of one would mean nothing to another."""


def pieces(data: bytes) -> list[bytes]:
    """`data` but for its first byte, which says in pieces of how many bytes it arrives; 0: in one. At most 20."""
    rest = data[1:]
    step = max(1, (data[0] or len(rest)) if data else 0, len(rest) // 20 + 1)
    return [rest[start : start + step] for start in range(0, len(rest), step)]


# --- CBOR ---


def cbor_item(data: bytes) -> None:
    with suppress(MalformedError):
        again = cbor.encode(cbor.decode(data))
        # Of encodings, not values: not a number isn't even equal to itself.
        assert cbor.encode(cbor.decode(again)) == again


def byte_array(data: bytes) -> None:
    with suppress(MalformedError):
        content = cbor.decode_byte_array(data)
        assert list(content) == cbor.decode(data), "as the generic decoder has it"
    assert cbor.decode_byte_array(cbor.encode_byte_array(data)) == data


# --- JSON links ---


def framer(data: bytes) -> None:
    in_pieces, whole = Framer(), Framer()
    found = [frame for piece in pieces(data) for frame in in_pieces.feed(piece)]
    assert found == whole.feed(data[1:]), "frames are where they are, whatever the pieces"
    assert in_pieces.pending == whole.pending <= len(data)
    for frame in found:
        with suppress(MalformedError):
            unmask(frame)


def frame_body(data: bytes) -> None:
    with suppress(MalformedError):
        body = unmask(data)
        assert unmask(mask(body)) == body
    assert unmask(mask(data)) == data


# --- packages ---


def package(data: bytes) -> None:
    with suppress(MalformedError):
        decoded = Package.decode(data)
        assert Package.decode(decoded.encode()) == decoded


def hop(data: bytes) -> None:
    with suppress(MalformedError):
        decoded = Hop.decode(data)
        assert Hop.decode(decoded.encode()) == decoded


def payer(data: bytes) -> None:
    with suppress(MalformedError):
        decoded = Payer.decode(cbor.decode(data))
        assert Payer.decode(cbor.decode(decoded.encode())) == decoded
        assert isinstance(decoded.proves(KEYS.digest), bool)


def sealed_hop(data: bytes) -> None:
    with suppress(CryptoError, MalformedError):
        open_hop(data, KEYS)
    # And once more as somebody who knows our key would say it.
    sealed = KEYS.seal(KEYS.public_key, data)
    with suppress(MalformedError):
        if len(data) < 20:
            open_return_route_id(sealed, KEYS)
        else:
            open_hop(sealed, KEYS)


# --- messages ---


def message(data: bytes) -> None:
    with suppress(MalformedError):
        _same(decode_message(data))


def _same(decoded: Message) -> None:
    assert decode_message(encode_message(decoded)) == decoded


def _content(kind: type[Message]) -> Callable[[bytes], None]:
    def target(data: bytes) -> None:
        with suppress(MalformedError):
            decoded = kind.decode(cbor.decode(data))
            _same(decoded)
            # In another shape, too: that of a Node which writes maps as we don't.
            outer = {"version": {"major": 1, "minor": 0}, "bytes": list(data), "phantom": None}
            assert decode_message(cbor.encode({kind.__name__: outer})) == decoded

    return target


def node_record(data: bytes) -> None:
    signature, signed = data[:64], data[64:]
    with suppress(MalformedError):
        record = NodeRecord.decode(signed, signature)
        assert record.signed_data == signed
        assert isinstance(record.verify(KEYS), bool)


def descriptor(data: bytes) -> None:
    text = data.decode(errors="surrogateescape")
    with suppress(MalformedError):
        parse_descriptor(text, key_length=None)
    with suppress(MalformedError):
        parsed = parse_descriptor(text)
        assert parse_descriptor(str(parsed)) == parsed


def sealed_box(data: bytes) -> None:
    with suppress(CryptoError):
        KEYS.open(data)
    with suppress(CryptoError):
        KEYS.open(KEYS.seal(data[:64], data[64:]))
    assert not KEYS.verify(data[128:], data[:64], data[64:128])
    assert not KEYS.verify_plain(data[128:], data[:64], data[64:128])


# --- circuits ---


def cell(data: bytes) -> None:
    said = 0
    with suppress(MalformedError):
        for each in circuit.messages_of(memoryview(data)):
            assert each.command
            said += circuit.HEAD + len(each.data)
    assert said <= len(data)


def circuit_frame(data: bytes) -> None:
    frame = memoryview(bytearray(data))
    with suppress(MalformedError):
        number = circuit.circuit_of(frame)
        assert 0 < number < 1 << 32
        circuit.pass_on(frame, number, circuit.Layer(SECRET, True))
        assert circuit.circuit_of(frame) == number
    with suppress(CryptoError):
        circuit.Seal(SECRET, True).open(memoryview(bytearray(data)))
    with suppress(MalformedError):
        assert circuit.Control(SECRET).open(data) is None


def control(data: bytes) -> None:
    """What a hop sealed well, whatever it is."""
    sealer, opener = circuit.Control(SECRET), circuit.Control(SECRET)
    with suppress(MalformedError):
        value = cbor.decode(data)
        box = sealer.close(value)
        with suppress(MalformedError):
            opened = opener.open(box)
            assert opened is not None
            assert cbor.encode(opened) == cbor.encode(value)
            debt = circuit.debt_of(opened)
            if debt is not None:
                assert circuit.debt_of(circuit.encode_ending(circuit.Close.DELINQUENT, "", debt)) == debt
    # No CBOR at all, which `close` would not seal.
    other = circuit.Control(SECRET)
    with suppress(MalformedError):
        other.open(circuit.Control(SECRET)._aead.encrypt(bytes(12), data, None))


def begin(data: bytes) -> None:
    with suppress(MalformedError):
        said = circuit.decode_begin(data)
        assert circuit.decode_begin(circuit.encode_begin(*said)) == said


def end(data: bytes) -> None:
    code, words = circuit.end_of(memoryview(data))
    assert 0 <= code <= 255
    assert len(words) <= circuit.MAX_DETAIL
    assert words.isprintable()


def datagram(data: bytes) -> None:
    with suppress(MalformedError):
        said = circuit.decode_datagram(data)
        assert circuit.decode_datagram(circuit.encode_datagram(*said)) == said


def resolve(data: bytes) -> None:
    with suppress(MalformedError):
        wish = circuit.decode_resolve(data)
        assert circuit.decode_resolve(circuit.encode_resolve(*wish)) == wish


def resolved(data: bytes) -> None:
    with suppress(MalformedError):
        said = circuit.decode_resolved(data)
        assert len(said.addresses) <= circuit.MAX_ADDRESSES
        assert bool(said.addresses) != bool(said.error)
        for address, _ in said.addresses:
            assert str(ip_address(address)) == address
            assert "%" not in address, "the zones of another machine mean nothing here"
        assert circuit.decode_resolved(circuit.encode_resolved(said)) == said


def difference(data: bytes) -> None:
    with suppress(MalformedError):
        said = news.News.decode(data)
        assert len(said.peers) <= news.MAX_PEERS
        again = news.News.decode(said.encode())
        assert (again.offers, again.wanted, again.ports) == (said.offers, said.wanted, said.ports)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "cbor": cbor_item,
    "byte-array": byte_array,
    "framer": framer,
    "frame-body": frame_body,
    "package": package,
    "hop": hop,
    "payer": payer,
    "sealed-hop": sealed_hop,
    "message": message,
    "client-request": _content(ClientRequest),
    "client-response": _content(ClientResponse),
    "dns-resolve-failed": _content(DnsResolveFailed),
    "gossip": _content(Gossip),
    "gossip-failure": _content(GossipFailure),
    "news": difference,
    "node-record": node_record,
    "descriptor": descriptor,
    "sealed-box": sealed_box,
    "cell": cell,
    "circuit-frame": circuit_frame,
    "control": control,
    "begin": begin,
    "end": end,
    "datagram": datagram,
    "resolve": resolve,
    "resolved": resolved,
}
