"""Issue 10, 6 and 7: routes that nobody can predict or buy, and Nodes that are found out. Figures with `-s`."""

from __future__ import annotations

import math
import random
import statistics
from collections import Counter

import pytest
from tests.attacks.test_08_swallowers import swallow
from tests.simulation.circuit_worlds import circuit_of, client, hop_of, network

from masq.core.network.graph import Graph
from masq.core.network.routing import Routes
from masq.crypto import CryptDE
from masq.sim.faults.relays import lose_cells
from masq.sim.host import SimNode
from masq.sim.world import World
from masq.types import CHAINS, DEFAULT_RATE_PACK, NodeAddress, PublicKey, RatePack
from masq.wire.circuit import EXTENSION
from masq.wire.message import NodeRecord


def times(part: float) -> RatePack:
    return RatePack(*(int(rate * part) for rate in DEFAULT_RATE_PACK))


def mesh(seed: int, count: int) -> World:
    """Nodes that ask for half to twice the usual."""
    world = World(seed)
    for _ in range(count):
        known = world.random.sample(world.hosts, min(2, len(world.hosts)))
        world.add(known, rates=times(2 ** world.random.uniform(-1, 1)))
        world.run(0.5)
    world.run(20)
    return world


def known_mesh(source: random.Random, count: int, hostile: int) -> tuple[list[NodeRecord], set[PublicKey]]:
    """Records of a mesh of 3 to 5 neighbors each, some of whom ask for less than all others."""
    sides: list[set[int]] = [set() for _ in range(count)]
    while any(len(each) < 3 for each in sides):
        one = min(range(count), key=lambda at: (len(sides[at]), source.random()))
        free = [at for at in range(count) if at != one and at not in sides[one] and len(sides[at]) < 5]
        other = source.choice(free)
        sides[one].add(other)
        sides[other].add(one)
    keys = [CryptDE(CHAINS["dev"].contract, source.randbytes) for _ in range(count)]
    bad = set(source.sample(range(count), hostile))
    records = [
        NodeRecord.sign(
            keys[at],
            source.randbytes(20),
            times(0.45 if at in bad else 2 ** source.uniform(-1, 1)),
            frozenset(keys[other].public_key for other in sides[at]),
            True,
            True,
            0,
            None,
            (EXTENSION,),
        )
        for at in range(count)
    ]
    return records, {keys[at].public_key for at in bad}


def bits(counts: Counter[PublicKey]) -> float:
    total = sum(counts.values())
    return -sum(count / total * math.log2(count / total) for count in counts.values())


def test_first_hops_and_exits_are_spread_over_those_that_are_not_dear() -> None:
    """70 % of the maximum are wanted; docs/neighborhood.md 10.5 has what it is over more seeds."""
    world = mesh(1, 30)
    firsts: list[float] = []
    exits: list[float] = []
    for host in [host for host in world.hosts if host.node.has_route]:
        graph = host.node.neighborhood.graph
        drawn = [host.node.routes.find(3, 1_000).over for _ in range(200)]
        usual = statistics.median(known.record.rates.routing_byte_rate for known in graph)
        fair = {known.record.public_key for known in graph if known.record.rates.routing_byte_rate <= 2 * usual}
        beside = {record.public_key for record in graph.full_neighbors(graph.root_key)}
        for found, at, there in ((firsts, 1, fair & beside), (exits, -1, fair - beside - {graph.root_key})):
            if len(there) > 1:
                found.append(bits(Counter(way[at] for way in drawn)) / math.log2(len(there)))
    for name, found in (("first hop", firsts), ("exit", exits)):
        print(f"{name}: {statistics.mean(found):.0%} of the maximum on average, {min(found):.0%} at least")
        assert statistics.mean(found) >= 0.7


@pytest.mark.parametrize("hostile", [3, 6, 9])
def test_who_undercuts_all_others_does_not_get_the_traffic(hostile: int) -> None:
    source = random.Random(hostile)
    choices, ends, wholly = 0, 0, 0
    for _ in range(50):
        records, bad = known_mesh(source, 30, hostile)
        for root in [record for record in records if record.public_key not in bad][:20]:
            graph = Graph(root, NodeAddress("10.0.0.1", (6001,)), 0.0)
            for record in records:
                if record is not root:
                    graph.add(record, None, 0.0)
            routes = Routes(graph, source.randbytes)
            for _ in range(10):
                way = routes.find(3, 1_000).over[1:]
                choices += 1
                ends += way[-1] in bad
                wholly += all(key in bad for key in way)
    fair = hostile / 30
    print(f"{fair:.0%} hostile: exit {ends / choices:.1%}, all hops {wholly / choices:.2%} (f^3 {fair**3:.2%})")
    assert ends / choices <= 2 * fair
    assert wholly / choices <= 2 * fair**3


def test_a_dense_mesh_of_five_has_routes_and_says_which_rule_yields() -> None:
    world = World(4)
    for _ in range(5):
        world.add(list(world.hosts))
        world.run(1)
    world.run(20)
    for host in world.hosts:
        graph = host.node.neighborhood.graph
        view = host.node.view(world.now).routes
        assert view.available, view.why_not
        if len(graph.full_neighbors(graph.root_key)) == 4:
            assert view.compromise
            assert "our neighbors" in view.compromise
    assert any(host.node.view(world.now).routes.compromise for host in world.hosts)


def drop_every_fifth(host: SimNode) -> None:
    """Let a Node swallow one of five cells."""
    lose_cells(host, 0.2)


@pytest.mark.parametrize("how", [swallow, drop_every_fifth])
def test_a_relay_that_drops_is_found_avoided_longer_each_time_and_remembered(how: object) -> None:
    world = network(34, 20)
    user = world.hosts[0]
    client(user, "files.test", 80, b"2000\n")
    thief = hop_of(world, circuit_of(user), 1)
    key = thief.node.keys.public_key
    how(thief)  # type: ignore[operator]
    over: set[int] = set()
    answered = 0
    for number in range(300):  # Who is a suspect once is hardly taken.
        one = client(user, "files.test", 80, b"2000\n", f"group {number}")
        answered += world.run_until(lambda one=one: one.ended, 60)  # type: ignore[misc]
        over |= {id(own) for own in user.node.own_circuits if key in own.keys}
        if key in user.node.own_circuits.blame.keys(world.now):
            break
    print(f"found after {len(over)} circuits over it, {answered} of {number + 1} streams answered")
    assert key in user.node.own_circuits.blame.keys(world.now)
    assert len(over) <= 5
    assert answered >= number
    reputation = user.node.reputation
    first = reputation.sentence(key, "it swallows", world.now) - world.now
    world.run(first + 1)
    assert reputation.sentence(key, "again", world.now) - world.now > 3 * first
    user.carry(user.node.stop(world.now))
    user.crash()
    again = world.add(world.hosts[1:3], replacing=user)
    assert key in again.node.own_circuits.blame.keys(world.now)
    assert again.node.routes.guards.text == user.node.routes.guards.text
