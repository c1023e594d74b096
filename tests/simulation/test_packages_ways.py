"""Streams over packages when Nodes of their route die: nobody answers for them, gossip tells (protocol.md 8.5)."""

from __future__ import annotations

import pytest
from tests.simulation.circuit_worlds import client

from masq.core.effects import Log
from masq.sim.host import SimNode
from masq.sim.workloads.application import Application
from masq.sim.workloads.browsing import Download, Echo
from masq.sim.world import World

KINDS = pytest.mark.parametrize("policy", [{"link_policy": "masq"}, {"package_policy": "masq"}], ids=["json", "secure"])
SIZE = 2 * 1024 * 1024
SOON = 5.0
"""Virtual seconds to the end of a small download."""


def network(seed: int, policy: dict[str, str]) -> World:
    world = World(seed)
    world.join(14, 0.5, **policy)
    world.run(30)
    world.servers |= {("files.test", 80): Download, ("echo.test", 7): Echo}
    return world


@pytest.mark.parametrize("position", [2, 3])
@KINDS
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


def route(world: World, user: SimNode) -> list[SimNode]:
    """The Nodes of the way that the user's streams go now, from its own to the exit."""
    before = client(user, "files.test", 80, b"20\n", "group")
    assert world.run_until(lambda: len(before.received) == 20, SOON)
    (way,) = user.node.package_entry._shared.values()
    by_key = {host.node.keys.public_key: host for host in world.hosts}
    return [by_key[key] for key in way.route.over]


def eight(world: World, user: SimNode) -> list[Application]:
    """Streams whose bytes are under way at all Nodes of a route."""
    streams = [client(user, "files.test", 80, b"%d\n" % SIZE, "group") for _ in range(8)]
    world.run(3.0)
    assert 0 < max(len(each.received) for each in streams) < SIZE
    return streams


def assert_none_stands_still(world: World, streams: list[Application]) -> None:
    assert world.run_until(lambda: all(len(each.received) == SIZE or each.failure for each in streams), 60)


@KINDS
def test_no_stream_stands_still_when_two_relays_lose_their_link(policy: dict[str, str]) -> None:
    """They find each other again within a second, and nobody learns whose packages were lost."""
    world = network(191, policy)
    user = world.hosts[6]
    _, one, other, _ = route(world, user)
    other.links.bandwidth = 1_000_000
    streams = eight(world, user)
    for wire in [wire for wire in one.links if wire.other.owner is other.links]:
        wire.cut()
    assert_none_stands_still(world, streams)
    assert any(each.failure for each in streams)
    other.links.bandwidth = None
    after = client(user, "files.test", 80, b"20\n", "group")
    assert world.run_until(lambda: len(after.received) == 20, 2 * SOON)


@KINDS
@pytest.mark.parametrize("position", [1, 2, 3])
def test_no_stream_stands_still_when_a_node_of_the_route_dies(policy: dict[str, str], position: int) -> None:
    world = network(191, policy)
    user = world.hosts[6]
    way = route(world, user)
    way[min(position, 2)].links.bandwidth = 1_000_000
    streams = eight(world, user)
    way[position].crash()
    assert_none_stands_still(world, streams)


@KINDS
def test_many_streams_at_once_lose_nothing_at_a_slow_relay(policy: dict[str, str]) -> None:
    world = network(191, policy)
    user = world.hosts[6]
    way = route(world, user)
    way[1].links.bandwidth = 4_000_000
    streams = [client(user, "files.test", 80, b"%d\n" % SIZE, "group") for _ in range(20)]
    assert world.run_until(lambda: all(len(each.received) == SIZE for each in streams), 60)
    assert not [log for log in way[1].logs if isinstance(log, Log) and log.event == "queue_full"]


@KINDS
def test_a_server_that_takes_its_time_is_asked_once(policy: dict[str, str]) -> None:
    asked: list[Application] = []

    class Slow(Application):
        def begun(self) -> None:
            asked.append(self)

    world = network(191, policy)
    world.servers["slow.test", 80] = Slow
    user = world.hosts[6]
    waiting = client(user, "slow.test", 80, b"POST /", "group")
    world.run(50.0)
    (server,) = asked
    server.send(b"page")
    assert world.run_until(lambda: waiting.received == b"page", SOON)
