"""A Node of which nothing comes any more, and no reset: others go on without it (protocol.md 15.2, 15.4)."""

from __future__ import annotations

import statistics

import pytest
from tests.simulation.circuit_worlds import client, network

from masq.sim.host import SimNode
from masq.sim.workloads.application import Application
from masq.sim.world import World

SIZE = 20
FIRST_BYTE = 2.0
"""Virtual seconds to the first byte that 19 of 20 streams may take."""
OUT = 5.0
"""Virtual seconds after which nobody who has sent to it lists a silent Node."""
IDLE = 20.0
"""The same for who hasn't."""


def fetched(world: World, host: SimNode, group: str) -> float:
    """Seconds until a stream's first byte."""
    begun = world.now
    one: Application = client(host, "files.test", 80, b"%d\n" % SIZE, group)
    assert world.run_until(lambda: bool(one.received), 60), one.reason
    return world.now - begun


@pytest.mark.parametrize("seed", [150, 151, 152])
def test_new_streams_get_around_a_node_that_goes_silent(seed: int) -> None:
    world = network(seed, 20)
    users = world.hosts[:20]
    for host in users:
        fetched(world, host, "before")
    # Who carries most: those that go on have most to lose.
    gone = max(users, key=lambda host: len(list(host.node.circuits)))
    others = [host for host in users if host is not gone]
    gone.links.silent = True
    begun = world.now
    started = [(host, client(host, "files.test", 80, b"%d\n" % SIZE, "before")) for host in others]
    took: dict[SimNode, float] = {}

    def all_have() -> bool:
        took.update({host: world.now - begun for host, one in started if one.received and host not in took})
        return len(took) == len(others)

    assert world.run_until(all_have, 60)
    times = sorted(took.values())
    p95 = statistics.quantiles(times, n=20)[-1]
    usual = statistics.median(times)
    print(f"seed {seed}: first byte {usual:.2f} s in the median, {p95:.2f} at p95, {times[-1]:.2f} at most")
    assert p95 <= FIRST_BYTE


def test_a_silent_node_is_on_nobody_s_routes_soon() -> None:
    world = network(153, 20)
    users = world.hosts[:20]
    gone = max(users, key=lambda host: len(list(host.node.circuits)))
    key = gone.node.keys.public_key
    near = [host for host in users if key in host.node.neighborhood.graph.root.neighbors]
    assert near
    gone.links.silent = True
    begun = world.now
    for host in near:
        for number in range(8):
            client(host, "files.test", 80, b"20\n", f"group {number}")
    used = [host for host in near if any(own.route.over[1] == key for own in host.node.own_circuits)]
    assert used

    def listed(hosts: list[SimNode]) -> bool:
        return any(key in host.node.neighborhood.graph.root.neighbors for host in hosts)

    assert world.run_until(lambda: not listed(used), OUT)
    print(f"who had sent to it lists it no more after {world.now - begun:.1f} s")
    assert world.run_until(lambda: not listed(near), IDLE)
    print(f"nobody does after {world.now - begun:.1f} s")
    world.run(2)
    drawn = [way for host in users if host is not gone for way in (host.node.routes.find(3, 1_000).over,)]
    assert not any(key in way for way in drawn)
