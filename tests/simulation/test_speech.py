"""Networks of Nodes that speak JSON only, secure links only, or both: all get along, and none breaks its policy."""

from __future__ import annotations

from functools import partial

import pytest

from masq.core.effects import WriteLink
from masq.core.node import NodeEffect
from masq.sim.host import SimNode
from masq.sim.workloads.application import Application
from masq.sim.workloads.browsing import Download, Echo, content_of
from masq.sim.world import World
from masq.wire.secure_link import MAGIC


class OverheardWorld(World):
    """Remembers who has spoken JSON, and who has begun a secure link."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.json: set[int] = set()
        self.secure: set[int] = set()

    def note(self, number: int, effect: NodeEffect) -> None:
        super().note(number, effect)
        if isinstance(effect, WriteLink):
            for head, speakers in ((b'{"bodyData":"', self.json), (MAGIC, self.secure)):
                if bytes(effect.data[: len(head)]) == head:
                    speakers.add(number)


def both_are_served(echo: Application, download: Application) -> bool:
    return echo.received == b"hello" and download.ended


def network(seed: int, policies: list[str]) -> OverheardWorld:
    world = OverheardWorld(seed)
    for policy in policies:
        world.add(world.hosts[-2:], link_policy=policy)
        world.run(0.5)
    world.run(30)
    world.servers |= {("echo.test", 7): Echo, ("files.test", 80): Download}
    return world


def assert_streams_work(world: World, hosts: list[SimNode]) -> None:
    for host in hosts:
        echo, download = Application(), Application()
        host.open(echo, "echo.test", 7)
        echo.send(b"hello")
        host.open(download, "files.test", 80)
        download.send(b"100000\n")
        assert world.run_until(partial(both_are_served, echo, download), 60)
        assert download.received == content_of(100_000)


MIXED = ["auto", "masq"] * 4


@pytest.mark.parametrize("seed", [51, 52])
def test_nodes_of_json_only_and_of_both_kinds_make_one_network(seed: int) -> None:
    world = network(seed, MIXED)
    only, both = world.hosts[1::2], world.hosts[::2]
    assert all(host.node.has_route for host in world.hosts)
    assert world.json >= {host.number for host in only}
    assert not world.secure & {host.number for host in only}
    assert all(link.speech == "json" for host in only for link in host.node.links)
    speeches = [{link.speech for link in host.node.links if link.up} for host in both]
    assert any({"json", "secure"} <= speech for speech in speeches), "one Node, one port, both at once"


@pytest.mark.parametrize("seed", [51, 52])
def test_streams_go_over_nodes_of_json_only_and_of_both_kinds(seed: int) -> None:
    world = network(seed, MIXED)
    assert_streams_work(world, world.hosts)


@pytest.mark.parametrize("policy", ["secure", "masq"])
def test_a_network_of_one_policy_never_speaks_otherwise(policy: str) -> None:
    world = network(53, [policy] * 6)
    assert_streams_work(world, world.hosts[:2])
    assert bool(world.json) == (policy == "masq")
    assert bool(world.secure) == (policy == "secure")
