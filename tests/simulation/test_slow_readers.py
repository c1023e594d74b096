"""Everybody is slow in a way of his own, and nobody waits for ever: readers that rest, narrow links, small buffers.

Streams share links and routes, and who can't go on stops those before him; that must never come round to himself.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

import pytest
from tests.simulation.circuit_worlds import Sink

from masq.sim.network import Conditions
from masq.sim.workloads.application import Application
from masq.sim.workloads.browsing import Download, Echo, content_of
from masq.sim.world import World

KINDS: Final[dict[str, dict[str, str]]] = {
    "circuits": {},
    "packages over secure links": {"package_policy": "masq"},
    "packages over JSON": {"link_policy": "masq"},
}
SIZES: Final = (1_000, 300_000, 2_500_000)
ALMOST_NOTHING: Final = 20.0
"""Bytes that a reader takes in a second while it rests."""
PATIENCE: Final = 200.0
"""Virtual seconds after which all readers that go on have all: the slowest world carries 250 kB a second."""


@dataclass
class Job:
    """A client, and how many bytes it is to hear."""

    client: Application
    wanted: int

    @property
    def done(self) -> bool:
        return len(self.client.received) == self.wanted


def slow_world(chance: random.Random, settings: dict[str, str]) -> World:
    world = World(chance.randrange(1_000))
    world.join(9, 0.5, **settings)
    world.run(20)
    world.servers |= {("files.test", 80): Download, ("sink.test", 9): Sink, ("echo.test", 7): Echo}
    world.network.conditions = Conditions(
        latency=chance.choice((0.001, 0.02, 0.15)),
        bandwidth=chance.choice((250_000, 1_000_000, 4_000_000)),
        split=chance.random() < 0.3,
        high_water=chance.choice((16_384, 65_536, 262_144)),
    )
    for host in world.hosts:
        if chance.random() < 0.3:
            host.links.bandwidth = chance.choice((250_000, 500_000, 2_000_000))
    return world


def begin(world: World, chance: random.Random) -> Job:
    user = chance.choice(world.hosts[4:7])
    size = chance.choice(SIZES)
    client = Application()
    if chance.random() < 0.5:
        client.pace = chance.choice((ALMOST_NOTHING, 300_000.0))
    match chance.choice(("down", "up", "both")):
        case "down":
            user.open(client, "files.test", 80, "group")
            client.send(b"%d\n" % size)
            return Job(client, size)
        case "up":
            user.open(client, "sink.test", 9, "group")
            client.send(content_of(size))
            client.end()
            return Job(client, len(str(size)))
        case _:
            user.open(client, "echo.test", 7, "group")
            client.send(content_of(size))
            client.end()
            return Job(client, size)


@pytest.mark.parametrize("settings", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_nobody_waits_for_ever(settings: dict[str, str], seed: int) -> None:
    chance = random.Random(seed)
    world = slow_world(chance, settings)
    jobs: list[Job] = []
    for _ in range(chance.randint(4, 10)):
        jobs.append(begin(world, chance))
        world.run(chance.choice((0.0, 0.2, 2.0)))
        for job in jobs:
            if job.client.pace is not None and chance.random() < 0.4:
                job.client.pace = chance.choice((ALMOST_NOTHING, 20_000.0, 1_000_000.0))
    world.run(10.0)
    for job in jobs:
        if job.client.pace is not None:
            job.client.pace = 1_000_000.0
    assert world.run_until(lambda: all(job.done for job in jobs), PATIENCE)
