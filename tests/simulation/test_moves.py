"""A Node whose public IP address changes while it runs, as many a line's does at night: those whom it dials tell it."""

from __future__ import annotations

from tests.simulation.circuit_worlds import client, network

from masq.core.effects import Log
from masq.errors import UnavailableError
from masq.sim.host import SimNode
from masq.sim.world import World

SOON = 60.0
"""Virtual seconds in which traffic is to be back."""


def fetches(world: World, host: SimNode, group: str) -> bool:
    try:
        one = client(host, "files.test", 80, b"20\n", group)
    except UnavailableError:
        return False
    world.run_until(lambda: one.ended or one.closed, 20)
    return len(one.received) == 20


def test_its_traffic_is_back_soon_and_others_find_it_at_its_new_address() -> None:
    world = network(170, 20)
    host = world.hosts[9]
    assert fetches(world, host, "before")
    before = host.node.neighborhood.graph.root_address
    assert before is not None
    host.move("10.7.7.7")
    begun = world.now
    tries = 0
    while not fetches(world, host, f"try {tries}") or not host.node.has_route:
        tries += 1
        assert world.now - begun < SOON
        world.run(1)
    print(f"traffic is back after {world.now - begun:.1f} s")
    assert world.run_until(lambda: host.node.neighborhood.graph.root_address.ip == "10.7.7.7", SOON)  # type: ignore[union-attr]
    assert any(isinstance(log, Log) and log.event == "moved" for log in host.logs)
    key = host.node.keys.public_key
    world.run_until(lambda: len(host.node.neighborhood.graph.full_neighbors(key)) >= 3, SOON)
    graph = host.node.neighborhood.graph
    assert len(graph.full_neighbors(key)) >= 3
    full = {record.public_key for record in graph.full_neighbors(key)}
    world.run(10)
    at = [other.node.neighborhood.graph.address(key) for other in world.hosts if other.node.keys.public_key in full]
    assert {address.ip for address in at if address} == {"10.7.7.7"}
    print(f"everything is as before after {world.now - begun:.1f} s")
    assert all(fetches(world, other, "after") for other in world.hosts)
