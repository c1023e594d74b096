"""Issue 9, 18: an exit that has relays paid for cells of nothing, and packages of 0.9.1 that are booked often.

In the simulator: there a Node of a route can be made to do anything, and all books are open.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.attacks.test_08_swallowers import avoided, circuit_of, client, hop_of, network

from masq.core.packages.flow import ASIDE
from masq.core.packages.relay import Relayed
from masq.sim.host import SimNode
from masq.types import PackagePolicy
from masq.wire.circuit import MAX_DATA, MAX_PLAIN, STREAM_CREDIT
from masq.wire.package import Package

Tell = Callable[[str], None]

CELLS = 400
"""Of 65 kB: 26 MB, as when this cost the user 2,802 gwei more."""
MOST = 256 * 1024 + STREAM_CREDIT
"""Bytes of nothing that a user of one stream may have to pay relays for: what that had credit for may be under way."""


def spend(exit: SimNode, kind: str, now: float) -> None:
    """Let an exit send cells of nothing over the one circuit that ends at it."""
    node = exit.node
    (passage,) = [each for each in node.circuits if each.terminal is not None]
    terminal = passage.terminal
    assert terminal
    message = {"unknown": (1, 99, bytes(MAX_DATA)), "late": (77, 3, bytes(MAX_DATA))}.get(kind)
    for _ in range(CELLS):
        terminal.credit = MAX_PLAIN
        terminal.post([message or (1, 5, bytes(4))] * (1 if message else MAX_PLAIN // 13), now)
        exit.carry(node._carry(node.circuit_exit._pack(passage, terminal, now), now))


@pytest.mark.parametrize("kind", ["unknown", "late", "windows"])
def test_18_cells_of_nothing_are_paid_for_only_so_far_and_are_the_exit_s_fault(kind: str, tell: Tell) -> None:
    world, user = network(1801)
    one = client(user, "echo.test", 7, b"hello")
    assert world.run_until(lambda: one.received == b"hello", 10)
    own = circuit_of(user)
    before = own.hops[0].wei
    exit = hop_of(world, own, 2)
    spend(exit, kind, world.now)
    world.run(5)
    paid = own.hops[0].wei - before
    most = own.hops[0].service.rates.routing_charge(MOST)
    tell(f"{CELLS * 65} kB of {kind}: {paid / 1e9:.1f} gwei per relay; the user was told: {one.reason}")
    assert paid <= most
    assert one.closed
    assert exit.node.keys.public_key in avoided(user)
    assert len(avoided(user)) == 1


def test_18_a_package_that_comes_100_times_is_booked_once(tell: Tell) -> None:
    world, user = network(1802)
    user.node.rules = replace(user.node.rules, package_policy=PackagePolicy.MASQ)
    taken: list[tuple[SimNode, Package]] = []
    for host in world.hosts:
        if host is user:
            continue
        arrive = host.node.package_relay.arrive

        def noted(package, host=host, arrive=arrive):  # type: ignore[no-untyped-def]
            arrival = arrive(package)
            if isinstance(arrival, Relayed):
                taken.append((host, package))
            return arrival

        host.node.package_relay.arrive = noted  # type: ignore[method-assign]
    one = client(user, "echo.test", 7, b"hello")
    assert world.run_until(lambda: one.received == b"hello", 10)
    victim, package = taken[0]
    link = next(iter(victim.node.links))

    def owed() -> int:
        owed: int = victim.node.accountant.owed_by(user.consuming.address)
        return owed

    world.run(2 * ASIDE[-1])  # What is said behind a packet, in case that it was lost, is paid for, too.
    before = owed()
    assert before
    for _ in range(100):
        victim.carry(victim.node._on_link(link, package, world.now))
    world.run(5)
    tell(f"owed before: {before} wei, after 100 repetitions: {owed()} wei")
    assert owed() == before
