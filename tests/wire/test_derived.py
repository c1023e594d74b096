"""Known answers worked out from the specification: keys, gossip, routes, payloads (protocol.md 3-7)."""

from __future__ import annotations

import hashlib

import pytest
from tests.recorded import derived

from masq.chain.wallet import Wallet
from masq.crypto import CryptDE, NullCryptDE
from masq.keccak import keccak256
from masq.types import CHAINS, DEFAULT_RATE_PACK, NodeAddress, RatePack, address_text
from masq.wire import cbor
from masq.wire.descriptor import parse_descriptor
from masq.wire.frame import mask, unmask
from masq.wire.message import (
    ClientRequest,
    ClientResponse,
    DnsResolveFailed,
    Gossip,
    GossipFailure,
    GossipRecord,
    NodeRecord,
    SequencedPacket,
    decode_message,
    encode_message,
    stream_key,
)
from masq.wire.package import (
    Component,
    Hop,
    Package,
    Payer,
    encode_data_version,
    one_way,
    open_return_route_id,
    round_trip,
    shift,
    single_hop,
)

SEPOLIA = CHAINS["base-sepolia"].contract
WALLET = Wallet(keccak256(b"wallet"))


def node(name: str, *drawn: int, chain: str = "base-sepolia") -> CryptDE:
    """A key pair of the vectors; `drawn` are the bytes that its next random draws consist of."""
    values = derived()[f"B1_{name}"]
    draws = iter(drawn)
    return CryptDE(
        CHAINS[chain].contract,
        lambda size: bytes((next(draws),)) * size,
        bytes.fromhex(values["x25519_secret"]),
        bytes.fromhex(values["ed25519_seed"]) + bytes.fromhex(values["public_key"])[32:],
    )


@pytest.mark.parametrize("name", ["A", "A_alias", "B", "C", "D"])
def test_keys(name: str) -> None:
    values = derived()[f"B1_{name}"]
    keys = node(name)
    assert keys.public_key.hex() == values["public_key"]
    assert keys.digest.hex() == values["digest_base_sepolia"]
    assert keys.to_text() == values["persisted_text"]
    again = CryptDE.from_text(SEPOLIA, bytes, values["persisted_text"])
    assert again.public_key == keys.public_key


@pytest.mark.parametrize("chain", list(CHAINS))
def test_digest_on_every_chain(chain: str) -> None:
    assert node("A", chain=chain).digest.hex() == derived()[f"B1_digest_A_{chain}"]


def test_sealing_with_a_known_ephemeral() -> None:
    values = derived()["B1_seal"]
    plain = bytes.fromhex(values["plaintext"])
    box = node("B", 0x51).seal(node("A").public_key, plain)
    assert box.hex() == values["sealed_to_A"]
    assert node("A").open(box) == plain


def test_signature_binds_the_chain() -> None:
    text = b"Fourscore and seven years ago"
    for chain in ("base-sepolia", "dev", "base-mainnet"):
        keys = node("A", chain=chain)
        assert keys.sign(text).hex() == derived()[f"B1_sig_A_{chain}"]
        assert keys.verify(text, keys.sign(text), keys.public_key)
    assert not node("A").verify(text, node("A", chain="dev").sign(text), node("A").public_key)


def test_stream_key() -> None:
    values = derived()["B1_stream_key"]
    key = stream_key(node("A").public_key, "127.0.0.1", 54321, bytes.fromhex(values["salt"]))
    assert key.hex() == values["sha1"]


def record(name: str, neighbors: tuple[str, ...], version: int, country: str | None) -> NodeRecord:
    earning = Wallet(keccak256(f"earn-{name}".encode())).address
    keys = frozenset(node(neighbor).public_key for neighbor in neighbors)
    return NodeRecord.sign(node(name), earning, DEFAULT_RATE_PACK, keys, True, True, version, country)


def test_signed_bodies() -> None:
    a, b = record("A", (), 0, None), record("B", ("C", "A"), 7, "US")
    assert a.signed_data.hex() == derived()["B2_inner_A"]["hex"]
    assert a.signature.hex() == derived()["B2_inner_A"]["sig_base_sepolia"]
    assert b.signed_data.hex() == derived()["B2_inner_B"]["hex"]
    assert b.signature.hex() == derived()["B2_inner_B"]["sig_base_sepolia"]
    assert NodeRecord.decode(b.signed_data, b.signature) == b


