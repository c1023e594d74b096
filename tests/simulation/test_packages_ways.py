"""Streams over packages when Nodes of their route die: nobody answers for them, gossip tells (protocol.md 8.5)."""

from __future__ import annotations

import pytest
from tests.simulation.circuit_worlds import client

from masq.sim.workloads.browsing import Download, Echo
from masq.sim.world import World

SOON = 5.0
"""Virtual seconds to the end of a small download."""


def network(seed: int, policy: dict[str, str]) -> World:
    world = World(seed)
    world.join(14, 0.5, **policy)
    world.run(30)
    world.servers |= {("files.test", 80): Download, ("echo.test", 7): Echo}
    return world


@pytest.mark.parametrize("position", [2, 3])
@pytest.mark.parametrize("policy", [{"link_policy": "masq"}, {"package_policy": "masq"}], ids=["json", "secure"])
def test_a_stream_that_begins_after_a_node_of_the_route_has_died_takes_another(
    policy: dict[str, str], position: int
) -> None:
    world = network(191, policy)
    user = world.hosts[6]
    before = client(user, "files.test", 80, b"20\n", "group")
    assert world.run_until(lambda: len(before.received) == 20, SOON)
    (way,) = user.node.package_entry._shared.values()
    gone = next(host for host in world.hosts if host.node.keys.public_key == way.route.over[position])
    gone.crash()
    # One that begins at once has heard nothing when gossip comes, and goes another way then.
    for wait in (0.0, 2.0):
        world.run(wait)
        after = client(user, "files.test", 80, b"20\n", "group")
        assert world.run_until(lambda one=after: len(one.received) == 20, SOON), after.reason  # type: ignore[misc]
        *_, latest = user.node.package_entry
        assert gone.node.keys.public_key not in latest.way.route.over
