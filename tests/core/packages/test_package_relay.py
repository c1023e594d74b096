"""Packages that arrive: opened, and relayed, delivered, or refused with nobody told (protocol.md 8.1-8.3)."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.secure_ends import keys
from tests.strategies import client_requests, hostile, key_pair, payers

import masq.core.packages.relay as relay_module
from masq.chain.wallet import Wallet
from masq.core.packages.relay import (
    MAX_REMEMBERED,
    ForEntry,
    ForExit,
    ForNeighborhood,
    Misrouted,
    PackageRelay,
    Relayed,
)
from masq.core.proofs import Proofs, Unpaid
from masq.crypto import CryptDE
from masq.errors import CryptoError, MalformedError, PeerError
from masq.keccak import keccak256
from masq.types import PublicKey
from masq.wire import cbor
from masq.wire.message import (
    ClientRequest,
    ClientResponse,
    DnsResolveFailed,
    Gossip,
    GossipFailure,
    Message,
    SequencedPacket,
    encode_message,
)
from masq.wire.package import Component, Hop, Package, Payer, one_way, round_trip, shift, single_hop

WALLET = Wallet(keccak256(b"who pays"))
USER = key_pair(0, "dev")
OURS, ALIAS, NEXT = key_pair(1, "dev"), key_pair(2, "dev"), key_pair(3, "dev")
PAYS = Proofs(USER, WALLET).of
REQUEST = ClientRequest(b"s" * 20, SequencedPacket(0, b"GET /"), "a.test", 80, "HTTP", USER.public_key)
RESPONSE = ClientResponse(b"s" * 20, SequencedPacket(0, b"page"))
FAILED = DnsResolveFailed(b"s" * 20)
GOSSIP = Gossip(())


def relay(charges: bool = True) -> PackageRelay:
    return PackageRelay(OURS, ALIAS, Proofs(OURS, None), charges)


def hop(component: Component, following: PublicKey = b"", payer: Payer | None = None) -> bytes:
    """An element for us."""
    return USER.seal(OURS.public_key, Hop(following, payer, component).encode())


def sealed(message: Message, to: CryptDE = OURS) -> bytes:
    return USER.seal(to.public_key, encode_message(message))


def answer(message: Message, number: int = 7) -> Package:
    """A package of an exit that comes home to us."""
    way = (OURS.public_key, NEXT.public_key)
    hops = round_trip(OURS, way, way[::-1], PAYS, number)
    for _ in range(2):
        hops = shift(hops, NEXT)
    return Package(hops, sealed(message, ALIAS))


# --- what is passed on ---


def test_a_package_for_another_goes_to_its_key_without_our_element() -> None:
    hops = one_way(USER, (OURS.public_key, NEXT.public_key), PAYS, Component.PROXY_CLIENT)
    arrival = relay().arrive(Package(hops, b"sealed to somebody"))
    assert isinstance(arrival, Relayed)
    assert (arrival.payer, arrival.size) == (WALLET.address, len(b"sealed to somebody"))
    forward = arrival.forward
    assert (forward.key, forward.package.payload) == (NEXT.public_key, b"sealed to somebody")
    assert forward.package.hops[0] == hops[1]
    assert [len(element) for element in forward.package.hops[1:]] == [len(hops[0])]
    assert forward.flow == hops[1][:32]


def test_a_sealed_package_of_a_link_is_opened_first() -> None:
    package = Package(single_hop(USER, OURS.public_key), sealed(GOSSIP))
    assert relay().open(USER.seal(OURS.public_key, package.encode())) == package
    assert relay().arrive(package) == ForNeighborhood(GOSSIP)


@given(payer=payers)
def test_an_invented_proof_relays_nothing(payer: Payer) -> None:
    """S11."""
    package = Package([hop(Component.HOPPER, NEXT.public_key, payer), b"next"], b"x")
    with pytest.raises(Unpaid):
        relay().arrive(package)


def test_who_names_no_payer_or_proves_to_another_node_is_relayed_nothing() -> None:
    """S10, S11."""
    for payer in (None, PAYS(NEXT.public_key)):
        with pytest.raises(Unpaid):
            relay().arrive(Package([hop(Component.HOPPER, NEXT.public_key, payer), b"next"], b"x"))


def test_without_a_wallet_nobody_is_relayed_anything_even_by_a_node_that_takes_nothing() -> None:
    with pytest.raises(Unpaid):
        relay(charges=False).arrive(Package([hop(Component.HOPPER, NEXT.public_key), b"next"], b"x"))


# --- what is for ourselves ---


def test_a_hop_from_ourselves_to_ourselves_is_taken_at_once_and_unpaid() -> None:
    hops = [hop(Component.HOPPER, OURS.public_key), hop(Component.PROXY_CLIENT, NEXT.public_key, PAYS(OURS.public_key))]
    arrival = relay().arrive(Package(hops, sealed(REQUEST)))
    assert isinstance(arrival, ForExit)
    assert arrival.request == REQUEST
    assert arrival.package.hops[0] == hops[1]


@pytest.mark.parametrize("more", [2, 3, 30])
def test_a_package_that_goes_from_ourselves_to_ourselves_to_ourselves_is_dropped(more: int) -> None:
    hops = [hop(Component.HOPPER, OURS.public_key) for _ in range(more)]
    with pytest.raises(Misrouted, match="circles"):
        relay().arrive(Package([*hops, hop(Component.PROXY_CLIENT)], sealed(REQUEST)))


def test_a_request_comes_with_its_hop_its_way_back_and_its_payer() -> None:
    element = hop(Component.PROXY_CLIENT, NEXT.public_key, PAYS(OURS.public_key))
    package = Package([element, b"way", b"back"], sealed(REQUEST))
    arrival = relay().arrive(package)
    assert isinstance(arrival, ForExit)
    assert (arrival.payer, arrival.hop.next_key, arrival.package) == (WALLET.address, NEXT.public_key, package)


def test_a_request_without_a_payer_is_served_by_a_zero_hop_node_alone() -> None:
    """S10."""
    package = Package([hop(Component.PROXY_CLIENT, NEXT.public_key), b"back"], sealed(REQUEST))
    with pytest.raises(Unpaid):
        relay().arrive(package)
    arrival = relay(charges=False).arrive(package)
    assert isinstance(arrival, ForExit)
    assert arrival.payer is None


def test_a_zero_hop_node_believes_no_wrong_proof_either() -> None:
    """S11."""
    package = Package([hop(Component.PROXY_CLIENT, NEXT.public_key, PAYS(NEXT.public_key))], sealed(REQUEST))
    with pytest.raises(Unpaid):
        relay(charges=False).arrive(package)


@pytest.mark.parametrize("message", [RESPONSE, FAILED])
@given(number=st.integers(0, (1 << 32) - 1))
def test_an_answer_comes_with_the_number_of_its_way(message: ClientResponse | DnsResolveFailed, number: int) -> None:
    package = answer(message, number)
    assert relay().arrive(package) == ForEntry(message, number, len(package.payload))


@pytest.mark.parametrize("message", [GOSSIP, GossipFailure.NO_NEIGHBORS])
def test_gossip_of_a_peer_is_for_the_neighborhood(message: Gossip | GossipFailure) -> None:
    package = Package(single_hop(USER, OURS.public_key), sealed(message))
    assert relay().arrive(package) == ForNeighborhood(message)


def test_gossip_that_somebody_had_relayed_is_dropped_as_it_would_speak_with_the_relay_s_address() -> None:
    """B22."""
    package = Package([hop(Component.NEIGHBORHOOD, b"", PAYS(OURS.public_key))], sealed(GOSSIP))
    with pytest.raises(Misrouted, match="relayed"):
        relay().arrive(package)


# --- what makes no sense ---

MESSAGES: dict[Component, tuple[Message, ...]] = {
    Component.PROXY_CLIENT: (REQUEST,),
    Component.PROXY_SERVER: (RESPONSE, FAILED),
    Component.NEIGHBORHOOD: (GOSSIP, GossipFailure.UNKNOWN),
}


@pytest.mark.parametrize("component", MESSAGES)
@pytest.mark.parametrize("message", [message for messages in MESSAGES.values() for message in messages], ids=repr)
def test_each_component_takes_its_own_messages_only(component: Component, message: Message) -> None:
    to = ALIAS if component is Component.PROXY_SERVER else OURS
    payer = None if component is Component.NEIGHBORHOOD else PAYS(OURS.public_key)
    returning = OURS.seal(OURS.public_key, cbor.encode(7))
    package = Package([hop(component, b"", payer), returning], sealed(message, to))
    if message in MESSAGES[component]:
        relay().arrive(package)
    else:
        with pytest.raises(Misrouted, match="wrong component"):
            relay().arrive(package)


def test_an_answer_that_is_not_sealed_to_the_alias_does_not_open() -> None:
    with pytest.raises(CryptoError):
        relay().arrive(replace(answer(RESPONSE), payload=sealed(RESPONSE)))


def test_a_package_without_a_route_is_dropped() -> None:
    with pytest.raises(Misrouted, match="without a route"):
        relay().arrive(Package([], sealed(REQUEST)))


def test_a_request_without_a_way_back_is_dropped() -> None:
    element = hop(Component.PROXY_CLIENT, NEXT.public_key, PAYS(OURS.public_key))
    with pytest.raises(Misrouted, match="way back"):
        relay().arrive(Package([element], sealed(REQUEST)))


def test_an_answer_without_the_number_of_its_way_is_dropped() -> None:
    package = answer(RESPONSE)
    with pytest.raises(Misrouted, match="return route id"):
        relay().arrive(replace(package, hops=package.hops[:1]))
    with pytest.raises(PeerError):
        relay().arrive(replace(package, hops=[package.hops[0], package.hops[0]]))


def test_an_element_for_somebody_else_does_not_open() -> None:
    hops = one_way(USER, (NEXT.public_key, OURS.public_key), PAYS, Component.PROXY_CLIENT)
    with pytest.raises(CryptoError):
        relay().arrive(Package(hops, b"x"))


@given(data=hostile)
def test_anything_else_is_a_peer_s_fault_and_leaves_nothing_behind(data: bytes) -> None:
    ours = relay()
    for package in (
        Package([data], sealed(REQUEST)),
        Package([USER.seal(OURS.public_key, data)], sealed(REQUEST)),
        Package([hop(Component.PROXY_CLIENT, b"", PAYS(OURS.public_key))], data),
    ):
        try:
            ours.arrive(package)
        except PeerError:
            pass
    with pytest.raises(PeerError):
        ours.open(data)
    try:
        assert isinstance(ours.open(USER.seal(OURS.public_key, data)), Package)
    except MalformedError:
        pass
    assert len(ours._hops) <= 2


@given(request=client_requests)
def test_any_request_arrives_as_it_was_sent(request: ClientRequest) -> None:
    element = hop(Component.PROXY_CLIENT, NEXT.public_key, PAYS(OURS.public_key))
    arrival = relay().arrive(Package([element, b"back"], sealed(request)))
    assert isinstance(arrival, ForExit)
    assert arrival.request == request


# --- what is remembered ---


def test_an_element_is_opened_once_however_many_packages_repeat_it() -> None:
    ours = relay()
    first = answer(RESPONSE, 7)
    assert ours.arrive(first) == ForEntry(RESPONSE, 7, len(first.payload))
    assert ours.arrive(replace(first, payload=sealed(FAILED, ALIAS))) == ForEntry(FAILED, 7, len(sealed(FAILED)))
    assert len(ours._hops) == len(ours._return_ids) == 1


def test_only_so_many_elements_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "CACHE", 3)
    ours = relay()
    for number in range(8):
        assert ours.arrive(answer(RESPONSE, number)) == ForEntry(RESPONSE, number, len(answer(RESPONSE).payload))
        assert len(ours._hops) <= 3
        assert len(ours._return_ids) <= 3


def test_an_element_longer_than_any_node_makes_is_read_but_not_remembered() -> None:
    ours = relay()
    plain = Hop(b"n" * (MAX_REMEMBERED + 1), PAYS(OURS.public_key), Component.HOPPER).encode()
    assert isinstance(ours.arrive(Package([USER.seal(OURS.public_key, plain), b"next"], b"x")), Relayed)
    assert not ours._hops


def test_what_was_opened_for_one_node_opens_nothing_for_another() -> None:
    package = answer(RESPONSE)
    relay().arrive(package)
    other = PackageRelay(keys(), ALIAS, Proofs(keys(), None), charges=True)
    with pytest.raises(CryptoError):
        other.arrive(package)
    with pytest.raises(CryptoError):
        relay().arrive(Package([os.urandom(200)], b""))
