"""Issue 9, 15: nobody is paid whatever he asks for, and an hour costs no more than its budget, but for what is open."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from masq.core.accountant.effects import Notice
from masq.core.failure import Cause, FailureError
from masq.core.network.routing import DEAREST, Ceiling, Routes
from masq.sim.workloads.application import Application
from masq.sim.workloads.browsing import Download
from masq.sim.world import World
from masq.types import DEFAULT_RATE_PACK, RatePack

MASQ = 10**18
ABSURD = RatePack(10**15, 10**15, 10**15, 10**15)


def fetch(world: World, user: int, size: int) -> None:
    client = Application()
    world.hosts[user].open(client, "files.test", 80)
    client.send(b"%d\n" % size)
    assert world.run_until(lambda: client.ended, 30)
    client.end()
    world.run(2)


def owed(world: World, user: int) -> int:
    return sum(account.wei for account in world.hosts[user].node.accountant.ledger.payables.values())


def test_15_nobody_above_the_ceiling_is_used_and_the_user_hears_why(tell: Callable[[str], None]) -> None:
    """B16."""
    world = World(1501)
    world.add()
    world.join(8, rates=ABSURD)
    world.run(20)
    world.servers["files.test", 80] = Download
    with pytest.raises(FailureError, match="ask for more than max-rate-pack") as caught:
        world.hosts[0].open(Application(), "files.test", 80)
    assert caught.value.failure.cause is Cause.NO_ROUTE
    tell(f"eight Nodes at 0.001 MASQ per byte: {owed(world, 0)} wei owed")
    assert owed(world, 0) == 0


def test_15_among_dear_nodes_the_others_are_found() -> None:
    world = World(1502)
    world.join(6)
    world.join(3, rates=ABSURD)
    world.run(20)
    world.servers["files.test", 80] = Download
    fetch(world, 0, 20_000)
    assert owed(world, 0) < MASQ // 10**6


def test_15_at_the_ceiling_itself_a_node_is_used() -> None:
    world = World(1503)
    world.join(6, rates=DEAREST)
    world.run(20)
    world.servers["files.test", 80] = Download
    fetch(world, 0, 20_000)
    assert owed(world, 0)


def test_15_a_route_costs_no_more_per_gb_than_is_set() -> None:
    world = World(1504)
    world.join(6)
    world.run(20)
    graph = world.hosts[0].node.neighborhood.graph
    usual = world.hosts[0].node.routes.find(3, 1_000).per_gb
    assert 2 * 10**14 < usual < 5 * 10**14
    routes = Routes(graph, world.random.randbytes, Ceiling(DEAREST, usual - 1))
    with pytest.raises(FailureError, match="max-price-per-gb"):
        routes.find(3, 1_000)
    assert Routes(graph, world.random.randbytes, Ceiling(DEFAULT_RATE_PACK, usual)).find(3, 1_000)


def test_15_an_hour_has_a_budget_and_a_warning_before_it_is_used_up(tell: Callable[[str], None]) -> None:
    world = World(1505)
    world.join(8)
    world.run(20)
    world.servers["files.test", 80] = Download
    user = world.hosts[0]
    fetch(world, 0, 100_000)
    once = owed(world, 0)
    budget = user.node.accountant.budget
    budget.per_hour = 5 * once
    fetches = 1
    with pytest.raises(FailureError, match="max-spending-per-hour") as caught:
        while fetches < 20:
            fetch(world, 0, 100_000)
            fetches += 1
    assert caught.value.failure.cause is Cause.BUDGET
    warnings = [log.text for log in user.logs if isinstance(log, Notice) and "max-spending-per-hour" in log.text]
    assert len(warnings) == 2
    assert "no new connection" in warnings[1]
    tell(f"budget of 5 fetches: refused after {fetches}, {owed(world, 0) / once:.2f} of them owed")
    assert 5 <= fetches <= 6
    with pytest.raises(FailureError):
        user.node.resolve("files.test", "", user.turn.now)
    world.run(3_700)
    fetch(world, 0, 100_000)
