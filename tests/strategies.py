"""Values of the wire, drawn by hypothesis: what a Node may write, and bytes that nobody should have written."""

from __future__ import annotations

import functools
import hashlib
import os

from hypothesis import strategies as st
from nacl import bindings as sodium

from masq.chain.wallet import Wallet
from masq.crypto import CryptDE, NullCryptDE
from masq.keccak import keccak256
from masq.types import CHAINS, NodeAddress, RatePack
from masq.wire import cbor
from masq.wire.message import (
    ClientRequest,
    ClientResponse,
    DnsResolveFailed,
    Gossip,
    GossipFailure,
    GossipRecord,
    NodeRecord,
    SequencedPacket,
    encode_message,
)
from masq.wire.package import MAX_HOPS, Component, Hop, Package, Payer

bits_8 = st.integers(0, (1 << 8) - 1)
bits_16 = st.integers(0, (1 << 16) - 1)
bits_32 = st.integers(0, (1 << 32) - 1)
bits_64 = st.integers(0, (1 << 64) - 1)

public_keys = st.binary(min_size=64, max_size=64)
wallet_addresses = st.binary(min_size=20, max_size=20)
wallets = st.integers(1, 1 << 200).map(lambda number: Wallet(keccak256(str(number).encode())))
stream_keys = st.binary(min_size=20, max_size=20)

repeated = st.tuples(
    st.binary(max_size=60) | st.lists(st.sampled_from([0, 23, 24, 25, 255]), max_size=60).map(bytes),
    st.integers(1, 150),
).map(lambda drawn: drawn[0] * drawn[1])
"""Up to 9,000 bytes: both sides of the length from which arrays of integers are coded by other means."""


@functools.cache
def key_pair(number: int, chain: str = "base-sepolia") -> CryptDE:
    """One of the key pairs of the tests, always the same; what it seals differs each time."""
    secret, seed = (hashlib.sha256(f"{word} {number}".encode()).digest() for word in ("box", "sign"))
    return CryptDE(CHAINS[chain].contract, os.urandom, secret, sodium.crypto_sign_seed_keypair(seed)[1])


key_pairs = st.integers(0, 7).map(key_pair)
null_pairs = st.binary(min_size=1, max_size=64).map(NullCryptDE)

# --- packages ---

payers = st.builds(
    Payer, wallet_addresses, bits_8, st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32)
)
plain_hops = st.builds(Hop, st.just(b"") | public_keys, st.none() | payers, st.sampled_from(Component))
circuit_hops = st.builds(
    Hop,
    st.just(b"") | public_keys,
    st.none() | payers,
    st.sampled_from(Component),
    st.binary(min_size=32, max_size=32),
    bits_64,
)
hops = plain_hops | circuit_hops
packages = st.builds(
    Package,
    st.lists(st.binary(max_size=400), max_size=MAX_HOPS),
    st.binary(max_size=400) | repeated,
    st.tuples(bits_8, bits_8, bits_8),
)

# --- messages ---

packets = st.builds(SequencedPacket, bits_64, repeated, st.booleans())
windows = st.none() | st.integers(0, (1 << 63) - 1)
reasons = st.none() | st.text(max_size=200)
client_requests = st.builds(
    ClientRequest,
    stream_keys,
    packets,
    st.none() | st.text(max_size=100),
    bits_16,
    st.sampled_from(["HTTP", "TLS"]),
    public_keys,
    windows,
)
client_responses = st.builds(ClientResponse, stream_keys, packets, windows, reasons)
dns_failures = st.builds(DnsResolveFailed, stream_keys, reasons)

rate_packs = st.builds(RatePack, bits_64, bits_64, bits_64, bits_64)
node_addresses = st.builds(
    lambda ip, ports: NodeAddress(str(ip), tuple(sorted(ports))),
    st.ip_addresses(),
    st.sets(bits_16, max_size=5),
)
node_records = st.builds(
    NodeRecord.sign,
    key_pairs,
    wallet_addresses,
    rate_packs,
    st.frozensets(public_keys, max_size=8),
    st.booleans(),
    st.booleans(),
    bits_32,
    st.none() | st.text(max_size=2),
    st.lists(st.text(max_size=10), max_size=32).map(tuple),
)
gossip_records = st.builds(GossipRecord, node_records, st.none() | node_addresses)
gossip = st.lists(gossip_records, max_size=4).map(tuple).map(Gossip)
messages = client_requests | client_responses | dns_failures | gossip | st.sampled_from(GossipFailure)

# --- what strangers may send ---

cbor_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 64), (1 << 64) - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=20)
    | st.text(max_size=12)
    | st.sampled_from(["version", "bytes", "phantom", "Gossip", "node_records", "ClientRequest"]),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=12), inner, max_size=6),
    max_leaves=20,
)


def damaged(encoded: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Good bytes of which one is changed, left out or doubled, or the end is missing."""

    def damage(drawn: tuple[bytes, int, int, str]) -> bytes:
        data, place, change, how = drawn
        at = place % max(1, len(data))
        match how:
            case "flip":
                return data[:at] + bytes(byte ^ change for byte in data[at : at + 1]) + data[at + 1 :]
            case "drop":
                return data[:at] + data[at + 1 :]
            case "double":
                return data[: at + 1] + data[at:]
            case _:
                return data[:at]

    ways = st.sampled_from(["flip", "drop", "double", "cut"])
    return st.tuples(encoded, st.integers(0, 1 << 20), st.integers(1, 255), ways).map(damage)


hostile = (
    st.binary(max_size=300)
    | cbor_values.map(cbor.encode)
    | damaged(messages.map(encode_message))
    | damaged(messages.map(lambda message: message.inner()))
    | damaged(packages.map(Package.encode))
    | damaged(hops.map(Hop.encode))
)
"""Bytes for any decoder."""
