"""Wires between Nodes: who has which, and what is left of them when they end."""

from __future__ import annotations

import pytest

from masq.sim.network import Conditions, NodeLinks
from masq.sim.world import World


def world_of(count: int, seed: int = 1) -> World:
    world = World(seed)
    world.join(count)
    world.run(10)
    return world


def agree(world: World) -> bool:
    """Whether each wire is at a Node that knows it, and leads to one that knows its other end."""
    return all(
        wire.open and wire.owner is host.links and wire.other.owner.wires[wire.other.link] is wire.other
        for host in world.hosts
        for wire in host.links
    )


def peers(links: NodeLinks) -> set[str]:
    return {wire.other.owner.ip for wire in links}


def test_each_node_has_the_wires_that_its_core_has_links_for() -> None:
    world = world_of(6)
    assert agree(world)
    for host in world.hosts:
        assert set(host.links.wires) == {link.id for link in host.node.links}
        assert peers(host.links)


def test_a_node_that_loses_its_links_has_none_and_its_peers_have_none_to_it() -> None:
    world = world_of(6)
    world.hosts[2].lose_links()
    assert not list(world.hosts[2].links)
    assert not any(world.hosts[2].ip in peers(host.links) for host in world.hosts)
    assert agree(world)


def test_peers_hear_of_a_crash_after_the_latency() -> None:
    world = world_of(6)
    gone = world.hosts[3]
    knew = peers(gone.links)
    gone.crash()
    assert not list(gone.links)
    assert {host.ip for host in world.hosts if gone.ip in peers(host.links)} == knew
    world.run(1)
    assert not any(gone.ip in peers(host.links) for host in world.hosts)
    assert agree(world)


@pytest.mark.parametrize("seed", range(3))
def test_wires_that_break_all_the_time_are_forgotten_at_both_ends(seed: int) -> None:
    world = world_of(6, seed)
    world.network.conditions = Conditions(break_every=0.2, refuse=0.3, split=True)
    for _ in range(20):
        world.run(1)
        assert all(wire.open and wire.owner is host.links for host in world.hosts for wire in host.links)
    world.network.conditions = Conditions()
    world.run(60)
    assert agree(world)
    assert all(host.node.has_route for host in world.hosts)
