"""The network between Nodes: connections that take time, fill up, break, and are refused."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from masq.types import Endpoint

if TYPE_CHECKING:
    from masq.sim.host import Host
    from masq.sim.world import World

HIGH_WATER: Final = 256 * 1024
"""Bytes written and not yet on their way, from which on a Node is told to stop, as the shell's driver tells it."""
LOW_WATER: Final = HIGH_WATER // 4


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the network is like. May be changed at any time; it holds for what happens from then on."""

    latency: float = 0.005
    """Seconds, one way."""
    bandwidth: float | None = None
    """Bytes per second of each direction of each connection; None: no limit."""
    split: bool = False
    """Whether what is written at once may arrive in two parts, cut anywhere."""
    refuse: float = 0.0
    """The probability that a dial is refused."""
    break_every: float = 0.0
    """Mean seconds between losses of one connection, whichever; 0: none is lost."""


class Wire:
    """One end of a connection, at a Node."""

    def __init__(self, network: Network, host: Host, link: int) -> None:
        self._network = network
        self.host = host
        self.link = link
        self.other: Wire
        self.buffered = 0
        self._congested = False
        self._free = 0.0
        """When all that was written is on its way."""
        self._arrival = 0.0
        self.open = True

    def write(self, data: bytes) -> None:
        network, world = self._network, self._network.world
        conditions = network.conditions
        if conditions.bandwidth is not None:
            self._free = max(self._free, world.now) + len(data) / conditions.bandwidth
            self.buffered += len(data)
            world.at(self._free, lambda: self._departed(len(data)))
            if self.buffered > HIGH_WATER and not self._congested:
                self._congested = True
                self.host.link_congested(self.link)
        parts = [data]
        if conditions.split and len(data) > 1:
            cut = network.random.randrange(1, len(data))
            parts = [data[:cut], data[cut:]]
        for part in parts:
            self._later(part)

    def _later(self, data: bytes | None) -> None:
        """Let it arrive, after all that was written before; None is the end."""
        world, other = self._network.world, self.other
        self._arrival = max(self._arrival, max(self._free, world.now) + self._network.conditions.latency)
        world.at(self._arrival, lambda: other.arrive(data))

    def _departed(self, size: int) -> None:
        self.buffered -= size
        if self._congested and self.buffered <= LOW_WATER and self.open:
            self._congested = False
            while not self._congested and self.host.link_drained(self.link):
                pass

    def arrive(self, data: bytes | None) -> None:
        if not self.open:
            return
        if data is None:
            self._network.forget(self)
            self.host.link_lost(self.link)
        else:
            self.host.link_heard(self.link, data)

    def close(self) -> None:
        """This end goes; the other one hears of it after what was written before."""
        if self.open:
            self._network.forget(self)
            self._later(None)

    def cut(self) -> None:
        """The connection breaks: both ends notice, and what was under way is lost."""
        for end in (self, self.other):
            if end.open:
                self._network.forget(end)
                end.host.link_lost(end.link)


class Network:
    """All connections that stand."""

    def __init__(self, world: World, seed: int, conditions: Conditions) -> None:
        self.world = world
        self.random = random.Random(seed)
        self._conditions = conditions
        self._wires: dict[tuple[int, int], Wire] = {}
        self._breaking = False

    @property
    def conditions(self) -> Conditions:
        return self._conditions

    @conditions.setter
    def conditions(self, conditions: Conditions) -> None:
        self._conditions = conditions
        if conditions.break_every and not self._breaking:
            self._breaking = True
            self._break_later()

    def __iter__(self) -> Iterator[Wire]:
        return iter(self._wires.values())

    def of(self, host: Host, link: int) -> Wire | None:
        wire = self._wires.get((host.number, link))
        return wire if wire is not None and wire.host is host else None

    def all_of(self, host: Host) -> list[Wire]:
        return [wire for wire in self._wires.values() if wire.host is host]

    def forget(self, wire: Wire) -> None:
        wire.open = False
        self._wires.pop((wire.host.number, wire.link), None)

    def dial(self, host: Host, link: int, endpoint: Endpoint) -> None:
        """The dial of a Node has arrived: it stands, or is refused."""
        target = self.world.by_ip.get(endpoint.ip)
        refused = self.conditions.refuse and self.random.random() < self.conditions.refuse
        theirs = None
        if target is not None and target.alive and target.listens and not refused:
            theirs = target.node.accept(Endpoint(host.ip, 40_000 + link % 20_000), self.world.now)
        if target is None or theirs is None:
            host.dial_failed(link)
            return
        near, far = Wire(self, host, link), Wire(self, target, theirs)
        near.other, far.other = far, near
        self._wires[host.number, link] = near
        self._wires[target.number, theirs] = far
        host.dialled(link)

    def _break_later(self) -> None:
        if not self.conditions.break_every:
            self._breaking = False
            return
        self.world.later(self._break_one, self.random.expovariate(1 / self.conditions.break_every))

    def _break_one(self) -> None:
        if self._wires and self.conditions.break_every:
            self.random.choice(list(self._wires.values())).cut()
        self._break_later()
