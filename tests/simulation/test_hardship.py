"""Networks under hardship: narrow, breaking, refusing; slow readers; Nodes that die. All heals, and money adds up."""

from __future__ import annotations

import random
from functools import partial

import pytest

from masq.core.accountant.thresholds import PaymentThresholds
from masq.core.effects import Log
from masq.errors import UnavailableError
from masq.sim.network import Conditions
from masq.sim.workloads.application import Application
from masq.sim.workloads.browsing import Download, Echo, HangsUp, SlowReader, content_of
from masq.sim.world import World

KINDS = [
    pytest.param({}, id="circuits"),
    pytest.param({"package_policy": "masq"}, id="packages over secure links"),
    pytest.param({"link_policy": "masq"}, id="packages over JSON"),
]
QUICK = PaymentThresholds(2, 1, 20, 1, 1, 1)
SIZE = 2 * 1024 * 1024


def network(seed: int, count: int, /, **settings: object) -> World:
    world = World(seed)
    world.join(count, 0.5, **settings)
    world.run(30)
    world.servers |= {("echo.test", 7): Echo, ("files.test", 80): Download, ("rude.test", 1): HangsUp}
    return world


def has_ended(client: Application) -> bool:
    return client.ended


def assert_nothing_was_dropped(world: World) -> None:
    for host in world.hosts:
        assert not [log for log in host.logs if isinstance(log, Log) and log.event == "queue_full"]


@pytest.mark.parametrize("settings", KINDS)
def test_narrow_links_carry_everything_both_ways(settings: dict[str, object]) -> None:
    world = network(21, 12, **settings)
    world.network.conditions = Conditions(latency=0.05, bandwidth=1_000_000, split=True)
    streams = []
    for host in world.hosts[:3]:
        client = Application()
        host.open(client, "echo.test", 7)
        client.send(content_of(SIZE // 2))
        client.end()
        streams.append(client)
    assert world.run_until(lambda: all(client.closed for client in streams), 120)
    assert all(client.received == content_of(SIZE // 2) for client in streams)
    assert_nothing_was_dropped(world)


@pytest.mark.parametrize("settings", KINDS)
def test_who_reads_slowly_gets_everything_and_slows_only_himself(settings: dict[str, object]) -> None:
    world = network(22, 8, **settings)
    slow, quick = SlowReader(), Application()
    for client in (slow, quick):
        world.hosts[0].open(client, "files.test", 80)
        client.send(b"%d\n" % SIZE)
    assert world.run_until(lambda: quick.ended, 5)
    assert quick.received == content_of(SIZE)
    assert len(slow.received) < SIZE
    assert world.run_until(lambda: slow.ended, 60)
    assert slow.received == content_of(SIZE)


def test_a_server_that_reads_slowly_holds_its_client_back() -> None:
    world = network(23, 8)
    servers: list[SlowReader] = []

    def server() -> SlowReader:
        servers.append(SlowReader())
        return servers[0]

    world.servers["slow.test", 9] = server
    client = Application()
    world.hosts[0].open(client, "slow.test", 9)
    client.send(content_of(2 * SIZE))
    client.end()
    world.run(5)
    assert world.hosts[0].sockets.waiting() >= SIZE, "the client is not read"
    assert world.run_until(lambda: servers[0].ended, 120)
    assert servers[0].received == content_of(2 * SIZE)


@pytest.mark.parametrize("seed", [31])
def test_after_losses_refusals_and_restarts_all_is_well_again(seed: int) -> None:
    world = network(seed, 12)
    chance = random.Random(seed)
    world.network.conditions = Conditions(latency=0.03, split=True, refuse=0.2, break_every=2.0)
    clients: list[Application] = []
    for _ in range(30):
        world.run(3)
        host = chance.choice(world.hosts)
        if chance.random() < 0.15:
            host.crash()
            others = [other for other in world.hosts if other is not host]
            world.add(chance.sample(others, 2), replacing=host)
            continue
        client = Application()
        try:
            host.open(client, *chance.choice([("echo.test", 7), ("files.test", 80), ("rude.test", 1)]))
        except UnavailableError:
            continue
        client.send(b"20000\n")
        clients.append(client)
    assert clients
    world.network.conditions = Conditions()
    world.run(180)
    assert all(host.node.has_route for host in world.hosts)
    for host in world.hosts:
        graph = host.node.neighborhood.graph
        mutual = {record.public_key for record in graph.full_neighbors(graph.root_key)}
        for other in world.hosts:
            theirs = other.node.neighborhood.graph
            if other.node.keys.public_key in mutual:
                assert graph.root_key in theirs.root.neighbors, "neighbors agree that they are"
        client = Application()
        host.open(client, "files.test", 80)
        client.send(b"5000\n")
        assert world.run_until(partial(has_ended, client), 30)
        assert client.received == content_of(5_000)


@pytest.mark.parametrize("seed", [41, 42])
def test_money_adds_up_when_nodes_die_and_the_chain_is_away(seed: int) -> None:
    world = network(seed, 8, thresholds=QUICK, scan_every=5.0)
    chance = random.Random(seed)
    for round in range(12):
        user = world.hosts[round % 3]
        client = Application()
        try:
            user.open(client, "files.test", 80)
        except UnavailableError:
            world.run(10)
            continue
        client.send(b"100000\n")
        world.run(chance.uniform(1, 4))
        world.chain.away = chance.random() < 0.3
        world.chain.lose_next = chance.randrange(3)
        world.chain.revert_next = chance.choice([0, 0, 1])
        if chance.random() < 0.4:
            user.crash()
            world.add(world.hosts[3:5], replacing=user, thresholds=QUICK, scan_every=5.0)
            world.run(5)
    world.chain.away, world.chain.lose_next, world.chain.revert_next = False, 0, 0
    world.run(1_500)  # What was reverted is tried again after ten minutes.
    assert world.chain.accepted
    for host in world.hosts:
        assert not host.node.accountant.view(world.now).payments
        assert all(not payable or entry.wei <= QUICK.permanent for (payable, _), entry in host.memory.entries.items())
    moved = {host.earning.address: world.chain.tokens.get(host.earning.address, 0) for host in world.hosts}
    # Nobody restarted who earns, so all that came in is credited there.
    for host in world.hosts[3:]:
        assert host.node.accountant.earned == moved[host.earning.address]


def test_a_hundred_streams_at_once() -> None:
    world = network(51, 10)
    clients = []
    for number in range(100):
        client = Application()
        world.hosts[number % 10].open(client, "files.test", 80, str(number % 7))
        client.send(b"30000\n")
        clients.append(client)
    assert world.run_until(lambda: all(client.ended for client in clients), 60)
    assert all(client.received == content_of(30_000) for client in clients)
    for client in clients:
        client.end()
    world.run(2)
    assert not any(host.sockets for host in world.hosts)
    assert_nothing_was_dropped(world)
