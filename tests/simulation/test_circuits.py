"""Circuits in whole networks: equal books, other ways after failures, isolation, rotation, bounded memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from tests.worlds import books_agree, complaints

from masq.core.circuits.origin import IDLE, LIFE, OwnCircuit
from masq.core.effects import Log
from masq.core.failure import Cause, Failure, name_of
from masq.sim.connection import SOCKET_HIGH_WATER
from masq.sim.host import SimNode
from masq.sim.network import Conditions
from masq.sim.workloads.application import Application
from masq.sim.workloads.browsing import Download, Echo, HangsUp, SlowReader, content_of
from masq.sim.world import World
from masq.wire.circuit import MAX_PLAIN, STREAM_CREDIT

DNS = "192.0.2.1"
MIDDLE = 6
"""A Node from which many ways lead: those that joined first have only few."""


class Sink(Application):
    """Hears, and says how much it was in the end."""

    def heard_end(self) -> None:
        super().heard_end()
        self.send(b"%d" % len(self.received))
        self.end()


class Silent(Application):
    """Hears, and says nothing."""


class Chatty(Application):
    """Says a word for each that it hears, and never ends."""

    def heard(self, data: bytes) -> None:
        super().heard(data)
        self.send(b"yes")


def network(seed: int, count: int = 14, conditions: Conditions = Conditions()) -> World:
    world = World(seed, conditions)
    world.join(count)
    world.run(20)
    world.servers |= {
        ("echo.test", 7): Echo,
        ("files.test", 80): Download,
        ("sink.test", 9): Sink,
        ("silent.test", 1): Silent,
        ("chatty.test", 2): Chatty,
        ("rude.test", 3): HangsUp,
    }
    world.datagram_servers["dns.test", 53] = lambda data: [data, data[::-1]]
    world.names["files.test"] = DNS
    return world


def client(host: SimNode, target: str, port: int, words: bytes = b"", group: str = "") -> Application:
    application = Application()
    host.open(application, target, port, group)
    if words:
        application.send(words)
    return application


def circuits(world: World) -> int:
    """How many circuits any Node knows of."""
    return sum(len(list(host.node.circuits)) + len(list(host.node.own_circuits)) for host in world.hosts if host.alive)


def circuit_of(user: SimNode) -> OwnCircuit:
    """The circuit of the one stream that there is."""
    (stream,) = user.node.circuit_entry.streams()
    assert stream.circuit
    return stream.circuit


def hop_of(world: World, own: OwnCircuit, position: int) -> SimNode:
    """The Node at a position of a circuit, the first relay at 0."""
    return next(host for host in world.hosts if host.node.keys.public_key == own.route.over[position + 1])


def named(own: OwnCircuit, position: int) -> str:
    role = "exit" if position == len(own.hops) - 1 else f"relay {position + 1}"
    return f"{role} {name_of(own.route.over[position + 1])}"


# --- books ---


def download(world: World, user: SimNode) -> None:
    one = client(user, "files.test", 80, b"3000000\n")
    assert world.run_until(lambda: one.ended, 60)
    assert one.received == content_of(3_000_000)
    one.end()


def upload(world: World, user: SimNode) -> None:
    one = client(user, "sink.test", 9, content_of(3_000_000))
    one.end()
    assert world.run_until(lambda: one.closed, 60)
    assert one.received == b"3000000"


def both_ways_at_once(world: World, user: SimNode) -> None:
    one = client(user, "echo.test", 7, content_of(1_500_000))
    one.end()
    assert world.run_until(lambda: one.closed, 60)
    assert one.received == content_of(1_500_000)


def many_small_ones(world: World, user: SimNode) -> None:
    many = [client(user, "files.test", 80, b"%d\n" % (1_000 + number), str(number % 3)) for number in range(60)]
    assert world.run_until(lambda: all(one.ended for one in many), 60)
    assert all(one.received == content_of(1_000 + number) for number, one in enumerate(many))
    for one in many:
        one.end()


def client_hangs_up(world: World, user: SimNode) -> None:
    one = client(user, "files.test", 80, b"5000000\n")
    assert world.run_until(lambda: len(one.received) > 1_000_000, 60)
    one.abort()


def server_hangs_up(world: World, user: SimNode) -> None:
    one = client(user, "rude.test", 3, b"hello")
    assert world.run_until(lambda: one.closed, 60)


def nobody_is_there(world: World, user: SimNode) -> None:
    one = client(user, "nowhere.test", 80, b"hello")
    assert world.run_until(lambda: one.closed, 60)
    assert "nowhere.test:80 refuses" in str(one.reason)


def datagrams(world: World, user: SimNode) -> None:
    socket = user.open_datagrams()
    world.run(1)
    for number in range(100):
        user.datagram(socket, "dns.test", 53, b"question %d" % number)
    world.run(1)
    answers = user.clients.datagrams[socket]
    assert len(answers) == 200
    assert all(host == DNS and port == 53 for host, port, _ in answers)
    assert {data for _, _, data in answers} >= {b"question 42", b"question 42"[::-1]}
    user.carry(user.node.socket_closed(socket, Failure(Cause.CLOSED), world.now))


def questions(world: World, user: SimNode) -> None:
    sockets = [user.resolve(host) for host in ("files.test", "nowhere.test")]
    assert world.run_until(lambda: len(user.clients.resolutions) == 2, 60)
    good, bad = (user.clients.resolutions[socket] for socket in sockets)
    assert good == ((DNS, 60),)
    assert isinstance(bad, Failure)


WORK = [
    download,
    upload,
    both_ways_at_once,
    many_small_ones,
    client_hangs_up,
    server_hangs_up,
    nobody_is_there,
    datagrams,
    questions,
]


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize(
    "conditions",
    [
        pytest.param(Conditions(), id="wide"),
        pytest.param(Conditions(latency=0.04, bandwidth=2_000_000, split=True), id="narrow"),
    ],
)
def test_all_books_are_equal_to_the_wei_also_when_the_circuits_have_ended(
    work: Callable[[World, SimNode], None], conditions: Conditions
) -> None:
    world = network(101, 8)
    world.network.conditions = conditions
    user = world.hosts[0]
    work(world, user)
    world.run(5)
    assert books_agree(world, user)
    assert not any(host.sockets for host in world.hosts)
    assert not any(list(host.node.circuit_exit.streams()) for host in world.hosts)
    world.network.conditions = Conditions()
    world.run(LIFE + IDLE + 15)
    assert circuits(world) == 0, "rotated"
    assert books_agree(world, user)
    assert not user.node.own_circuits.audit
    assert not complaints(world)


def test_the_last_bills_are_what_the_originator_has_counted() -> None:
    world = network(102, 8)
    user = world.hosts[0]
    download(world, user)
    world.run(1)
    (own,) = user.node.own_circuits
    seen: list[tuple[int, int]] = []
    check = user.node.own_circuits._check_bill

    def overheard(own: OwnCircuit, position: int, bill: dict[str, str], now: float) -> list[Log]:
        if own.closing is not None:
            seen.append((position, int(bill["wei"])))
        return check(own, position, bill, now)

    user.node.own_circuits._check_bill = overheard  # type: ignore[method-assign, assignment]
    world.run(LIFE + IDLE + 15)
    assert sorted(seen) == [(position, hop.wei) for position, hop in enumerate(own.hops)]


def test_a_node_that_books_double_is_found_out_and_avoided() -> None:
    world = network(103)
    user = world.hosts[0]
    greedy = client(user, "files.test", 80, b"20\n")
    assert world.run_until(lambda: greedy.ended, 10)
    own = circuit_of(user)
    thief = hop_of(world, own, 1)
    billing = thief.node.circuits._billing
    earn = billing.earn

    def twice(passage, size, as_exit, now):  # type: ignore[no-untyped-def]
        return earn(passage, size, as_exit, now) + earn(passage, size, as_exit, now)

    billing.earn = twice  # type: ignore[method-assign]
    one = client(user, "files.test", 80, b"3000000\n")
    assert world.run_until(lambda: one.ended, 60)
    one.end()
    greedy.end()
    world.run(LIFE + IDLE + 15)
    (found,) = user.node.own_circuits.audit.values()
    assert found.key == thief.node.keys.public_key
    assert 1.9 < found.billed / found.counted < 2.1
    assert any(isinstance(log, Log) and log.event == "overbilled" for log in user.logs)
    again = client(user, "files.test", 80, b"20\n")
    assert world.run_until(lambda: again.ended, 10)
    assert found.key not in circuit_of(user).route.over


# --- other ways ---


@pytest.mark.parametrize("seed", range(110, 113))
def test_a_stream_that_got_nothing_survives_the_crash_of_its_exit_and_the_client_doesn_t_notice(seed: int) -> None:
    world = network(seed)
    user = world.hosts[MIDDLE]
    one = client(user, "echo.test", 7, b"first words")
    exit = hop_of(world, circuit_of(user), 2)
    exit.crash()
    assert world.run_until(lambda: one.received == b"first words", 60)
    assert not one.closed
    assert hop_of(world, circuit_of(user), 2) is not exit
    one.send(b", and more")
    assert world.run_until(lambda: one.received == b"first words, and more", 10)


def test_a_stream_that_one_exit_refuses_goes_over_another() -> None:
    world = network(115)
    user = world.hosts[MIDDLE]
    refused: list[int] = []

    def refuse_first(host: SimNode) -> None:
        connect = host.servers._connect

        def picky(socket: int, target: str, port: int) -> None:
            if refused and refused[0] != host.number:
                connect(socket, target, port)
                return
            refused.append(host.number)
            host.carry(host.node.connect_failed(socket, Failure(Cause.POLICY), world.now))

        host.servers._connect = picky  # type: ignore[method-assign]

    for host in world.hosts:
        refuse_first(host)
    one = client(user, "echo.test", 7, b"hello")
    assert world.run_until(lambda: one.received == b"hello", 60)
    assert len(refused) == 1
    assert not one.closed
    world.run(1)
    assert books_agree(world, user)


def test_a_question_that_one_exit_can_t_answer_is_answered_by_another_and_a_name_that_isn_t_by_the_first() -> None:
    world = network(116)
    user = world.hosts[MIDDLE]
    asked: list[int] = []
    for host in world.hosts:

        def resolved(socket, found, now, host=host, answer=host.node.resolved):  # type: ignore[no-untyped-def]
            asked.append(host.number)
            return answer(socket, Failure(Cause.NOT_RESOLVED) if len(asked) == 1 else found, now)

        host.node.resolved = resolved  # type: ignore[method-assign]
    socket = user.resolve("files.test")
    assert world.run_until(lambda: socket in user.clients.resolutions, 30)
    assert user.clients.resolutions[socket] == ((DNS, 60),)
    assert len(set(asked)) == 2
    for host in world.hosts:

        def unknown(socket, found, now, host=host, answer=host.node.resolved):  # type: ignore[no-untyped-def]
            return answer(socket, Failure(Cause.NO_SUCH_NAME), now)

        host.node.resolved = unknown  # type: ignore[method-assign]
    socket = user.resolve("nowhere.test")
    assert world.run_until(lambda: socket in user.clients.resolutions, 30)
    unknown_name = user.clients.resolutions[socket]
    assert isinstance(unknown_name, Failure)
    assert unknown_name.cause is Cause.NO_SUCH_NAME
    assert len(asked) == 3


@pytest.mark.parametrize("position", range(3))
@pytest.mark.parametrize("seed", [120, 121])
def test_a_stream_that_got_something_ends_with_a_reason_that_names_the_hop(seed: int, position: int) -> None:
    world = network(seed)
    user = world.hosts[MIDDLE]
    one = client(user, "chatty.test", 2, b"hello?")
    assert world.run_until(lambda: one.received == b"yes", 60)
    own = circuit_of(user)
    gone = hop_of(world, own, position)
    gone.crash()
    assert world.run_until(lambda: one.closed, 60)
    expected = [
        f"{named(own, 0)}: the link to it was lost",
        f"{named(own, 0)}: next hop unreachable (the link to it was lost)",
        f"{named(own, 1)}: next hop unreachable (the link to it was lost)",
    ][position]
    assert one.reason == expected
    # Who says that it can't reach the next one may lie: either of the two is avoided.
    suspects = tuple(own.route.over[1:][max(0, position - 1) : position + 1])
    assert user.node.own_circuits.blame.keys(world.now) == suspects
    assert gone.node.keys.public_key in suspects
    again = client(user, "chatty.test", 2, b"hello?")
    assert world.run_until(lambda: again.received == b"yes", 60)
    assert gone.node.keys.public_key not in circuit_of(user).route.over


@pytest.mark.parametrize("position", range(3))
def test_many_streams_and_datagrams_fail_over_together(position: int) -> None:
    world = network(125)
    user = world.hosts[MIDDLE]
    socket = user.open_datagrams()
    many = [client(user, "silent.test", 1, b"x") for _ in range(20)]
    world.run(1)
    own = next(iter(user.node.own_circuits))
    assert len(own.terminal.streams) == 21
    world.servers["silent.test", 1] = Echo
    hop_of(world, own, position).crash()
    assert world.run_until(lambda: all(one.received == b"x" for one in many), 60)
    user.datagram(socket, "dns.test", 53, b"still there")
    world.run(1)
    assert (DNS, 53, b"still there") in user.clients.datagrams[socket]


def test_a_lost_link_in_the_middle_names_who_lost_it() -> None:
    world = network(126)
    user = world.hosts[MIDDLE]
    one = client(user, "chatty.test", 2, b"hello?")
    assert world.run_until(lambda: one.received == b"yes", 60)
    own = circuit_of(user)
    first, second = hop_of(world, own, 0), hop_of(world, own, 1)
    for wire in first.links:
        if wire.other.owner is second.links:
            wire.cut()
    assert world.run_until(lambda: one.closed, 60)
    assert one.reason == f"{named(own, 0)}: next hop unreachable (the link to it was lost)"
    world.run(1)
    assert circuits(world) == 0, "on either side of it"


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


def test_after_ten_minutes_new_streams_get_a_new_circuit_and_old_ones_keep_theirs() -> None:
    world = network(132, 8)
    user = world.hosts[0]
    old = client(user, "chatty.test", 2, b"1")
    world.run(LIFE - 1)
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


# --- memory ---


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
