"""Nodes of 0.9.1, or what stands in for them, in a world of the simulator."""

from __future__ import annotations

import random
from typing import Any, cast

from tests.old_node import OldNode, performing

from masq.sim.host import SimNode
from masq.sim.turn import Turn
from masq.sim.world import PORT, World
from masq.types import Endpoint


class OldHost:
    """One of them, that joins by the descriptor of another one."""

    def __init__(self, world: World, number: int, by: OldHost | None = None) -> None:
        self.ip = f"10.9.1.{number}"
        self.node: Any = OldNode(self.ip, PORT, random.Random(number).randbytes)
        if by is not None:
            self.node.joins_by(by.node.key, Endpoint(by.ip, PORT))
        self._turn = Turn(
            cast(Any, self.node), world.clock, world.network.after_latency, lambda effect: perform(effect)
        )
        perform = performing(world.network.join(self._turn, self.ip))

    @property
    def alive(self) -> bool:
        return self._turn.alive

    @alive.setter
    def alive(self, alive: bool) -> None:
        self._turn.alive = alive

    def start(self) -> OldHost:
        self._turn.carry(self.node.start(self._turn.now))
        return self


def as_contacts(*hosts: OldHost) -> list[SimNode]:
    """Somebody to join by: all that it takes is a key and an address."""
    return cast(list[SimNode], list(hosts))


def old_mesh(world: World, count: int) -> list[OldHost]:
    """Each joins by the one before it."""
    hosts: list[OldHost] = []
    for number in range(1, count + 1):
        hosts.append(OldHost(world, number, hosts[-1] if hosts else None).start())
        world.run(1)
    return hosts
