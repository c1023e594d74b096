"""Invariants: a world looks at them by itself, and says which one doesn't hold at which Node."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from masq.sim.invariants.every import FEW, TURNS, Check
from masq.sim.network import HIGH_WATER
from masq.sim.world import World


def overfill_a_wire(world: World) -> None:
    next(iter(world.hosts[1].links)).buffered = 10 * HIGH_WATER


def miscount_a_queue(world: World) -> None:
    next(iter(world.hosts[1].node.links)).queued = 1


def make_tokens(world: World) -> None:
    world.chain.tokens[world.hosts[1].earning.address] = 1


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (overfill_a_wire, "Node 1 writes on"),
        (miscount_a_queue, "Node 1: 1 B wait"),
        (make_tokens, "tokens were made or lost"),
    ],
)
def test_what_does_not_hold_is_noticed_within_a_second(spoil: Callable[[World], None], words: str) -> None:
    world = World(1)
    world.join(3)
    world.run(5)
    spoil(world)
    with pytest.raises(AssertionError, match=words):
        world.run(1)


def test_a_node_that_crashed_may_be_in_any_state() -> None:
    world = World(1)
    world.join(3)
    miscount_a_queue(world)
    world.hosts[1].crash()
    world.run(1)


def test_of_many_nodes_those_to_which_something_happened_are_looked_at_and_the_others_in_turns() -> None:
    world = World(1)
    world.join(FEW + 2, every=0.05)
    for host in world.hosts:
        host.turn.touched = False
    check = Check()
    miscount_a_queue(world)
    with pytest.raises(AssertionError, match="Node 1: 1 B wait"):
        for _ in range(TURNS):
            check(world.hosts, world.chain)
    world.hosts[1].turn.touched = True
    with pytest.raises(AssertionError, match="Node 1: 1 B wait"):
        Check()(world.hosts, world.chain)
