"""Streams with an exit of 0.9.1, which knows no credit, over links that are slower than it: nothing is dropped."""

from __future__ import annotations

import pytest
from tests.simulation.circuit_worlds import client

from masq.core.effects import Log
from masq.core.links.pressure import FULL
from masq.core.packages.entry import Way
from masq.sim.host import SimNode
from masq.sim.network import Conditions
from masq.sim.workloads.browsing import Download, Echo, content_of
from masq.sim.world import World

SIZE = 24_000_000
"""Bytes: more than twice what may wait for one route, on the wire."""
FAST, SLOW = 25_000_000.0, 4_000_000.0
"""Bytes per second, of all links, and of the one Node's."""
POLICIES = [{"link_policy": "masq"}, {"package_policy": "masq"}]


def network(monkeypatch: pytest.MonkeyPatch, policy: dict[str, str]) -> World:
    """Who asks takes exits for those of 0.9.1, and grants no credit: so no exit keeps to any."""
    monkeypatch.setattr(Way, "has_credit", False)
    world = World(77)
    world.join(12, 0.5, **policy)
    world.run(30)
    world.network.conditions = Conditions(bandwidth=FAST)
    world.servers |= {("files.test", 80): Download, ("echo.test", 7): Echo}
    return world


def at(world: World, user: SimNode, position: int) -> SimNode:
    """A Node of the route of the user's first stream."""
    stream = next(iter(user.node.package_entry))
    key = stream.way.route.over[position]
    return next(host for host in world.hosts if host.node.keys.public_key == key)


def lost(world: World) -> list[str]:
    return [
        log.detail for host in world.hosts for log in host.logs if isinstance(log, Log) and log.event == "queue_full"
    ]


@pytest.mark.parametrize("position", [1, 2], ids=["last relay", "relay between"])
@pytest.mark.parametrize("policy", POLICIES, ids=["json", "secure"])
def test_a_large_download_over_a_slow_relay_arrives_whole(
    monkeypatch: pytest.MonkeyPatch, policy: dict[str, str], position: int
) -> None:
    world = network(monkeypatch, policy)
    user = world.hosts[4]
    first = client(user, "files.test", 80, b"20\n")
    assert world.run_until(lambda: len(first.received) == 20, 5)
    at(world, user, position).links.bandwidth = SLOW
    download = client(user, "files.test", 80, b"%d\n" % SIZE)
    most = 0
    for _ in range(200):
        world.run(0.1)
        most = max(most, *(link.queued for host in world.hosts for link in host.node.links))
        if download.ended or download.closed:
            break
    print(f"at most {most / 1e6:.1f} MB waited at one link; {world.now:.1f} s")
    assert lost(world) == []
    assert download.received == content_of(SIZE), download.reason
    assert FULL < most < 3 * FULL
