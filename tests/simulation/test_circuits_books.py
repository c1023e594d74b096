"""Circuits in virtual time: all books agree to the wei, and who books double is found out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.simulation.circuit_worlds import (
    circuit_of,
    circuits,
    client,
    datagrams,
    hop_of,
    network,
    questions,
)
from tests.worlds import books_agree, complaints

from masq.core.circuits.origin import IDLE, LIFE, OwnCircuit
from masq.core.effects import Log
from masq.sim.host import SimNode
from masq.sim.network import Conditions
from masq.sim.workloads.browsing import content_of
from masq.sim.world import World


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

    user.node.own_circuits._check_bill = overheard  # type: ignore[method-assign]
    world.run(LIFE + IDLE + 15)
    assert sorted(seen) == [(position, hop.wei) for position, hop in enumerate(own.hops)]


def test_a_node_that_books_double_is_found_out_and_avoided() -> None:
    world = network(103)
    user = world.hosts[0]
    one = client(user, "files.test", 80, b"3000000\n")
    thief = hop_of(world, circuit_of(user), 1)
    billing = thief.node.circuits._billing
    earn = billing.earn

    def twice(passage, size, as_exit, now):  # type: ignore[no-untyped-def]
        return earn(passage, size, as_exit, now) + earn(passage, size, as_exit, now)

    billing.earn = twice  # type: ignore[method-assign]
    assert world.run_until(lambda: one.ended, 60)
    one.end()
    world.run(LIFE + IDLE + 15)
    (found,) = user.node.own_circuits.audit.values()
    assert found.key == thief.node.keys.public_key
    assert 1.9 < found.billed / found.counted < 2.1
    assert any(isinstance(log, Log) and log.event == "overbilled" for log in user.logs)
    again = client(user, "files.test", 80, b"20\n")
    assert world.run_until(lambda: again.ended, 10)
    assert found.key not in circuit_of(user).route.over
