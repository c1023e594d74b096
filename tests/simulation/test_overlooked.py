"""A Node comes back with the key that it had to Nodes of 0.9.1, which remember it: it takes another one by itself."""

from __future__ import annotations

from typing import Any

import pytest
from tests.simulation.old_world import OldHost, as_contacts, old_mesh

from masq.core.effects import Log
from masq.sim.host import SimNode
from masq.sim.world import World
from masq.types import Mode

MODES = [Mode.STANDARD, Mode.ORIGINATE_ONLY, Mode.CONSUME_ONLY]


def full(host: SimNode) -> int:
    graph = host.node.neighborhood.graph
    return len(graph.full_neighbors(graph.root_key))


def overlooked(host: SimNode) -> bool:
    return any(isinstance(log, Log) and log.event == "overlooked" for log in host.logs)


def joined(seed: int, **settings: Any) -> tuple[World, list[OldHost]]:
    """One of ours, with neighbors among Nodes of 0.9.1."""
    world = World(seed)
    old = old_mesh(world, 4)
    assert all(each.node.full for each in old)
    host = world.add(as_contacts(*old[:1]), **settings)
    assert world.run_until(lambda: full(host) >= 2, 10)
    world.run(5)
    return world, old


def back(world: World, seconds: float) -> bool:
    return world.run_until(lambda: full(world.hosts[0]) >= 2, seconds)


@pytest.mark.parametrize("mode", MODES)
def test_a_kept_key_is_given_up_for_a_new_one_when_nobody_takes_it_back(mode: Mode) -> None:
    world, old = joined(1, mode=mode)
    before = world.hosts[0]
    key = before.node.keys.public_key
    before.crash()
    world.run(1)
    begun = world.now
    kept = world.add(as_contacts(*old[:1]), mode=mode, replacing=before, kept=True)
    assert kept.node.keys.public_key == key
    world.run(9)
    assert world.hosts[0] is kept
    assert (full(kept), kept.node.stage) == (0, "NotConnected")
    assert back(world, 5)
    print(f"{mode}: taken back after {world.now - begun:.1f} s")
    host = world.hosts[0]
    assert overlooked(kept)
    assert not kept.alive
    assert host.node.keys.public_key != key
    world.run(120)
    others = {key for each in old for key in each.node.full} - {each.node.key for each in old}
    assert others == {host.node.keys.public_key}
    assert world.hosts[0] is host, "once"
    assert full(host) >= 2


def test_so_does_one_that_has_lost_all_its_links_while_it_runs() -> None:
    world, _ = joined(2)
    before = world.hosts[0]
    before.lose_links()
    assert full(before) == 0
    assert back(world, 15)
    assert world.hosts[0] is not before
    assert world.hosts[0].node.keys.public_key != before.node.keys.public_key


def test_so_does_one_that_has_moved() -> None:
    """With 0.9.1 that isn't possible under one key (neighborhood.md 3.3)."""
    world, _ = joined(3, mode=Mode.CONSUME_ONLY)
    before = world.hosts[0]
    before.move("10.7.7.7")
    before.lose_links()
    assert back(world, 15)
    assert world.hosts[0].ip == "10.7.7.7"


def test_each_further_change_of_a_day_takes_twice_as_long() -> None:
    world, _ = joined(4)
    took = []
    for _ in range(3):
        world.hosts[0].lose_links()
        begun = world.now
        assert back(world, 60)
        took.append(world.now - begun)
        world.run(5)
    print("taken back after", [f"{each:.1f} s" for each in took])
    assert took[0] < 13 < took[1] < 21 < took[2] < 37


def test_a_node_of_ours_takes_the_key_back_and_so_it_stays() -> None:
    """One of those that it asks is ours, and proves keys: 0.9.1 around it changes nothing."""
    world = World(5)
    old = old_mesh(world, 2)
    ours = world.add(as_contacts(*old[:1]))
    assert world.run_until(lambda: full(ours) >= 2, 10)
    host = world.add([ours])
    assert world.run_until(lambda: full(host) >= 1, 10)
    world.run(5)
    host.crash()
    world.run(1)
    again = world.add([ours, *as_contacts(old[1])], replacing=host, kept=True)
    world.run(60)
    assert world.hosts[1] is again
    assert full(again) >= 1
    assert not overlooked(again)


def test_contacts_that_are_away_or_refuse_are_no_reason() -> None:
    """Another key is no help with those."""
    world, _ = joined(6)
    before = world.hosts[0]
    before.crash()
    world.run(1)
    before.memory.config.pop("past_neighbors")
    away, crowded = OldHost(world, 9), OldHost(world, 10).start()
    away.alive = False
    for number in range(5):
        world.add(as_contacts(crowded), mode=Mode.CONSUME_ONLY, ip=f"10.8.0.{number + 1}")
        OldHost(world, 20 + number, crowded).start()
        world.run(3)
    assert len(crowded.node.root.neighbors) >= 5
    host = world.add(as_contacts(away, crowded), replacing=before, kept=True)
    world.run(30)
    assert world.hosts[0] is host
    assert not overlooked(host)


def test_nobody_remembers_a_key_that_never_had_a_neighbor() -> None:
    """Who says nothing to it is no Node, or hangs."""
    world = World(7)
    hung = OldHost(world, 1)
    hung.node.hangs = True
    host = world.add(as_contacts(hung))
    world.run(60)
    assert world.hosts[0] is host
    assert not overlooked(host)
    assert {link.speech for link in host.node.links} == {"json"}


def test_a_key_that_its_user_insists_on_stays_and_he_is_told() -> None:
    world, old = joined(8)
    before = world.hosts[0]
    before.crash()
    world.run(1)
    host = world.add(as_contacts(*old[:1]), replacing=before, kept=True, fixed=True)
    world.run(30)
    assert world.hosts[0] is host
    assert overlooked(host)
    advice = host.node.view(world.now).overlooked
    assert advice
    assert "new-public-key" in advice
