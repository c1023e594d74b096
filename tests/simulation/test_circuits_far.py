"""Circuits over long ways in virtual time: windows that follow what the way carries, and what they make Nodes hold."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.simulation.circuit_worlds import circuit_of, client, hop_of, network
from tests.worlds import complaints

from masq.core.network.own_record import Profile
from masq.core.network.routing import Route
from masq.sim.host import SimNode
from masq.sim.network import Conditions
from masq.sim.workloads.browsing import SlowReader, content_of
from masq.sim.world import World
from masq.types import PublicKey
from masq.wire.circuit import CIRCUIT_CREDIT, EXTENSION, PACE, STREAM_CREDIT

FAR = Conditions(latency=0.05, bandwidth=10_000_000)
"""300 ms for a round trip over three hops: 3 MB are under way when 10 MB/s are used."""
SIZE = 24_000_000


def seconds_of(world: World, target: str, words: bytes) -> float:
    begun = world.now
    one = client(world.hosts[0], target, 80 if target == "files.test" else 9, words)
    assert world.run_until(lambda: one.ended, 60)
    return world.now - begun


def test_a_download_over_a_long_way_uses_what_the_way_carries() -> None:
    world = network(150, 8, FAR)
    assert seconds_of(world, "files.test", b"%d\n" % SIZE) < SIZE / 10e6 + 2.5, "1 MiB in 300 ms would take 7 s"
    assert not any("dropped" in words for words in complaints(world))
    for host in world.hosts:
        assert host.node.circuit_exit.windows.used <= CIRCUIT_CREDIT
    world.hosts[0].node.own_circuits.renew()
    world.run(700)
    assert [host.node.own_circuits.windows.used for host in world.hosts] == [0] * 8, "the circuit is gone"


def test_an_upload_does_too() -> None:
    world = network(151, 8, FAR)
    client(world.hosts[0], "sink.test", 9, content_of(SIZE))
    begun = world.now
    own = circuit_of(world.hosts[0])
    (stream,) = own.terminal.streams.values()
    assert world.run_until(lambda: stream.received > 0 or stream.sent == SIZE, 30)
    assert world.now - begun < SIZE / 10e6 + 3
    passages = list(hop_of(world, own, 2).node.circuits)
    assert max(each.terminal.pace.rate for each in passages if each.terminal) > 5e6


def test_a_reader_who_becomes_slow_on_a_long_way_holds_what_was_under_way_and_then_little() -> None:
    world = network(152, 8, FAR)
    slow = SlowReader()
    world.hosts[0].open(slow, "files.test", 80)
    slow.send(b"%d\n" % SIZE)
    world.run(5)
    own = circuit_of(world.hosts[0])
    (stream,) = own.terminal.streams.values()
    assert stream.held <= STREAM_CREDIT, "one that was slow from the beginning"
    assert stream.window <= STREAM_CREDIT


def test_two_circuits_over_one_long_way_share_it() -> None:
    world = network(153, 8, FAR)
    both = [client(world.hosts[0], "files.test", 80, b"60000000\n", group) for group in ("alice", "bob")]
    world.run(6)
    before = [len(one.received) for one in both]
    world.run(4)
    got = [len(one.received) - at for one, at in zip(both, before, strict=True)]
    assert min(got) > 0.35 * sum(got)


class OneWay:
    """Routes that are one."""

    def __init__(self, route: Route) -> None:
        self._route = route

    def find(self, *_: object) -> Route:
        return self._route


def common_way(world: World) -> tuple[SimNode, SimNode, SimNode]:
    """Two Nodes whose circuits go over the same Nodes from now on, and the relay before the exit."""
    found: dict[tuple[PublicKey, ...], tuple[SimNode, Route]] = {}
    for host in world.hosts:
        for _ in range(100):
            route = host.node.routes.find(3, 1_000, (), EXTENSION)
            other, way = found.setdefault(route.over[1:], (host, route))
            if other is not host:
                for user, one in ((host, route), (other, way)):
                    user.node.own_circuits._routes = OneWay(one)  # type: ignore[assignment]
                relay = next(host for host in world.hosts if host.node.keys.public_key == route.over[2])
                return other, host, relay
    raise AssertionError("another seed has two such Nodes")


@pytest.mark.parametrize("gap", [1.0, 3.0], ids=str)
def test_two_users_over_one_slow_relay_far_away_have_a_half_each(gap: float) -> None:
    # What is under way on a long line is more than circuits have to wait: so nobody there gives them turns.
    world = network(153, 8, Conditions(latency=0.075, bandwidth=25_000_000, high_water=2_000_000))
    one, other, relay = common_way(world)
    relay.links.bandwidth = 2_500_000
    first = client(one, "files.test", 80, b"80000000\n")
    world.run(gap)
    both = [first, client(other, "files.test", 80, b"80000000\n")]
    world.run(8)
    before = [len(each.received) for each in both]
    world.run(16)
    got = [len(each.received) - at for each, at in zip(both, before, strict=True)]
    assert 0.4 <= got[0] / sum(got) <= 0.6
    assert sum(got) >= 0.9 * 2_500_000 * 16


@pytest.mark.parametrize("old", ["all", "relays"])
def test_nodes_that_know_nothing_of_it_carry_circuits_as_before(monkeypatch: pytest.MonkeyPatch, old: str) -> None:
    made: list[Profile] = []

    def profile(**words: object) -> Profile:
        made.append(Profile(**words))  # type: ignore[arg-type]
        is_old = old == "all" or len(made) % 4 in (2, 3)
        return replace(made[-1], extensions=("flow1", "circuit1")) if is_old else made[-1]

    monkeypatch.setattr("masq.sim.world.Profile", profile)
    world = network(156, 8, FAR)
    one = client(world.hosts[0], "files.test", 80, b"6000000\n")
    assert world.run_until(lambda: bool(one.received), 10)
    own = circuit_of(world.hosts[0])
    terminal = own.terminal
    relays = [hop_of(world, own, at).node.neighborhood.graph.root for at in range(len(own.hops) - 1)]
    assert any(PACE not in relay.extensions for relay in relays), "another seed draws another route"
    assert world.run_until(lambda: one.ended, 60)
    assert one.received == content_of(6_000_000)
    assert terminal.pace.most == CIRCUIT_CREDIT
    assert old == "relays" or terminal.pace.questions == 0
    assert terminal.pace.window <= CIRCUIT_CREDIT
