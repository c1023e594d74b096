"""Packages, hops, payers and routes (protocol.md 5)."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.strategies import bits_32, hops, hostile, key_pair, key_pairs, null_pairs, packages, payers, wallets

from masq.chain.wallet import Wallet
from masq.crypto import CryptDE, NullCryptDE
from masq.errors import CryptoError, MalformedError, PeerError
from masq.types import PublicKey
from masq.wire import cbor
from masq.wire.package import (
    MAX_HOPS,
    OPEN_ELEMENT,
    Component,
    Hop,
    Package,
    Payer,
    encode_data_version,
    one_way,
    open_hop,
    open_return_route_id,
    round_trip,
    shift,
    single_hop,
)


@given(packages)
def test_a_package_comes_back(package: Package) -> None:
    assert Package.decode(package.encode()) == package


@given(hops)
def test_a_hop_comes_back(hop: Hop) -> None:
    assert Hop.decode(hop.encode()) == hop


@given(payers)
def test_a_payer_comes_back(payer: Payer) -> None:
    assert Payer.decode(cbor.decode(payer.encode())) == payer


@settings(max_examples=300)
@given(hostile)
def test_any_bytes_are_a_value_or_malformed(data: bytes) -> None:
    for decode in (Package.decode, Hop.decode):
        try:
            value = decode(data)
        except MalformedError:
            continue
        assert decode(value.encode()) == value


@given(hostile, key_pairs | null_pairs)
def test_any_element_is_a_hop_or_the_peers_fault(data: bytes, keys: CryptDE | NullCryptDE) -> None:
    for element in (data, keys.seal(keys.public_key, data) if data else b""):
        for read in (open_hop, open_return_route_id):
            try:
                read(element, keys)
            except PeerError:
                continue


@given(wallets, key_pairs)
def test_a_payer_proves_to_its_reader_only(wallet: Wallet, keys: CryptDE) -> None:
    payer = Payer.sign(wallet, keys.digest)
    assert payer.proves(keys.digest)
    assert not payer.proves(key_pair(8).digest)
    assert not Payer(key_pair(8).digest[:20], payer.v, payer.r, payer.s).proves(keys.digest)


@given(payers)
def test_a_payer_made_up_proves_nothing(payer: Payer) -> None:
    assert not payer.proves(bytes(range(32)))


@pytest.mark.parametrize("v", [2, 3, 27, 28, 255])
def test_a_recovery_id_is_0_or_1(v: int) -> None:
    payer = Payer.sign(Wallet(b"\1" * 32), key_pair(0).digest)
    assert not Payer(payer.address, v, payer.r, payer.s).proves(key_pair(0).digest)


def test_the_shortest_hop() -> None:
    plain = Hop(b"", None, Component.NEIGHBORHOOD).encode()
    assert plain.hex() == "a36a7075626c69635f6b657940657061796572f669636f6d706f6e656e7400"
    assert len(key_pair(0).seal(key_pair(1).public_key, plain)) == 79


def test_version_of_packages() -> None:
    assert encode_data_version(0x112, 0x233) == (0x11, 0x22, 0x33)
    assert encode_data_version(0, 0) == (0, 0, 0)
    for major, minor in ((4096, 0), (0, 4096), (-1, 0)):
        with pytest.raises(ValueError):
            encode_data_version(major, minor)


def test_a_route_may_not_be_longer_than_any_that_is_needed() -> None:
    assert len(Package.decode(Package([b"x"] * MAX_HOPS, b"").encode()).hops) == MAX_HOPS
    with pytest.raises(MalformedError):
        Package.decode(Package([b"x"] * (MAX_HOPS + 1), b"").encode())


def nobody(key: PublicKey) -> None:
    return None


@settings(max_examples=25)
@given(st.permutations(range(8)), st.integers(1, 6), st.sampled_from(Component))
def test_a_one_way_route_leads_to_its_end(order: list[int], length: int, component: Component) -> None:
    nodes = [key_pair(number) for number in order[: length + 1]]
    route = one_way(nodes[0], [keys.public_key for keys in nodes], nobody, component)
    assert len(route) == length + 1
    for keys, following in pairwise(nodes):
        assert open_hop(route[0], keys) == Hop(following.public_key, None, Component.HOPPER)
        with pytest.raises(CryptoError):
            open_hop(route[0], following)
        shifted = shift(route, keys)
        assert [len(element) for element in shifted] == [*(len(element) for element in route[1:]), len(route[0])]
        route = shifted
    assert open_hop(route[0], nodes[-1]) == Hop(b"", None, component)


@settings(max_examples=25)
@given(
    st.permutations(range(8)),
    st.integers(1, 3),
    st.integers(1, 3),
    st.booleans(),
    bits_32,
)
def test_a_round_trip_comes_home_with_its_number(
    order: list[int], over: int, back: int, paid: bool, return_route_id: int
) -> None:
    """The way back is another one than the way over; both meet at the exit."""
    nodes = [key_pair(number) for number in order]
    wallet = Wallet(b"\7" * 32)
    home, outward, inward = nodes[0], nodes[: over + 1], [nodes[over], *nodes[over + 1 : over + back], nodes[0]]

    def payer_of(key: PublicKey) -> Payer | None:
        return Payer.sign(wallet, home.digest_of(key)) if paid else None

    route = round_trip(
        home,
        [keys.public_key for keys in outward],
        [keys.public_key for keys in inward],
        payer_of,
        return_route_id,
    )
    length = len(route)
    for keys, following in pairwise([*outward, *inward[1:]]):
        hop = open_hop(route[0], keys)
        assert hop.next_key == following.public_key
        assert hop.component == (Component.PROXY_CLIENT if keys is nodes[over] else Component.HOPPER)
        assert (hop.payer is not None and hop.payer.proves(keys.digest)) == paid
        route = shift(route, keys)
        assert len(route) == length
    last = open_hop(route[0], home)
    assert (last.next_key, last.component) == (b"", Component.PROXY_SERVER)
    assert open_return_route_id(route[1], home) == return_route_id


def test_a_way_back_starts_at_the_exit() -> None:
    a, b, c = (key_pair(number).public_key for number in range(3))
    with pytest.raises(ValueError, match="starts at the exit"):
        round_trip(key_pair(0), [a, b], [c, a], nobody, 0)


def test_gossip_goes_one_hop_without_a_payer() -> None:
    element, garbage = single_hop(key_pair(0), key_pair(1).public_key)
    assert open_hop(element, key_pair(1)) == Hop(b"", None, Component.NEIGHBORHOOD)
    own = key_pair(0).seal(key_pair(0).public_key, Hop(key_pair(1).public_key, None, Component.HOPPER).encode())
    assert len(garbage) == len(own)


def test_the_readable_cipher_fills_with_fours() -> None:
    a, b = NullCryptDE(b"\1\2\3\4"), NullCryptDE(b"\2\3\4\5")
    element, garbage = single_hop(a, b.public_key)
    assert open_hop(element, b).component is Component.NEIGHBORHOOD
    assert set(garbage) == {ord("4")}


HOP = {"public_key": b"", "payer": None, "component": 3}


@pytest.mark.parametrize(
    "value",
    [
        {**HOP, "component": 4},
        {**HOP, "component": -1},
        {**HOP, "component": True},
        {**HOP, "component": 3.0},
        {**HOP, "component": 300},
        {**HOP, "public_key": "key"},
        {**HOP, "public_key": [1, 2]},
        {**HOP, "payer": b"payer"},
        {**HOP, "payer": {"address": "0x" + "11" * 20}},
        {**HOP, "payer": {"address": "0x" + "zz" * 20, "proof": {"v": 0, "r": [0] * 32, "s": [0] * 32}}},
        {**HOP, "payer": {"address": "0x" + "11" * 20, "proof": {"v": 0, "r": [0] * 31, "s": [0] * 32}}},
        {**HOP, "payer": {"address": "0x" + "11" * 20, "proof": {"v": 256, "r": [0] * 32, "s": [0] * 32}}},
        {**HOP, "circuit_key": bytes(31), "expires": 0},
        {**HOP, "circuit_key": bytes(32)},
        {**HOP, "circuit_key": bytes(32), "expires": -1},
        {"payer": None, "component": 3},
        {"public_key": b"", "payer": None},
        [b"", None],
        [b"", None, 3, 4],
        None,
        3,
    ],
)
def test_what_is_no_hop(value: object) -> None:
    with pytest.raises(MalformedError):
        Hop.decode(cbor.encode(value))


@pytest.mark.parametrize(
    "value", [HOP, [b"", None, 3], {"component": 3, "public_key": b""}, {**HOP, "x": [{}]}, {**HOP, "payer": None}]
)
def test_what_is_a_hop(value: object) -> None:
    assert Hop.decode(cbor.encode(value)) == Hop(b"", None, Component.PROXY_CLIENT)


PACKAGE = {"version": [0, 0, 0], "route": {"hops": [b"x"]}, "payload": b"y"}


@pytest.mark.parametrize(
    "value",
    [
        {**PACKAGE, "version": [0, 0]},
        {**PACKAGE, "version": [0, 0, 256]},
        {**PACKAGE, "version": b"\0\0\0"},
        {**PACKAGE, "route": [b"x"]},
        {**PACKAGE, "route": {"hops": b"x"}},
        {**PACKAGE, "route": {"hops": ["x"]}},
        {**PACKAGE, "route": {"hops": {"x": b"x"}}},
        {**PACKAGE, "route": None},
        {**PACKAGE, "payload": "y"},
        {**PACKAGE, "payload": None},
        {"route": {"hops": []}, "payload": b""},
        [],
        b"",
    ],
)
def test_what_is_no_package(value: object) -> None:
    with pytest.raises(MalformedError):
        Package.decode(cbor.encode(value))


def test_a_number_home_has_32_bits() -> None:
    keys = key_pair(0)
    for value in (1 << 32, -1, "0", None, True):
        with pytest.raises(MalformedError):
            open_return_route_id(keys.seal(keys.public_key, cbor.encode(value)), keys)


@pytest.mark.parametrize("next_key", [b"", bytes(range(64))])
@pytest.mark.parametrize("fill", [0, 23, 24, 255])
def test_what_a_circuit_s_hop_is_told_has_one_size_whatever_it_says(next_key: bytes, fill: int) -> None:
    payer = Payer(bytes([fill]) * 20, fill % 2, bytes([fill]) * 32, bytes([255 - fill]) * 32)
    hop = Hop(next_key, payer, Component.HOPPER, bytes([fill]) * 32, 2**33 if fill else 0)
    plain = hop.encode()
    assert len(plain) == OPEN_ELEMENT
    assert Hop.decode(plain) == hop


def test_what_a_circuit_s_hop_is_told_without_padding_is_understood_too() -> None:
    plain = Hop(b"", None, Component.PROXY_CLIENT, bytes(32), 7).encode()
    short = b"\xa5" + plain[1 : plain.index(b"\x63pad")]
    assert Hop.decode(short) == Hop(b"", None, Component.PROXY_CLIENT, bytes(32), 7)


def test_what_is_longer_than_the_padding_allows_for_is_written_all_the_same() -> None:
    hop = Hop(bytes(600), None, Component.HOPPER, bytes(32), 7)
    assert Hop.decode(hop.encode()) == hop
