"""What a Node is made of: each setting comes to the parts that it concerns, and they are joined with one another."""

from __future__ import annotations

import os

import pytest
from tests.node_ends import EPOCH, Nodes, One
from tests.secure_ends import DEV, keys

from masq.chain.wallet import Wallet
from masq.core.accountant.accountant import AccountantConfig, SavedState
from masq.core.build import NodeConfig, build_node
from masq.core.network.contacts import Contact
from masq.core.network.own_record import EXTENSIONS, Profile
from masq.core.node import Node
from masq.crypto import Keys, NullCryptDE
from masq.keccak import keccak256
from masq.types import NO_RATES, LinkPolicy, Mode, NodeAddress
from masq.wire.circuit import EXTENSION

WALLET = Wallet(keccak256(b"consuming"))


def made(
    own: Keys | None = None,
    mode: Mode = Mode.STANDARD,
    hops: int = 3,
    link_policy: LinkPolicy = LinkPolicy.AUTO,
    wallet: Wallet | None = WALLET,
    address: NodeAddress | None = NodeAddress("10.0.0.1", (6001,)),
    first_version: int = 0,
    saved: SavedState = SavedState(),
    contacts: tuple[Contact, ...] = (),
    past_neighbors: str | None = None,
) -> Node:
    profile = Profile(
        earning_wallet=b"e" * 20,
        rates=NO_RATES,
        accepts_connections=mode.accepts_connections,
        routes_data=mode.routes_data,
        country="NZ",
        address=address,
    )
    config = NodeConfig(
        keys=own or keys(),
        alias=keys(),
        mode=mode,
        profile=profile,
        wallet=wallet,
        accountant=AccountantConfig(earning_wallet=b"e" * 20, consuming_wallet=wallet.address if wallet else None),
        hops=hops,
        contacts=contacts,
        past_neighbors=past_neighbors,
        first_version=first_version,
        contract=DEV,
        link_policy=link_policy,
        epoch=EPOCH,
    )
    return build_node(config, saved, os.urandom, 0.0)


@pytest.mark.parametrize(
    ("mode", "exits", "relays", "hops"),
    [
        (Mode.STANDARD, True, True, 3),
        (Mode.ORIGINATE_ONLY, True, True, 3),
        (Mode.CONSUME_ONLY, False, False, 3),
        (Mode.ZERO_HOP, True, False, 0),
    ],
)
def test_a_mode_decides_what_is_done_for_others(mode: Mode, exits: bool, relays: bool, hops: int) -> None:
    node = made(mode=mode)
    assert (node.rules.exits, node.rules.relays, node.hops) == (exits, relays, hops)
    view = node.view(0.0)
    assert (view.mode, view.routes.hops) == (str(mode), hops)
    assert node.neighborhood.graph.root.routes_data is relays


def test_without_a_wallet_nothing_is_paid() -> None:
    assert made().rules.pays
    assert not made(wallet=None).rules.pays


def test_what_is_advertised_is_what_the_profile_says() -> None:
    node = made(first_version=7)
    root = node.neighborhood.graph.root
    assert (root.public_key, root.earning_wallet, root.country) == (node.keys.public_key, b"e" * 20, "NZ")
    assert root.extensions == EXTENSIONS
    assert root.version >= 7
    assert root.verify(node.keys)


@pytest.mark.parametrize("policy", LinkPolicy)
def test_who_speaks_json_only_advertises_no_circuits(policy: LinkPolicy) -> None:
    extensions = made(link_policy=policy).neighborhood.graph.root.extensions
    assert (EXTENSION in extensions) == (policy is not LinkPolicy.MASQ)
    assert "flow1" in extensions


def test_keys_that_can_not_prove_themselves_on_a_link_advertise_no_circuits() -> None:
    assert EXTENSION not in made(NullCryptDE(b"null keys")).neighborhood.graph.root.extensions


def test_a_node_that_listens_nowhere_names_no_port() -> None:
    for address, port in ((None, 0), (NodeAddress("10.0.0.1", (7000, 8000)), 7000)):
        node = made(address=address, mode=Mode.STANDARD if address else Mode.ORIGINATE_ONLY)
        assert node.links._port == port


def test_what_was_saved_is_remembered() -> None:
    node = made(saved=SavedState(banned=(b"b" * 20,)))
    assert node.accountant.is_delinquent(b"b" * 20)
    assert not node.accountant.is_delinquent(b"c" * 20)


def test_neighbors_of_before_are_contacts_after_those_that_are_named_and_none_of_a_node_that_is_its_own_exit() -> None:
    named = Contact(b"n" * 64, NodeAddress("10.0.0.2", (6001,)))
    saved = f"{(b'a' * 64).hex()}@10.0.0.2:7001,{(b'b' * 64).hex()}@10.0.0.3:7001"
    for mode, ips in ((Mode.STANDARD, ["10.0.0.2", "10.0.0.3"]), (Mode.ZERO_HOP, [])):
        contacts = made(mode=mode, contacts=(named,), past_neighbors=saved).neighborhood.contacts.by_ip
        assert list(contacts) == ips
        assert not contacts or contacts["10.0.0.2"].key == named.key


def test_a_circuit_goes_over_the_secure_link_to_its_node_and_no_other() -> None:
    nodes = Nodes()
    one, other, json = nodes.add(), nodes.add(), nodes.add(link_policy=LinkPolicy.MASQ)
    nodes.line(one, other)
    assert secure_link(one, other) == nodes.link(one, other)
    assert secure_link(one, json) is None, "it is not known"
    graph = one.node.neighborhood.graph
    graph.forget_address(other.node.keys.public_key)
    assert secure_link(one, other) is None, "its address is not known"
    nodes = Nodes()
    one, json = nodes.add(), nodes.add(link_policy=LinkPolicy.MASQ)
    nodes.line(one, json)
    assert secure_link(one, json) is None, "the link speaks JSON"


def secure_link(one: One, other: One) -> int | None:
    return one.node.own_circuits._ways.to(other.node.keys.public_key)


def test_all_parts_share_one_tab_and_one_row_of_sockets() -> None:
    node = made()
    assert node.package_entry._tab is node.package_exit._tab is node.own_circuits._tab is node.tab
    node.tab.earn(b"p" * 20, 5)
    node.flush(0.0)
    assert node.accountant.owed_by(b"p" * 20) == 5
    assert node.sockets.new() == 1
