"""Packages that arrive: what costs somebody something is taken once (protocol.md 8.2)."""

from __future__ import annotations

import os

import pytest
from tests.secure_ends import keys

from masq.chain.wallet import Wallet
from masq.core.limits import PACKAGES_FOR
from masq.core.packages import relay
from masq.core.packages.relay import ForExit, ForNeighborhood, PackageRelay, Relayed, Repeated, Seen
from masq.core.proofs import Proofs, Unpaid
from masq.crypto import CryptDE
from masq.keccak import keccak256
from masq.wire.message import ClientRequest, GossipFailure, SequencedPacket, encode_message
from masq.wire.package import Component, Hop, Package, Payer, shift, single_hop

WALLET = Wallet(keccak256(b"who pays"))
US, NEXT, USER = keys(), keys(), keys()


def a_relay() -> PackageRelay:
    return PackageRelay(US, keys(), Proofs(US, None), charges=True)


def payer() -> Payer:
    return Payer.sign(WALLET, US.digest_of(US.public_key))


def to_relay(payload: bytes = b"sealed") -> Package:
    """A package that goes on to another Node."""
    element = USER.seal(US.public_key, Hop(NEXT.public_key, payer(), Component.HOPPER).encode())
    return Package([element, b"of the next", os.urandom(len(element))], payload)


def for_exit(payer: Payer | None) -> Package:
    request = ClientRequest(b"k" * 20, SequencedPacket(0, b"GET", False), "a.test", 80, "HTTP", USER.public_key)
    element = USER.seal(US.public_key, Hop(NEXT.public_key, payer, Component.PROXY_CLIENT).encode())
    return Package([element, b"of the next"], USER.seal(US.public_key, encode_message(request)))


def test_a_package_to_pass_on_is_taken_once_and_others_of_its_stream_are_taken() -> None:
    relay = a_relay()
    package = to_relay()
    assert isinstance(relay.arrive(package), Relayed)
    for _ in range(100):
        with pytest.raises(Repeated):
            relay.arrive(package)
    assert isinstance(relay.arrive(Package(package.hops, b"the next one")), Relayed)


def test_garbage_behind_the_route_makes_no_new_package_of_it() -> None:
    relay = a_relay()
    package = to_relay()
    relay.arrive(package)
    with pytest.raises(Repeated):
        relay.arrive(Package([*package.hops[:-1], os.urandom(90)], package.payload))


def test_a_request_is_served_once() -> None:
    relay = a_relay()
    package = for_exit(payer())
    assert isinstance(relay.arrive(package), ForExit)
    with pytest.raises(Repeated):
        relay.arrive(package)


def test_what_is_not_paid_for_is_not_remembered() -> None:
    relay = a_relay()
    for _ in range(3):
        with pytest.raises(Unpaid):
            relay.arrive(for_exit(None))
    assert not len(relay._seen)


def test_gossip_costs_nobody_anything_and_may_come_again() -> None:
    relay = a_relay()
    sender = CryptDE(bytes(20), os.urandom)
    route = shift([b"first", *single_hop(sender, US.public_key)], sender)
    package = Package(route, sender.seal(US.public_key, encode_message(GossipFailure.NO_NEIGHBORS)))
    for _ in range(3):
        assert isinstance(relay.arrive(package), ForNeighborhood)


def test_packages_are_remembered_for_a_minute_at_least_and_two_at_most() -> None:
    seen = Seen()
    seen.tick(1_000.0)
    assert seen.add(b"element", b"payload")
    seen.tick(1_000.0 + PACKAGES_FOR)
    seen.tick(1_000.0 + 2 * PACKAGES_FOR - 1)
    assert not seen.add(b"element", b"payload")
    seen.tick(1_000.0 + 2 * PACKAGES_FOR)
    assert seen.add(b"element", b"payload")


def test_so_many_packages_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "MAX_PACKAGES", 10)
    seen = Seen()
    for number in range(1_000):
        assert seen.add(b"", b"%d" % number)
        assert not seen.add(b"", b"%d" % number)
    assert len(seen) <= 20
    assert not seen.add(b"", b"990")
