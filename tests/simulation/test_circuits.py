"""Circuits in virtual time: isolation, rotation, what they make Nodes hold; the same seed gives the same trace."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.simulation.circuit_worlds import (
    circuit_of,
    circuits,
    client,
    hop_of,
    network,
)
from tests.worlds import complaints

from masq.core.circuits.origin import IDLE, LIFE
from masq.core.failure import Cause, Failure
from masq.sim.connection import SOCKET_HIGH_WATER
from masq.sim.network import Conditions
from masq.sim.workloads.application import Application
from masq.sim.workloads.browsing import SlowReader, content_of
from masq.sim.world import World
from masq.wire.circuit import MAX_PLAIN, STREAM_CREDIT

# --- isolation and rotation ---


def test_streams_of_different_groups_never_share_a_circuit_and_those_of_one_do() -> None:
    world = network(130, 8)
    user = world.hosts[0]
    groups = ["", "alice", "bob", "alice", "", "bob", "alice"]
    for group in groups:
        client(user, "silent.test", 1, b"x", group)
    user.open_datagrams("alice")
    user.resolve("files.test", "bob")
    used: dict[str, set[int]] = {}
    for stream in user.node.circuit_entry.streams():
        assert stream.circuit
        used.setdefault(stream.group, set()).add(id(stream.circuit))
    assert {group: len(ids) for group, ids in used.items()} == {"": 1, "alice": 1, "bob": 1}
    assert len(set.union(*used.values())) == 3
    world.run(3)
    # Nor does one that has to go another way.
    own = next(own for own in user.node.own_circuits if own.group == "alice")
    hop_of(world, own, 2).crash()
    world.run(5)
    for each in user.node.own_circuits:
        assert {stream.group for stream in each.terminal.streams.values()} <= {each.group}  # type: ignore[attr-defined]


def test_a_busy_circuit_is_left_alone_by_the_next_stream_of_its_group() -> None:
    world = network(131, 8, conditions=Conditions(latency=0.02, bandwidth=3_000_000))
    user = world.hosts[0]
    bulk = client(user, "files.test", 80, b"20000000\n")
    world.run_until(lambda: len(bulk.received) > 3_000_000, 30)
    client(user, "silent.test", 1, b"x")
    one, other = (stream.circuit for stream in user.node.circuit_entry.streams())
    assert one is not other
    # Small streams keep together, though one circuit carries less than the other: so they share cells.
    assert one is not None
    one.recent, one.recent_at = one.much / 2, world.now
    client(user, "silent.test", 1, b"x")
    assert [stream.circuit for stream in user.node.circuit_entry.streams()][-1] is one


def test_after_ten_minutes_new_streams_get_a_new_circuit_and_old_ones_keep_theirs() -> None:
    world = network(132, 8)
    user = world.hosts[0]
    old = client(user, "chatty.test", 2, b"1")
    world.run(circuit_of(user).life - 1)
    client(user, "silent.test", 1, b"x")
    assert len(list(user.node.own_circuits)) == 1
    world.run(1)
    new = client(user, "chatty.test", 2, b"2")
    assert len(list(user.node.own_circuits)) == 2
    assert world.run_until(lambda: new.received == b"yes", 10)
    old.send(b"3")
    assert world.run_until(lambda: old.received == b"yesyes", 10)
    world.run(LIFE + IDLE + 15)
    assert len(list(user.node.own_circuits)) == 2, "streams keep circuits"
    old.abort()
    new.abort()
    for stream in list(user.node.circuit_entry.streams()):
        user.carry(user.node.socket_closed(stream.socket, Failure(Cause.CLOSED), world.now))
    world.run(IDLE + 30)
    assert circuits(world) == 0


def held(world: World) -> int:
    """Bytes of streams that anybody holds."""
    total = 0
    for host in world.hosts:
        total += sum(link.queued for link in host.node.links)
        for streams in (host.node.circuit_exit.streams(), host.node.circuit_entry.streams()):
            for stream in streams:
                total += sum(map(len, stream.backlog)) + len(stream.early)
        total += sum(host.sockets.unread())
    return total


# --- memory ---


def test_slow_readers_and_bulk_make_nobody_hold_more_than_their_credit() -> None:
    world = network(140, 8, conditions=Conditions(latency=0.02, bandwidth=1_500_000))
    user = world.hosts[0]
    slow: list[SlowReader] = []
    for _ in range(3):
        slow.append(SlowReader())
        user.open(slow[-1], "files.test", 80)
        slow[-1].send(b"4000000\n")
    bulk = [client(user, "files.test", 80, b"1500000\n") for _ in range(8)]
    up = [client(user, "sink.test", 9, content_of(1_000_000)) for _ in range(2)]
    streams = len(slow) + len(bulk) + len(up)
    most = 0
    while not all(one.ended for one in bulk):
        world.run(0.25)
        most = max(most, held(world))
        assert world.now < 200
    assert most > STREAM_CREDIT // 2, "there was something to hold"
    assert most <= streams * (STREAM_CREDIT + 4 * MAX_PLAIN) + len(slow) * SOCKET_HIGH_WATER
    assert all(one.received == content_of(1_500_000) for one in bulk)
    assert not any("dropped" in words for words in complaints(world))


def test_servers_that_do_not_read_make_their_exit_hold_no_more_than_two_credits_each() -> None:
    world = network(141, 8)
    user = world.hosts[0]
    world.servers["slow.test", 9] = SlowReader
    uploads = [client(user, "slow.test", 9, content_of(4_000_000)) for _ in range(8)]
    quick = client(user, "files.test", 80, b"1000000\n")
    assert world.run_until(lambda: quick.ended, 20), "and holds nobody else up"
    world.run(2)
    # One that came before the server was reached, and is written to it at once, and one after.
    assert held(world) <= len(uploads) * (2 * STREAM_CREDIT + 2 * MAX_PLAIN)
    assert user.sockets.waiting() > 16_000_000, "the clients are not read"


def test_clients_that_pause_hold_up_no_other_stream_of_their_circuit() -> None:
    world = network(142, 8, Conditions(latency=0.01, bandwidth=10_000_000))
    user = world.hosts[0]
    clients = [client(user, "files.test", 80, b"9000000\n", "browser") for _ in range(6)]
    assert world.run_until(lambda: all(len(one.received) > 100_000 for one in clients), 20)
    for one in clients:
        one.pace = 20.0
    world.run(5)
    (own,) = user.node.own_circuits
    assert len(own.terminal.streams) == 6
    quick = client(user, "files.test", 80, b"100000\n", "browser")
    assert world.run_until(lambda: quick.ended, 10)
    assert len(list(user.node.own_circuits)) == 1


def test_servers_that_pause_hold_up_no_other_stream_of_their_circuit() -> None:
    world = network(143, 8, Conditions(latency=0.01, bandwidth=10_000_000))
    user = world.hosts[0]
    servers: list[Application] = []

    def server() -> Application:
        servers.append(Application())
        return servers[-1]

    world.servers["paused.test", 9] = server
    for _ in range(6):
        client(user, "paused.test", 9, content_of(3_000_000), "browser")
    assert world.run_until(lambda: [len(one.received) > 100_000 for one in servers] == [True] * 6, 20)
    for one in servers:
        one.pace = 20.0
    world.run(5)
    quick = client(user, "echo.test", 7, content_of(100_000), "browser")
    assert world.run_until(lambda: quick.received == content_of(100_000), 10)
    assert len(list(user.node.own_circuits)) == 1


# --- chance ---


def test_the_same_seed_gives_the_same_trace_with_circuits_datagrams_questions_and_crashes() -> None:
    program = (
        "from masq.sim.world import *; from masq.sim.workloads.browsing import *\n"
        "w = World(9); w.join(9); w.run(5); u = w.hosts[0]\n"
        "w.servers |= {('f', 1): Download, ('e', 2): Echo}\n"
        "w.datagram_servers['d', 53] = lambda data: [data]; w.names['f'] = '192.0.2.1'\n"
        "def opens(words, target, group):\n"
        "    c = Application(); u.open(c, *target, group); c.send(words); return c\n"
        "for n in range(12): opens(b'30000\\n', ('f', 1) if n % 2 else ('e', 2), str(n % 3))\n"
        "s = u.open_datagrams('1'); [u.datagram(s, 'd', 53, b'x' * n) for n in range(20)]\n"
        "u.resolve('f'); u.resolve('nowhere', '2'); w.run(0.03)\n"
        "next(h for h in w.hosts if list(h.node.circuit_exit.streams())).crash()\n"
        "w.run(5); u.datagram(s, 'd', 53, b'late'); opens(b'9\\n', ('f', 1), ''); w.run(700)\n"
        "print(w.trace, len(u.clients.datagrams[s]), len(u.clients.resolutions))"
    )
    traces = [
        subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout.split()
        for seed in ("1", "2")
    ]
    assert traces[0] == traces[1]
    trace, datagrams, questions = traces[0]
    assert len(trace) == 64
    assert int(datagrams) > 0
    assert int(questions) == 2
