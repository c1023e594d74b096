"""The whole core in virtual time: joining, streams both ways, equal books, money, losses, hostile ends."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial

import pytest
from tests.worlds import books_agree, complaints

from masq.core.accountant.effects import Scan
from masq.core.accountant.thresholds import PaymentThresholds
from masq.core.links.links import MAX_FLOW
from masq.core.packages.flow import MAX_HELD
from masq.errors import UnavailableError
from masq.sim.network import Conditions
from masq.sim.workloads.application import Application
from masq.sim.workloads.browsing import Download, Echo, content_of
from masq.sim.world import World
from masq.types import DEFAULT_RATE_PACK, NO_RATES, Mode, RatePack

KINDS = [
    pytest.param({}, id="circuits"),
    pytest.param({"package_policy": "masq"}, id="packages over secure links"),
    pytest.param({"link_policy": "masq"}, id="packages over JSON"),
]
QUICK = PaymentThresholds(2, 1, 20, 1, 1, 1)


def has_heard(client: Application) -> bool:
    return client.received == b"hello"


def network(seed: int, count: int, **settings: object) -> World:
    world = World(seed)
    world.join(count, 0.5, **settings)
    world.run(20)
    world.servers |= {("echo.test", 7): Echo, ("files.test", 80): Download}
    return world


def test_twenty_nodes_join_and_each_finds_a_route() -> None:
    world = network(1, 20)
    assert all(host.node.has_route for host in world.hosts)
    assert all(len(host.node.routes.find(3, 1_000).over) == 4 for host in world.hosts)
    graph = world.hosts[0].node.neighborhood.graph
    assert all(len(host.node.neighborhood.graph.root.neighbors) <= 7 for host in world.hosts)
    assert len(graph) > 4
    assert not complaints(world)


@pytest.mark.parametrize("settings", KINDS)
def test_bytes_go_both_ways_and_all_books_agree(settings: dict[str, object]) -> None:
    """S6."""
    world = network(2, 8, **settings)
    user = world.hosts[0]
    download, echo = Application(), Application()
    user.open(download, "files.test", 80)
    download.send(b"2097152\n")
    user.open(echo, "echo.test", 7)
    sent = content_of(2_000_000)
    echo.send(sent)
    echo.end()
    assert world.run_until(lambda: (download.ended or download.closed) and echo.closed, 60)
    assert download.received == content_of(2_097_152)
    assert echo.received == sent
    download.end()
    world.run(5)
    assert download.closed
    assert books_agree(world, user)
    assert not complaints(world)


@pytest.mark.parametrize("settings", KINDS)
def test_a_slow_reader_stops_the_server_and_nobody_buffers_for_it(settings: dict[str, object]) -> None:
    world = network(3, 8, **settings)
    user = world.hosts[0]
    client = Application()
    user.open(client, "files.test", 80)
    client.send(b"20000000\n")
    world.run_until(lambda: len(client.received) > 100_000, 10)
    socket = next(iter(user.sockets))
    user.node.socket_congested(socket)
    world.run(10)
    held = len(client.received)
    assert held <= 2 * MAX_HELD
    assert held < 20_000_000
    for host in world.hosts:
        for link in host.node.links:
            assert max(link.waiting.values(), default=0) <= MAX_FLOW
    assert sum(host.sockets.waiting() for host in world.hosts) > 10_000_000, "the server is not read any more"
    user.carry(user.node.socket_drained(socket, world.now))
    assert world.run_until(lambda: client.ended, 60), "and goes on when the reader does"
    assert client.received == content_of(20_000_000)


@pytest.mark.parametrize("settings", KINDS)
def test_a_client_that_hangs_up_stops_the_exit_within_a_second(settings: dict[str, object]) -> None:
    world = network(4, 8, **settings)
    client = Application()
    world.hosts[0].open(client, "files.test", 80)
    client.send(b"50000000\n")
    world.run_until(lambda: len(client.received) > 100_000, 10)
    client.abort()
    world.run(1)
    assert not any(host.sockets for host in world.hosts)
    before = world.trace
    world.run(1)
    assert not any(list(host.node.package_exit) for host in world.hosts)
    assert before


@pytest.mark.parametrize("settings", KINDS)
def test_a_server_that_can_t_be_reached_is_reported_with_a_reason(settings: dict[str, object]) -> None:
    world = network(5, 8, **settings)
    user, client = world.hosts[0], Application()
    user.open(client, "nowhere.test", 80)
    client.send(b"hello")
    assert world.run_until(lambda: client.closed, 30)
    assert client.reason
    world.run(3)
    assert books_agree(world, user)


@pytest.mark.parametrize("settings", KINDS[:2])
def test_a_server_may_speak_first(settings: dict[str, object]) -> None:
    class Greeter(Application):
        def begun(self) -> None:
            self.send(b"220 ready\r\n")

    world = network(6, 8, **settings)
    world.servers["mail.test", 25] = Greeter
    client = Application()
    world.hosts[0].open(client, "mail.test", 25)
    assert world.run_until(lambda: client.received == b"220 ready\r\n", 5)


@pytest.mark.parametrize("seed", range(7, 12))
@pytest.mark.parametrize("position", [1, 2])
def test_a_stream_that_has_delivered_nothing_survives_the_loss_of_a_relay(seed: int, position: int) -> None:
    world = network(seed, 10)
    user, client = world.hosts[0], Application()
    user.open(client, "echo.test", 7)
    client.send(b"first words")
    stream = next(user.node.circuit_entry.streams())
    assert stream.circuit
    relay = next(host for host in world.hosts if host.node.keys.public_key == stream.circuit.route.over[position])
    relay.crash()
    assert world.run_until(lambda: client.received == b"first words", 60)
    assert not client.closed


def test_the_same_seed_gives_the_same_trace_whatever_python_s_hash_seed() -> None:
    program = (
        "from masq.sim.world import *; from masq.sim.workloads.browsing import *\n"
        "w = World(9); w.join(9); w.servers['f', 1] = Download; c = Application()\n"
        "w.run(5); w.hosts[0].open(c, 'f', 1); c.send(b'100000\\n'); w.run(5); print(w.trace)"
    )
    traces = [
        subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert traces[0] == traces[1]
    assert len(traces[0].strip()) == 64
    one, other = World(1), World(2)
    one.join(3)
    other.join(3)
    assert one.trace != other.trace


def test_lost_links_and_restarts_heal() -> None:
    world = network(8, 10)
    for host in (world.hosts[4], world.hosts[7]):
        host.lose_links()
        world.run(1)
    world.run(120)
    assert all(host.node.has_route for host in world.hosts)
    gone = world.hosts[5]
    gone.crash()
    world.run(30)
    assert all(host.node.has_route for host in world.hosts if host is not gone)
    back = world.add([world.hosts[0], world.hosts[9]], replacing=gone)
    world.run(120)
    assert back.node.has_route


def test_debts_are_paid_on_the_chain_and_credited() -> None:
    """S54, S55."""
    world = network(10, 8, thresholds=QUICK, scan_every=5.0)
    user, client = world.hosts[0], Application()
    user.open(client, "files.test", 80)
    client.send(b"300000\n")
    world.run_until(lambda: client.ended, 30)
    client.end()
    world.run(60)
    ledger = user.node.accountant.ledger
    assert world.chain.accepted
    assert all(account.wei <= QUICK.permanent for account in ledger.payables.values())
    assert sum(world.chain.tokens.values()) == world.chain.supply
    assert user.node.accountant.paid == sum(host.node.accountant.earned for host in world.hosts)
    for host in world.hosts:
        account = host.node.accountant.ledger.receivables.get(user.consuming.address)
        assert account is None or account.wei <= QUICK.permanent


def test_who_doesn_t_pay_is_banned_and_served_again_after_paying() -> None:
    world = network(11, 8, thresholds=QUICK, scan_every=5.0, tokens=0)
    user, client = world.hosts[0], Application()
    user.open(client, "files.test", 80)
    client.send(b"300000\n")
    world.run_until(lambda: client.ended, 30)
    world.run(60)
    banning = {
        host.node.keys.public_key.hex(): host.node.accountant.owed_by(user.consuming.address)
        for host in world.hosts
        if host.node.accountant.is_delinquent(user.consuming.address)
    }
    told = {each.node: each for each in user.node.books(world.now).refused_by}
    assert told
    assert {key: each.theirs for key, each in told.items()} == {key: banning[key] for key in told}
    assert all(each.ours == each.theirs and "send at least" in each.advice for each in told.values())
    world.chain.fund(user.consuming.address, 10**24)
    world.run(60)
    assert not any(host.node.accountant.is_delinquent(user.consuming.address) for host in world.hosts)
    again = Application()
    user.open(again, "echo.test", 7)
    again.send(b"hello")
    assert world.run_until(lambda: again.received == b"hello", 30)
    serving = {key.hex() for own in user.node.own_circuits if own.pulse.good for key in own.keys}
    assert serving
    assert not serving & {each.node for each in user.node.books(world.now).refused_by}


def test_transactions_that_get_lost_are_sent_again_and_paid_once() -> None:
    world = network(12, 8, thresholds=QUICK, scan_every=5.0)
    world.chain.lose_next = 4
    user, client = world.hosts[0], Application()
    user.open(client, "files.test", 80)
    client.send(b"300000\n")
    world.run_until(lambda: client.ended, 30)
    client.end()
    world.run(90)
    assert len(world.chain.accepted) == len(set(world.chain.accepted)) == 3
    assert user.node.accountant.paid == sum(host.node.accountant.earned for host in world.hosts) > 0


def test_a_crash_in_the_middle_of_paying_pays_once() -> None:
    world = network(13, 8, thresholds=QUICK, scan_every=10_000.0)
    user, client = world.hosts[0], Application()
    user.open(client, "files.test", 80)
    client.send(b"300000\n")
    world.run_until(lambda: client.ended, 30)
    client.end()
    world.run(5)
    world.chain.lose_next = 1  # The first of three is lost; then the Node dies before it learns of any.
    user.carry(user.node.accountant.scan(Scan.PAYABLES, world.now))
    world.run_until(lambda: bool(world.chain.accepted) or world.chain.lose_next == 0, 5)
    user.crash()
    world.run(10)
    back = world.add(world.hosts[1:3], replacing=user, thresholds=QUICK, scan_every=5.0)
    world.run(90)
    assert back.node.accountant.view(world.now).payments == ()
    assert len(set(world.chain.accepted)) == len(world.chain.accepted) == 3
    spent = world.chain.supply - sum(world.chain.tokens.get(host.consuming.address, 0) for host in world.hosts)
    assert spent == sum(world.chain.tokens.get(host.earning.address, 0) for host in world.hosts)


def test_nodes_without_listener_join_and_use_the_network() -> None:
    """R7."""
    world = network(14, 6)
    for mode, rates in ((Mode.ORIGINATE_ONLY, DEFAULT_RATE_PACK), (Mode.CONSUME_ONLY, NO_RATES)):
        user = world.add(world.hosts[:2], mode=mode, rates=rates)
        world.run(20)
        assert user.node.has_route
        client = Application()
        user.open(client, "echo.test", 7)
        client.send(b"hello")
        assert world.run_until(partial(has_heard, client), 10)
        for host in world.hosts:
            route = host.node.routes
            assert route is not None
    consumer = world.hosts[-1].node.keys.public_key
    for host in world.hosts[:6]:
        for _ in range(20):
            assert consumer not in host.node.routes.find(3, 1000).over[1:]


def test_zero_hop_serves_its_own_user_for_nothing() -> None:
    world = World(15)
    host = world.add(mode=Mode.ZERO_HOP, rates=NO_RATES)
    world.servers["echo.test", 7] = Echo
    client = Application()
    host.open(client, "echo.test", 7)
    client.send(b"hello")
    assert world.run_until(lambda: client.received == b"hello", 5)
    assert not host.node.accountant.ledger.payables
    assert not host.node.accountant.ledger.receivables


def test_a_json_link_to_a_node_that_knows_secure_links_is_upgraded() -> None:
    world = World(18, Conditions(latency=1.1))  # Too slow for the first attempt, which gives up after two seconds.
    first = world.add(hops=1)
    second = world.add([first], hops=1)
    world.run(6)
    assert {link.speech for link in second.node.links} == {"json"}
    world.run(120)
    for host, peer in ((first, second), (second, first)):
        link = host.node.links.to(peer.ip)
        assert link
        assert link.speech == "secure"
        assert link.key == peer.node.keys.public_key
        assert host.node.has_route


def test_without_neighbors_there_is_no_route_and_a_reason() -> None:
    world = World(16)
    host = world.add()
    with pytest.raises(UnavailableError, match="no neighbors"):
        host.open(Application(), "echo.test", 7)


def test_a_cheap_exit_is_among_those_taken() -> None:
    world = World(17)
    world.join(4)
    cheap = world.add(world.hosts[-2:], rates=RatePack(1, 1, 1, 1))
    world.join(3)
    world.run(20)
    others = [host for host in world.hosts if host is not cheap]
    used = {host.node.routes.find(3, 1000).exit.key for host in others for _ in range(20)}
    assert cheap.node.keys.public_key in used


@pytest.mark.parametrize("settings", KINDS)
def test_eight_streams_over_a_slow_network_lose_nothing(settings: dict[str, object]) -> None:
    world = network(12, 8, **settings)
    world.network.conditions = Conditions(bandwidth=8e6)
    clients = [Application() for _ in range(8)]
    for client in clients:
        world.hosts[0].open(client, "files.test", 80)
        client.send(b"1500000\n")
    assert world.run_until(lambda: all(client.ended or client.closed for client in clients), 120)
    assert [len(client.received) for client in clients] == [1_500_000] * 8
    assert not [text for text in complaints(world) if "too slow" in text]
