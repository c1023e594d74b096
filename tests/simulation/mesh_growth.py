"""Meshes that grow, shrink and come together: what scenarios say of them."""

from __future__ import annotations

import random

from masq.sim import mesh
from masq.sim.host import SimNode
from masq.sim.world import World


def neighbors_of(world: World, host: SimNode) -> list[int]:
    """Numbers of living Nodes that a Node and they both call full neighbors."""
    return mesh.graph_of(world.hosts)[host.number]


def components(world: World) -> list[int]:
    """How many living Nodes hang together, the largest part first."""
    return mesh.parts(mesh.graph_of(world.hosts))


def degrees(world: World) -> dict[int, int]:
    """How many living Nodes have how many full neighbors."""
    return mesh.degrees(mesh.graph_of(world.hosts))


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