def test_gossip_message() -> None:
    gossip = Gossip((GossipRecord(record("A", (), 0, None), NodeAddress("1.2.3.4", (5678,))),))
    assert gossip.inner().hex() == derived()["B2_gossip"]["hex"]
    message = encode_message(gossip)
    assert hashlib.sha256(message).hexdigest() == derived()["B2_messagetype_gossip"]["sha256"]
    assert decode_message(message) == gossip


def test_debut_end_to_end() -> None:
    values = derived()["B3_debut"]
    to = node("A").first_contact_key(node("B").fragment())
    gossip = Gossip((GossipRecord(record("A", (), 0, None), NodeAddress("1.2.3.4", (5678,))),))
    payload = node("A", 0x52).seal(to, encode_message(gossip))
    assert payload.hex() == values["payload_sealed"]
    # The own element that is removed draws an ephemeral, too: its bytes never leave.
    hops = single_hop(node("A", 0x00, 0x53, 0xEE), to)
    package = Package(hops, payload)
    assert package.encode().hex() == values["lcp_hex"]
    frame = mask(node("A", 0x54).seal(to, package.encode()))
    assert frame.decode() == values["frame"]
    assert Package.decode(node("B").open(unmask(frame))) == package


def test_failures_of_gossip() -> None:
    for failure in GossipFailure:
        message = bytes.fromhex(derived()[f"B2_gossip_failure_{failure.value}"])
        assert encode_message(failure) == message
        assert decode_message(message) is failure


@pytest.mark.parametrize("name", ["A", "B", "C", "D", "A_dev"])
def test_payers(name: str) -> None:
    values = derived()[f"B4_payer_{name}"]
    keys = node("A", chain="dev") if name == "A_dev" else node(name)
    payer = Payer.sign(WALLET, keys.digest)
    assert (payer.v, payer.r.hex(), payer.s.hex()) == (values["v"], values["r"], values["s"])
    assert payer.proves(keys.digest)
    assert not payer.proves(bytes(32))
    if "cbor" in values:
        assert payer.encode().hex() == values["cbor"]
        assert Payer.decode(cbor.decode(payer.encode())) == payer


def test_round_trip_of_three_hops() -> None:
    nodes = [node(name) for name in "ABCD"]
    way = [keys.public_key for keys in nodes]
    builder = node("A", *range(0x60, 0x80))
    by_key = {keys.public_key: keys for keys in nodes}
    hops = round_trip(builder, way, way[::-1], lambda key: Payer.sign(WALLET, by_key[key].digest), 1234)
    for at, expected in enumerate(derived()["B4_round_trip_3hop"]):
        reader = node(expected["sealed_to"])
        assert len(hops[at]) == expected["sealed_len"]
        if at < 7:
            plain = reader.open(hops[at])
            assert hashlib.sha256(plain).hexdigest() == expected["plain_sha256"]
            assert Hop.decode(plain).encode() == plain
    assert open_return_route_id(hops[7], node("A")) == 1234
    shifted = shift(hops, node("A", 0xEE))
    assert shifted[:-1] == hops[1:]
    assert shifted[-1] == b"\xee" * len(hops[0])


