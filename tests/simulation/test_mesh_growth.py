"""Issue 10, 1: meshes grow from one Node, or by random ones; figures in neighborhood.md."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.simulation.mesh_growth import components, degrees, grow, told

LONG = pytest.mark.mesh_long


@pytest.mark.parametrize(
    ("count", "seed"),
    [(40, 1), *(pytest.param(60, seed, marks=LONG) for seed in range(1, 21)), pytest.param(150, 1, marks=LONG)],
)
def test_all_join_by_one_bootstrap_node(count: int, seed: int, tell: Callable[[str], None]) -> None:
    world = grow(seed, count, None)
    world.run(60)
    tell(f"{count} by one, seed {seed}: {told(world)}")
    assert components(world) == [count]
    # At the rim somebody may know so few Nodes that it takes the network for a small one, and two for enough.
    assert min(degrees(world)) >= 2
    assert degrees(world).get(2, 0) <= count // 20
    assert max(degrees(world)) <= 5
    assert all(host.node.has_route for host in world.hosts)


@pytest.mark.parametrize("known", [1, 2])
@pytest.mark.parametrize(("count", "seed"), [(30, 2), *(pytest.param(100, seed, marks=LONG) for seed in range(1, 21))])
def test_all_join_by_random_nodes(known: int, count: int, seed: int, tell: Callable[[str], None]) -> None:
    world = grow(seed, count, known)
    world.run(60)
    tell(f"{count} by {known} random, seed {seed}: {told(world)}")
    assert components(world) == [count]
    # At the rim somebody may know so few Nodes that it takes the network for a small one, and two for enough.
    assert min(degrees(world)) >= 2
    assert degrees(world).get(2, 0) <= count // 20
    assert max(degrees(world)) <= 5
    assert all(host.node.has_route for host in world.hosts)


@pytest.mark.parametrize(("count", "seed"), [(24, 3), *(pytest.param(24, seed, marks=LONG) for seed in range(4, 23))])
def test_who_is_left_when_a_third_is_killed_hangs_together(count: int, seed: int, tell: Callable[[str], None]) -> None:
    world = grow(seed, count, 2)
    world.run(30)
    for victim in world.random.sample(world.hosts, count * 3 // 10):
        victim.crash()
    world.run(60)
    tell(f"30 % of {count} killed, seed {seed}: {told(world)}")
    assert components(world) == [count - count * 3 // 10]
    assert all(host.node.has_route for host in world.hosts if host.alive)
