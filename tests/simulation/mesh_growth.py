"""Meshes that grow, shrink and come together: what scenarios say of them."""

from __future__ import annotations

import random
from collections import Counter

from masq.sim.host import SimNode
from masq.sim.world import World


def neighbors_of(world: World, host: SimNode) -> list[SimNode]:
    """Living Nodes that a Node and they both call full neighbors."""
    by_key = {other.node.keys.public_key: other for other in world.hosts if other.alive}
    graph = host.node.neighborhood.graph
    found = [by_key.get(record.public_key) for record in graph.full_neighbors(graph.root_key)]
    return [other for other in found if other and graph.root_key in other.node.neighborhood.graph.root.neighbors]


def components(world: World) -> list[int]:
    """How many living Nodes hang together, the largest part first."""
    left = {host.number: host for host in world.hosts if host.alive}
    sizes = []
    while left:
        edge = [left.popitem()[1]]
        size = 0
        while edge:
            size += 1
            for other in neighbors_of(world, edge.pop()):
                if left.pop(other.number, None) is not None:
                    edge.append(other)
        sizes.append(size)
    return sorted(sizes, reverse=True)


def degrees(world: World) -> dict[int, int]:
    """How many living Nodes have how many full neighbors."""
    counts = Counter(len(neighbors_of(world, host)) for host in world.hosts if host.alive)
    return dict(sorted(counts.items()))


def grow(seed: int, count: int, known: int | None, every: float = 0.5) -> World:
    """A mesh whose Nodes join one after the other: by so many random ones, or all by the first (None)."""
    world, chance = World(seed), random.Random(seed)
    for _ in range(count):
        there = world.hosts[:1] if known is None else chance.sample(world.hosts, min(known, len(world.hosts)))
        world.add(there)
        world.run(every)
    return world


def told(world: World) -> str:
    """What there is to say of a mesh, in a line."""
    living = [host for host in world.hosts if host.alive]
    routes = sum(host.node.has_route for host in living)
    return f"parts {components(world)}, full neighbors {degrees(world)}, {routes} of {len(living)} have a route"
