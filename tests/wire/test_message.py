"""Messages and their envelope (protocol.md 6 and 7)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from tests.strategies import hostile, key_pair, key_pairs, messages, node_records, packets

from masq.crypto import CryptDE
from masq.errors import MalformedError
from masq.types import CHAINS, DEFAULT_RATE_PACK, NodeAddress
from masq.wire import cbor
from masq.wire.message import (
    MAX_COUNTRY,
    MAX_KEY,
    MAX_NAMES,
    MAX_NEIGHBORS,
    MAX_PORTS,
    MAX_RECORD,
    MAX_RECORDS_READ,
    ClientRequest,
    ClientResponse,
    DnsResolveFailed,
    Gossip,
    GossipFailure,
    GossipRecord,
    Message,
    NodeRecord,
    OversizedError,
    SequencedPacket,
    decode_message,
    encode_message,
    stream_key,
)

KEY = bytes(range(20))
REQUEST = ClientRequest(KEY, SequencedPacket(0, b"hello"), "example.com", 80, "HTTP", bytes(64))


def plain(message: Message) -> dict[str, object]:
    value: dict[str, object] = cbor.decode(message.inner())
    return value


def envelope(name: str, inner: object, major: int = 0, minor: int = 1) -> dict[str, object]:
    version = {"major": major, "minor": minor}
    return {name: {"version": version, "bytes": list(cbor.encode(inner)), "phantom": None}}


@given(messages)
def test_a_message_comes_back(message: Message) -> None:
    assert decode_message(encode_message(message)) == message


@given(messages)
def test_the_fast_way_writes_what_the_generic_one_does(message: Message) -> None:
    name = type(message).__name__
    value = {
        name: {"version": {"major": 0, "minor": 1}, "bytes": list(message.inner()), "phantom": None},
    }
    assert cbor.encode(value) == encode_message(message)


@given(messages)
def test_the_shape_of_the_envelope_makes_no_difference(message: Message) -> None:
    name, inner = type(message).__name__, list(message.inner())
    version = {"major": 0, "minor": 1}
    body: object
    for body in (
        {"phantom": None, "bytes": inner, "version": version},
        {"version": {"minor": 1, "major": 0}, "bytes": inner, "phantom": None, "more": [{}]},
        {"version": {"major": 0, "minor": 2}, "bytes": inner, "phantom": None},
        [[0, 1], inner, None],
    ):
        assert decode_message(cbor.encode({name: body})) == message
        assert decode_message(cbor.encode([name, body])) == message


@given(packets)
def test_a_packet_comes_back(packet: SequencedPacket) -> None:
    assert SequencedPacket.decode(packet.encode()) == packet


@settings(max_examples=400)
@given(hostile)
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    try:
        message = decode_message(data)
    except MalformedError:
        return
    assert decode_message(encode_message(message)) == message


@given(hostile)
def test_any_bytes_are_an_inner_value_or_malformed(data: bytes) -> None:
    try:
        value = cbor.decode(data)
    except MalformedError:
        return
    for kind in (ClientRequest, ClientResponse, DnsResolveFailed, Gossip, GossipFailure, SequencedPacket):
        try:
            kind.decode(value)
        except MalformedError:
            continue


@given(hostile)
def test_any_bytes_are_a_record_or_malformed(data: bytes) -> None:
    try:
        record = NodeRecord.decode(data, b"")
    except MalformedError:
        return
    assert record.signed_data == data
    assert not record.verify(key_pair(0))


# --- records ---


@given(node_records, key_pairs)
def test_a_record_is_what_its_bytes_say_and_verifies(record: NodeRecord, reader: CryptDE) -> None:
    assert NodeRecord.decode(record.signed_data, record.signature) == record
    assert record.verify(reader)


def record(keys: CryptDE) -> NodeRecord:
    return NodeRecord.sign(keys, bytes(20), DEFAULT_RATE_PACK, frozenset(), True, True, 0)


def test_a_signature_holds_for_one_chain_and_one_body() -> None:
    own = record(key_pair(0))
    assert not own.verify(key_pair(0, "base-mainnet"))
    assert not NodeRecord.decode(own.signed_data, own.signature[:63]).verify(key_pair(0))
    assert not NodeRecord.decode(own.signed_data, bytes(64)).verify(key_pair(0))
    other = record(key_pair(1))
    assert not NodeRecord.decode(own.signed_data, other.signature).verify(key_pair(0))


def body(**changes: object) -> bytes:
    value = cbor.decode(record(key_pair(0)).signed_data)
    value.update(changes)
    return cbor.encode({name: item for name, item in value.items() if item != "left out"})


@pytest.mark.parametrize(
    "changes",
    [
        {"public_key": None},
        {"public_key": "key"},
        {"public_key": "left out"},
        {"earning_wallet": {"address": [0] * 19}},
        {"earning_wallet": {"address": bytes(20)}},
        {"earning_wallet": {"address": [256] * 20}},
        {"earning_wallet": bytes(20)},
        {"earning_wallet": "left out"},
        {"rate_pack": "left out"},
        {"rate_pack": {"routing_byte_rate": 1}},
        {"rate_pack": [1, 2, 3, -1]},
        {"rate_pack": [1, 2, 3, 1 << 64]},
        {"rate_pack": [1, 2, 3, 4.0]},
        {"neighbors": "left out"},
        {"neighbors": {}},
        {"neighbors": ["key"]},
        {"accepts_connections": 1},
        {"accepts_connections": "left out"},
        {"routes_data": None},
        {"version": -1},
        {"version": 1 << 32},
        {"version": "0"},
        {"version": "left out"},
        {"country_code_opt": b"DE"},
        {"country_code_opt": 49},
    ],
)
def test_what_is_no_record(changes: dict[str, object]) -> None:
    with pytest.raises(MalformedError):
        NodeRecord.decode(body(**changes), bytes(64))


@pytest.mark.parametrize("known", [None, 5, "flow1", ["x"] * 33, {"flow1": True}])
def test_abilities_that_make_no_sense_are_none(known: object) -> None:
    assert NodeRecord.decode(body(extensions=known), b"").extensions == ()


def test_abilities_are_read_past_what_is_no_name() -> None:
    assert NodeRecord.decode(body(extensions=["flow1", 5, "circuit1"]), b"").extensions == ("flow1", "circuit1")


def test_what_may_be_missing_or_more_in_a_record() -> None:
    data = body(country_code_opt="left out", later=[1, {"two": 2}])
    assert NodeRecord.decode(data, b"").country is None
    assert NodeRecord.decode(data, b"").signed_data == data


def item(address: object) -> dict[str, object]:
    own = record(key_pair(0))
    return {"signed_data": own.signed_data, "signature": own.signature, "node_addr_opt": address}


@pytest.mark.parametrize(
    "address",
    [
        {"ip_addr": {"V4": [1, 2, 3]}, "ports": [5678]},
        {"ip_addr": {"V6": [1, 2, 3, 4]}, "ports": [5678]},
        {"ip_addr": {"V5": [1, 2, 3, 4]}, "ports": [5678]},
        {"ip_addr": {"V4": bytes(4)}, "ports": [5678]},
        {"ip_addr": {"V4": [1, 2, 3, 4], "V6": [0] * 16}, "ports": [5678]},
        {"ip_addr": {}, "ports": [5678]},
        {"ip_addr": "1.2.3.4", "ports": [5678]},
        {"ip_addr": {"V4": [1, 2, 3, 4]}, "ports": [65536]},
        {"ip_addr": {"V4": [1, 2, 3, 4]}, "ports": 5678},
        {"ip_addr": {"V4": [1, 2, 3, 4]}},
        "1.2.3.4:5678",
    ],
)
def test_what_is_no_address(address: object) -> None:
    with pytest.raises(MalformedError):
        Gossip.decode({"node_records": [item(address)]})


def test_ports_are_sorted_and_single() -> None:
    found = Gossip.decode({"node_records": [item({"ip_addr": {"V4": [1, 2, 3, 4]}, "ports": [9000, 5000, 9000]})]})
    assert found.records[0].address == NodeAddress("1.2.3.4", (5000, 9000))


def test_gossip_is_bounded() -> None:
    """B4."""
    records = (GossipRecord(record(key_pair(0)), None),)
    found = Gossip.decode(cbor.decode(Gossip(records * (MAX_RECORDS_READ + 1)).inner()))
    assert len(found.records) == MAX_RECORDS_READ


@pytest.mark.parametrize(
    "changes",
    [
        {"neighbors": [bytes((index,)) for index in range(MAX_NEIGHBORS + 1)]},
        {"neighbors": [bytes(MAX_KEY + 1)]},
        {"public_key": bytes(MAX_KEY + 1)},
        {"country_code_opt": "DE" * MAX_COUNTRY},
        {"something new": bytes(MAX_RECORD)},
        {"extensions": ["x" * MAX_RECORD]},
    ],
)
def test_a_record_beyond_bounds_is_left_out_and_the_rest_of_its_message_counts(changes: dict[str, object]) -> None:
    """0.9.1 passes on whatever a stranger told it, and must not be silenced by that."""
    with pytest.raises(OversizedError):
        NodeRecord.decode(body(**changes), bytes(64))
    large = {"signed_data": body(**changes), "signature": bytes(64), "node_addr_opt": None}
    small = item({"ip_addr": {"V4": [1, 2, 3, 4]}, "ports": [9000]})
    found = Gossip.decode({"node_records": [large, small, large]})
    assert [each.record.public_key for each in found.records] == [key_pair(0).public_key]


def test_names_and_ports_are_bounded() -> None:
    names = ["circuit1", "x" * (MAX_NAMES + 1), 5]
    assert NodeRecord.decode(body(extensions=names), bytes(64)).extensions == ("circuit1",)
    assert NodeRecord.decode(body(extensions=["a"] * (MAX_NAMES + 1)), bytes(64)).extensions == ()
    found = Gossip.decode({"node_records": [item({"ip_addr": {"V4": [1, 2, 3, 4]}, "ports": list(range(2000, 2100))})]})
    assert found.records[0].address == NodeAddress("1.2.3.4", tuple(range(2000, 2000 + MAX_PORTS)))


# --- the others ---


@pytest.mark.parametrize(
    "changes",
    [
        {"stream_key": bytes(19)},
        {"stream_key": list(KEY)},
        {"sequenced_packet": bytes(8)},
        {"sequenced_packet": b"\2" + bytes(8)},
        {"sequenced_packet": [0] * 9},
        {"target_hostname": 5},
        {"target_port": 65536},
        {"target_port": "80"},
        {"target_port": True},
        {"protocol": "FTP"},
        {"protocol": ["HTTP"]},
        {"originator_public_key": "key"},
        {"window": -1},
        {"window": 1 << 63},
        {"window": "all"},
    ],
)
def test_what_is_no_request(changes: dict[str, object]) -> None:
    with pytest.raises(MalformedError):
        ClientRequest.decode({**plain(REQUEST), **changes})


def test_each_field_of_a_request_but_the_host_is_needed() -> None:
    value = plain(REQUEST)
    for name in value:
        rest = {other: item for other, item in value.items() if other != name}
        if name == "target_hostname":
            assert ClientRequest.decode(rest).hostname is None
        else:
            with pytest.raises(MalformedError):
                ClientRequest.decode(rest)


def test_reasons_are_short() -> None:
    assert (
        ClientResponse.decode(plain(ClientResponse(KEY, SequencedPacket(0, b""), reason="x" * 999))).reason == "x" * 200
    )
    with pytest.raises(MalformedError):
        DnsResolveFailed.decode({"stream_key": KEY, "reason": 5})


def test_unknown_failures_are_unknown() -> None:
    assert decode_message(cbor.encode(envelope("GossipFailure", "Later"))) is GossipFailure.UNKNOWN
    for value in (None, 5, b"NoNeighbors", ["NoNeighbors"]):
        with pytest.raises(MalformedError):
            decode_message(cbor.encode(envelope("GossipFailure", value)))


REFUSED: list[Callable[[dict[str, object]], object]] = [
    lambda inner: envelope("ClientRequest", inner, 0, 0),
    lambda inner: envelope("ClientRequest", inner, -1, 1),
    lambda inner: envelope("ClientRequest", inner, 0, 1 << 16),
    lambda inner: envelope("Request", inner),
    lambda inner: {**envelope("ClientRequest", inner), **envelope("ClientResponse", inner)},
    lambda inner: {},
    lambda inner: [],
    lambda inner: inner,
    lambda inner: ["ClientRequest", envelope("ClientRequest", inner)["ClientRequest"], None],
    lambda inner: {"ClientRequest": {"version": {"major": 0, "minor": 1}, "bytes": list(cbor.encode(inner))}},
    lambda inner: {"ClientRequest": [[0, 1], list(cbor.encode(inner)), 0]},
    lambda inner: {"ClientRequest": [[0, 1], cbor.encode(inner), None]},
    lambda inner: {"ClientRequest": [[0, 1], [*cbor.encode(inner), 0], None]},
    lambda inner: {"ClientRequest": [[0, 1], [256], None]},
    lambda inner: {"ClientRequest": [[0], list(cbor.encode(inner)), None]},
    lambda inner: {"ClientRequest": cbor.encode(inner)},
    lambda inner: "ClientRequest",
]


@pytest.mark.parametrize("wrap", REFUSED)
def test_what_is_no_message(wrap: Callable[[dict[str, object]], object]) -> None:
    with pytest.raises(MalformedError):
        decode_message(cbor.encode(wrap(plain(REQUEST))))


@pytest.mark.parametrize(("major", "minor"), [(0, 1), (0, 2), (1, 0), (65535, 65535)])
def test_later_versions_are_read_by_name(major: int, minor: int) -> None:
    value = {"new": 1, **plain(REQUEST)}
    assert decode_message(cbor.encode(envelope("ClientRequest", value, major, minor))) == REQUEST


def test_a_large_message_in_either_shape() -> None:
    message = ClientResponse(KEY, SequencedPacket(7, bytes(range(256)) * 400))
    assert decode_message(encode_message(message)) == message
    later = cbor.encode(envelope("ClientResponse", plain(message), 0, 2))
    assert decode_message(later) == message


def test_stream_keys_tell_everything_apart() -> None:
    assert len(stream_key(bytes(64), "2001:db8::1", 5, b"salt")) == 20
    seen = {
        stream_key(bytes((key,)) * 64, ip, port, salt)
        for key in (1, 2)
        for ip in ("127.0.0.1", "127.0.0.2", "::1")
        for port in (1, 256)
        for salt in (b"12345678", b"87654321")
    }
    assert len(seen) == 24


def test_every_chain_signs_otherwise() -> None:
    signatures = {record(key_pair(0, chain)).signature for chain in CHAINS}
    assert len(signatures) == len(CHAINS)
