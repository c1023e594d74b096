"""One of ours joins Nodes of 0.9.1, as whoever's Nodes are on the way there."""

from __future__ import annotations

import pytest
from tests.old_node import OldNode
from tests.simulation.old_world import OldHost, as_contacts, old_mesh

from masq.sim.host import SimNode
from masq.sim.world import World
from masq.types import Mode


def debuts(old: OldHost, host: SimNode) -> int:
    """How often a Node has sent its record alone to one of 0.9.1."""
    node: OldNode = old.node
    key = host.node.keys.public_key
    return sum([item.record.public_key for item in gossip.records] == [key] for gossip in node.heard)


@pytest.mark.parametrize("mode", [Mode.STANDARD, Mode.ORIGINATE_ONLY, Mode.CONSUME_ONLY])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_gets_the_introducer_and_the_introducee_and_debuts_to_each_once(mode: Mode, seed: int) -> None:
    """The attempt at a secure link takes 2 s with who knows none: nothing is said twice meanwhile. The introducee's
    record says how to speak to it, so there is none with that one, and it hears of us by ourselves first."""
    world = World(seed)
    old = old_mesh(world, 4)
    host = world.add(as_contacts(old[seed]), mode=mode)
    graph = host.node.neighborhood.graph
    assert world.run_until(lambda: len(graph.full_neighbors(graph.root_key)) >= 2, 2.5), "0.5 s after the attempt"
    assert old[seed].node.key in {record.public_key for record in graph.full_neighbors(graph.root_key)}
    world.run(10)
    assert [debuts(each, host) for each in old if debuts(each, host)] in ([1, 1], [1, 1, 1])
    assert not any(each.node.overlooked for each in old)


def linked(one: SimNode, other: SimNode) -> bool:
    """Whether each lists the other, and a secure link stands."""
    node, key = one.node, other.node.keys.public_key
    graph = node.neighborhood.graph
    return graph.is_full(graph.root_key, key) and any(link.key == key for link in node.links)


MODES = [(Mode.STANDARD, Mode.STANDARD), (Mode.CONSUME_ONLY, Mode.STANDARD), (Mode.STANDARD, Mode.ORIGINATE_ONLY)]


@pytest.mark.parametrize("modes", MODES)
@pytest.mark.parametrize("seed", [1, 2])
def test_two_of_ours_that_share_a_neighbor_of_0_9_1_alone_link_up(seed: int, modes: tuple[Mode, Mode]) -> None:
    world = World(seed)
    old = old_mesh(world, 4)
    one, other = (world.add(as_contacts(old[at]), mode=mode) for at, mode in zip((0, 2), modes, strict=True))
    world.run(1)
    assert not linked(one, other)
    assert world.run_until(lambda: linked(one, other) and linked(other, one), 60)
    print(f"after {world.now:.1f} s")
    world.run(120)
    assert linked(one, other)
