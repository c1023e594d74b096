"""Scenarios L (neighborhood.md 11): a Node's life, and what is seen of it. Others are in tests/core, tests/settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.network_ends import ROOT, Ours, peers
from tests.node_ends import Nodes, events
from tests.settings.lines import valid

from masq.core.network.contacts import PATIENCE
from masq.core.network.neighborhood import REASONS
from masq.errors import SettingError
from masq.shell import runtime
from masq.shell.identity import VERSION_EPOCH, find_identity
from masq.shell.store import Store
from masq.sim.workloads.application import Application
from masq.sim.workloads.browsing import Echo
from masq.sim.world import World
from masq.types import Mode
from masq.wire.message import GossipFailure

ALPHA, BETA = peers(2)
HOST, OTHER = peers(2, 30)
STAGES = ["NotConnected", "ConnectedToNeighbor", "RouteFound"]


def test_L3_B10_contacts_that_refuse_are_warned_of_with_their_reason_and_asked_again() -> None:
    """0.9.1 ends with the last one: who is full now has room in a minute."""
    ours = Ours(HOST.contact(), OTHER.contact())
    ours.starts()
    for peer in (HOST, OTHER):
        ours.hears_failure(peer)
    assert [log.level for log in ours.logs] == ["warning"] * 2
    assert all(REASONS[GossipFailure.NO_SUITABLE_NEIGHBORS] in log.detail for log in ours.logs)
    assert {tell.key for tell in ours.waits(2.0)} == {HOST.key, OTHER.key}


def test_L6_who_is_linked_both_ways_is_connected_and_no_sooner() -> None:
    nodes = Nodes()
    first = nodes.add(hops=3)
    second = nodes.add(hops=3, contacts=[first])
    stages = []
    for one in nodes.all:
        nodes.do(one, one.node.start(nodes.now))
        stages.append(second.node.stage)
    for _ in range(20):
        nodes.run(0.1)
        stages.append(second.node.stage)
        graph = second.node.neighborhood.graph
        assert (stages[-1] == "ConnectedToNeighbor") == bool(graph.full_neighbors(graph.root_key))
    assert list(dict.fromkeys(stages)) == STAGES[:2]
    assert "route" not in events(second)


def test_L7_who_is_passed_on_has_no_neighbor_yet_and_asks_there_before_it_asks_here_again() -> None:
    ours = Ours(HOST.contact())
    ours.starts()
    (debut,) = ours.hears(HOST, ALPHA.shown())
    assert (debut.key, ours.full) == (ALPHA.key, [])
    assert [tell for tell in ours.waits(PATIENCE - 0.1) if tell.key == HOST.key] == []
    ours.hears(ALPHA, ALPHA.shown(ours.key))
    assert ours.full == [ALPHA.key]


def test_L8_a_neighbor_stays_one_whatever_another_contact_says() -> None:
    ours = Ours(HOST.contact(), OTHER.contact())
    ours.starts()
    ours.hears(HOST, HOST.shown(ours.key))
    ours.hears(OTHER, ALPHA.shown())
    ours.hears_failure(OTHER)
    assert ours.full == [HOST.key]


@pytest.mark.parametrize("hops", range(1, 7))
def test_L10_at_the_end_of_a_chain_of_as_many_hops_there_is_a_route_and_it_is_told_once(hops: int) -> None:
    nodes = Nodes()
    chain = [nodes.add(hops=hops) for _ in range(hops + 1)]
    nodes.line(*chain)
    user = chain[0]
    assert user.node.stage == "RouteFound"
    assert user.node._scanning, "the books are settled from now on"
    nodes.learn(*chain, extensions=("flow1", "circuit1"))
    nodes.run(0.01)
    assert user.node.stage == "RouteFound"
    assert "route" not in events(user), "nothing has changed"


def test_B11_who_loses_its_neighbors_is_told_to_be_connected_no_more() -> None:
    nodes = Nodes()
    user, other = nodes.add(), nodes.add()
    nodes.line(user, other)
    assert user.node.stage == "RouteFound"
    nodes.cut(user, other)
    assert user.node.stage == "NotConnected"
    assert events(user).count("route") == 1


def test_L11_a_chain_of_five_holds_no_route_of_five_hops() -> None:
    nodes = Nodes()
    chain = [nodes.add(hops=5) for _ in range(5)]
    nodes.line(*chain)
    nodes.run(1.0)
    assert chain[0].node.stage == "ConnectedToNeighbor"
    assert "route" not in events(chain[0])


def test_L13_who_is_started_again_without_contacts_asks_the_neighbors_it_had() -> None:
    world = World(1)
    world.join(6)
    world.run(10)
    user = world.hosts[0]
    graph = user.node.neighborhood.graph
    before = {graph.address(record.public_key) for record in graph.full_neighbors(graph.root_key)}
    user.crash()
    world.run(30)
    again = world.add(replacing=user)
    assert {contact.address for contact in again.node.neighborhood.contacts.by_ip.values()} == before
    world.run(5)
    graph = again.node.neighborhood.graph
    assert graph.full_neighbors(graph.root_key)
    assert again.node.has_route


@pytest.mark.parametrize("mode", [Mode.CONSUME_ONLY, Mode.ORIGINATE_ONLY])
def test_L13_who_has_no_listener_browses_at_once_when_it_is_started_again(mode: Mode) -> None:
    world = World(2)
    world.join(8)
    world.servers["echo.test", 7] = Echo
    user = world.add(world.hosts[:2], mode=mode)
    world.run(20)
    assert user.node.has_route
    user.crash()
    world.run(30)
    again, client = world.add(mode=mode, replacing=user), Application()
    assert world.run_until(lambda: again.node.has_route, 2)
    again.open(client, "echo.test", 7)
    client.send(b"hello")
    assert world.run_until(lambda: client.received == b"hello", 2)


def test_L13_without_a_listener_somebody_has_to_be_known(tmp_path: Path) -> None:
    store = Store.open(tmp_path, None)
    lost = replace(valid(), neighborhood_mode=Mode.CONSUME_ONLY)
    with pytest.raises(SettingError, match="no neighbor of before is known"):
        runtime._past_neighbors(lost, store)
    store.set("past_neighbors", f"{ALPHA.key.hex()}@{ALPHA.address.endpoint}")
    assert runtime._past_neighbors(lost, store) == store.get("past_neighbors")
    assert runtime._past_neighbors(valid(), store) == store.get("past_neighbors")
    store.close()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_L14_five_that_join_one_by_one_have_two_to_five_neighbors_each(seed: int) -> None:
    world = World(seed)
    world.join(5)
    world.run(2)
    degrees = [len(host.node.neighborhood.graph.full_neighbors(host.node.keys.public_key)) for host in world.hosts]
    assert all(2 <= degree <= 5 for degree in degrees)


def test_L15_L16_a_lone_node_is_not_connected_then_connected_then_has_a_route() -> None:
    world = World(4)
    first = world.add()
    world.run(5)
    stages = [first.node.stage]
    assert stages == ["NotConnected"]
    for _ in range(4):
        world.add(world.hosts[-1:])
        for _ in range(20):
            world.run(0.1)
            stages.append(first.node.view(world.now).stage)
    assert list(dict.fromkeys(stages)) == STAGES


def test_L17_B19_who_is_at_another_address_says_so_and_its_ports_stay() -> None:
    """0.9.1 says it without a new version, and so is not believed by who knows it; it never notices it later."""
    abroad = {"198.51.100.7": "AU"}
    ours = Ours(ALPHA.contact(), country_of=abroad.get)
    ours.starts()
    ours.is_seen(BETA, ROOT.ip)
    ours.loses(BETA)
    before = ours.record
    ours.is_seen(ALPHA, "198.51.100.7")
    address = ours.graph.root_address
    assert address
    assert (address.ip, address.ports) == ("198.51.100.7", ROOT.address.ports)
    assert ours.graph.at("198.51.100.7") == ours.key
    assert (before.country, ours.record.country) == (None, "AU")
    assert ours.record.version == before.version + 1, "what is signed is another record"


def test_L18_B1_a_kept_key_comes_back_with_a_version_above_all_before_whatever_the_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = VERSION_EPOCH + 1_000.0
    monkeypatch.setattr("masq.shell.identity.time.time", lambda: clock)
    settings, last, known = valid(db_password="secret"), -1, None
    for put_back in (0.0, 0.0, 1.0, 10_000.0, -1e8):
        clock -= put_back
        store = Store.open(tmp_path, "secret")
        identity = find_identity(settings, store)
        version = identity.first_version
        store.close()
        assert version > last
        assert known in (None, identity.keys.public_key)
        known = identity.keys.public_key
        last = version + 50  # As many changes, in no time.
    assert last == 1_000 - 10_001 + 10**8 + 50, "most often the clock says it"
