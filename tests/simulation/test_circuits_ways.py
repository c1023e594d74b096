"""Circuits in virtual time: streams survive exits and links that fail, or say who failed."""

from __future__ import annotations

import pytest
from tests.simulation.circuit_worlds import (
    DNS,
    circuit_of,
    circuits,
    client,
    hop_of,
    network,
)
from tests.worlds import books_agree

from masq.core.circuits.origin import OwnCircuit
from masq.core.failure import Cause, Failure, name_of
from masq.sim.host import SimNode
from masq.sim.workloads.browsing import Echo

MIDDLE = 6
"""A Node from which many ways lead: those that joined first have only few."""


def named(own: OwnCircuit, position: int) -> str:
    role = "exit" if position == len(own.hops) - 1 else f"relay {position + 1}"
    return f"{role} {name_of(own.route.over[position + 1])}"


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

        host.servers._connect = picky  # type: ignore[method-assign,assignment]

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
    # Who says that it can't reach the next one may lie: either of the two is a suspect, and one time proves nothing.
    suspects = tuple(own.route.over[1:][max(0, position - 1) : position + 1])
    assert own.suspects == suspects
    assert user.node.own_circuits.blame.keys(world.now) == (suspects if position == 0 else ())
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


def test_new_streams_take_no_circuit_over_a_node_that_is_banned_meanwhile() -> None:
    world = network(131)
    user = world.hosts[0]
    before = client(user, "echo.test", 7, b"before")
    assert world.run_until(lambda: before.received == b"before", 10)
    world.run(5)  # It isn't busy any more.
    exit = circuit_of(user).route.exit.key
    user.carry(user.node.ban(exit.hex(), 600.0, world.now))
    after = client(user, "echo.test", 7, b"after")
    assert world.run_until(lambda: after.received == b"after", 10)
    routes = [stream.circuit.route.over for stream in user.node.circuit_entry.streams() if stream.circuit]
    assert [exit in over for over in routes] == [True, False]
    before.send(b", still")
    assert world.run_until(lambda: before.received == b"before, still", 10), "what goes over it goes on"