def test_payloads() -> None:
    key = bytes.fromhex(derived()["B1_stream_key"]["sha1"])
    request = ClientRequest(
        key,
        SequencedPacket(0, b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n"),
        "www.example.com",
        80,
        "HTTP",
        node("A_alias").public_key,
    )
    response = ClientResponse(key, SequencedPacket(0, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
    last = ClientResponse(key, SequencedPacket(1, b"", True))
    values = derived()
    for message, name in (
        (request, "B5_client_request"),
        (response, "B5_client_response"),
        (last, "B5_client_response_last"),
        (DnsResolveFailed(key), "B5_dns_failure"),
    ):
        assert message.inner().hex() == values[name]["inner"]
        assert encode_message(message).hex() == values[name]["messagetype"]
        assert decode_message(encode_message(message)) == message
    assert SequencedPacket(0, b"\x01\x02\x03", True).encode().hex() == values["B5_seqpkt"]["data 010203 seq 0 last"]


def test_null_cipher() -> None:
    keys = NullCryptDE(bytes.fromhex("01020304"))
    assert keys.seal(keys.public_key, b"hi").hex() == derived()["B6_null"]['encode("hi")']
    assert keys.alias().public_key.hex() == derived()["B6_null"]["alias_public"]
    assert keys.digest.hex() == derived()["B6_null"]["digest_dev"]
    way = [bytes.fromhex(text) for text in ("01020304", "02030405", "03040506")]
    hops = one_way(keys, way, lambda key: Payer.sign(WALLET, keccak256(key + SEPOLIA)), Component.NEIGHBORHOOD)
    assert [hop.hex() for hop in hops] == derived()["B7_null_one_way"]["elements"]
    failure = keys.seal(way[1], encode_message(GossipFailure.NO_SUITABLE_NEIGHBORS))
    package = Package(single_hop(keys, way[1]), failure)
    assert package.encode().hex() == derived()["B7_null_package"]["lcp"]


def test_request_on_its_way() -> None:
    """The request of `test_payloads` over three hops, as it arrives at the first of them."""
    expected = derived()["B5_request_package_at_B"]
    nodes = [node(name) for name in "ABCD"]
    way = [keys.public_key for keys in nodes]
    by_key = {keys.public_key: keys for keys in nodes}
    builder = node("A", *range(0x60, 0x80))
    hops = shift(round_trip(builder, way, way[::-1], lambda key: Payer.sign(WALLET, by_key[key].digest), 1234), builder)
    assert [len(hop) for hop in hops] == expected["hops_lens"]
    payload = builder.seal(way[-1], bytes.fromhex(derived()["B5_client_request"]["messagetype"]))
    assert len(payload) == expected["payload_len_charged_for_routing"]
    package = Package(hops, payload).encode()
    assert len(package) == expected["lcp_len"]
    box = builder.seal(way[1], package)
    assert len(box) == expected["sealed_len"]
    assert len(mask(box)) == expected["frame_len_if_not_utf8"]


def test_other_requests() -> None:
    key = bytes.fromhex(derived()["B1_stream_key"]["sha1"])
    alias = node("A_alias").public_key
    get = SequencedPacket(0, b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
    hello = SequencedPacket(1, b"\x16\x03\x01", True)
    for request, name in (
        (ClientRequest(key, get, None, 80, "HTTP", alias), "B5_client_request_nohost_inner"),
        (ClientRequest(key, hello, "www.example.com", 443, "TLS", alias), "B5_client_request_tls_inner"),
    ):
        assert request.inner().hex() == derived()[name]
        assert ClientRequest.decode(cbor.decode(request.inner())) == request
    values = derived()["B5_seqpkt"]
    assert SequencedPacket(258, b"").encode().hex() == values["empty seq 258 not last"]


def test_stored_keys() -> None:
    values = derived()["B1_str_key"]
    for chain in ("base-sepolia", "dev"):
        keys = CryptDE.from_text(CHAINS[chain].contract, bytes, values["text"])
        assert keys.public_key.hex() == values["public_key"]
        assert keys.digest.hex() == values[f"digest_{chain.replace('-', '_')}"]
        assert keys.to_text() == values["text"]


@pytest.mark.parametrize("name", "ABCD")
def test_descriptors(name: str) -> None:
    descriptor = parse_descriptor(derived()[f"B1_desc_{name}"])
    assert str(descriptor) == derived()[f"B1_desc_{name}"]
    assert descriptor.key == node(name).fragment()
    assert descriptor.chain.contract == SEPOLIA


def test_wallets() -> None:
    for name, values in derived()["B2_wallets"].items():
        wallet = Wallet(keccak256(name.encode()))
        assert wallet.secret.hex() == values["secret"]
        assert address_text(wallet.address) == values["address"]


def test_gossip_records() -> None:
    a = GossipRecord(record("A", (), 0, None), NodeAddress("1.2.3.4", (5678,)))
    b = record("B", ("C", "A"), 7, "US")
    written = [Gossip((item,)).inner()[len(b"\xa1\x6cnode_records\x81") :].hex() for item in (a, GossipRecord(b, None))]
    assert written[0] == derived()["B2_agr_A"]["hex"]
    assert len(written[1]) == 2 * derived()["B2_agr_B_no_addr_len"]
    received = Gossip.decode({"node_records": [cbor.decode(bytes.fromhex(derived()["B2_agr_B"]))]}).records[0]
    assert received.record == b
    assert received.record.verify(node("A"))


def test_hops() -> None:
    values = derived()["B4_hops"]
    payer = Payer.sign(WALLET, node("A").digest)
    for hop, name in (
        (Hop(b"", None, Component.NEIGHBORHOOD), "terminal, no payer, Neighborhood"),
        (Hop(node("B").public_key, payer, Component.HOPPER), "hop to B, payer for A, Hopper"),
        (Hop(b"", payer, Component.PROXY_SERVER), "terminal, payer for A, ProxyServer"),
    ):
        assert hop.encode().hex() == values[name]
        assert Hop.decode(hop.encode()) == hop


# --- literals of the network's own tests ---

NULL_KEYS = ("01020304", "02030405", "03040506")


def null_payer(key: bytes) -> Payer:
    return Payer.sign(WALLET, keccak256(key + SEPOLIA))


@pytest.mark.parametrize("key", NULL_KEYS)
def test_payers_for_short_keys(key: str) -> None:
    values = derived()[f"src_payer_{key}"]
    digest = keccak256(bytes.fromhex(key) + SEPOLIA)
    assert digest.hex() == values["digest"]
    payer = null_payer(bytes.fromhex(key))
    assert (payer.v, payer.r.hex(), payer.s.hex()) == (values["v"], values["r"], values["s"])
    assert payer.proves(digest)
    if "cbor" in values:
        assert payer.encode().hex() == values["cbor"]


def test_round_trip_of_the_null_cipher() -> None:
    values = derived()["B7_null_round_trip"]
    way = [bytes.fromhex(key) for key in NULL_KEYS]
    hops = round_trip(NullCryptDE(way[0]), way, way[::-1], null_payer, 1234)
    assert [len(hop) for hop in hops] == values["element_lens"]
    assert [hashlib.sha256(hop).hexdigest() for hop in hops] == values["elements_sha256"]
    assert hops[-1].hex() == values["last_element"]
    assert hashlib.sha256(cbor.encode({"hops": hops})).hexdigest() == values["route_cbor_sha256"]
    expected = [(1, 1), (2, 1), (1, 3), (0, 1), (None, 2)]
    for reader, hop, (following, component) in zip((0, 1, 2, 1, 0), hops[:-1], expected, strict=True):
        opened = Hop.decode(NullCryptDE(way[reader]).open(hop))
        assert opened == Hop(
            b"" if following is None else way[following], null_payer(way[reader]), Component(component)
        )


def test_frame_of_the_null_cipher() -> None:
    values = derived()["B7_null_package"]
    box = NullCryptDE(bytes.fromhex(NULL_KEYS[0])).seal(bytes.fromhex(NULL_KEYS[1]), bytes.fromhex(values["lcp"]))
    assert len(box) == values["sealed_len"]
    assert mask(box).decode() == values["frame"]
    package = Package.decode(NullCryptDE(bytes.fromhex(NULL_KEYS[1])).open(unmask(values["frame"].encode())))
    message = NullCryptDE(bytes.fromhex(NULL_KEYS[1])).open(package.payload)
    assert decode_message(message) is GossipFailure.NO_SUITABLE_NEIGHBORS


def test_record_of_the_null_cipher() -> None:
    keys = NullCryptDE(bytes.fromhex(NULL_KEYS[0]))
    earning = keccak256(bytes(60) + keys.public_key)[12:]
    signed = NodeRecord.sign(keys, earning, RatePack(1235, 1434, 1237, 1634), frozenset(), True, True, 2, "AU")
    assert signed.signature.hex() == "01020304ef190e89b5a9b1933384549f88a21050791c6fe7"
    gossip = Gossip((GossipRecord(signed, NodeAddress("1.2.3.4", (1234,))),))
    assert gossip.inner().hex().endswith(derived()["B7_null_agr"]["record_01020304"])
    assert signed.verify(keys)


def test_packed_version() -> None:
    assert encode_data_version(0x112, 0x233) == (17, 34, 51)


def test_sizes_of_boxes() -> None:
    data = cbor.encode([42])
    assert len(node("A", 1).seal(node("B").public_key, data)) == 51
    assert len(NullCryptDE(bytes(32)).seal(bytes(32), data)) == 35
