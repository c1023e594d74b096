"""What befalls the network between Nodes: silence, partitions, narrow links, bad weather, other addresses."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import msgspec

from masq.sim.faults.fault import Fault, Several, Share, told
from masq.sim.host import SimNode
from masq.sim.network import Conditions
from masq.sim.stage import Stage
from masq.sim.workloads.requests import Seconds


class Silence(Several, tag="silence", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All packets from and to Nodes are lost, without a word."""

    length: Seconds | None = None
    """Seconds that it lasts; None: to the end."""

    def begin(self, stage: Stage) -> None:
        victims = self.pick(stage)
        stage.mark("bad", victims)
        stage.mark("silent", victims)
        for victim in victims:
            victim.links.silent = True
        stage.tell(f"silent: {told(victims)}", heals=self.length is None)
        if self.length is not None:
            stage.world.clock.later(lambda: self._end(stage, victims), self.length)

    def _end(self, stage: Stage, victims: list[SimNode]) -> None:
        for victim in victims:
            victim.links.silent = False
            stage.marked["silent"].pop(victim.number, None)
        stage.world.network.deliver()
        stage.tell(f"no more silent: {told(victims)}")


class Partition(Fault, tag="partition", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the Nodes and the others don't reach each other."""

    share: Share = 0.5
    length: Seconds = 60.0

    def begin(self, stage: Stage) -> None:
        living = stage.living()
        for host in stage.chance.sample(living, round(self.share * len(living))):
            host.links.side = 1
        stage.tell("the network falls in two", heals=False)
        stage.world.clock.later(lambda: self._end(stage), self.length)

    def _end(self, stage: Stage) -> None:
        for host in stage.world.hosts:
            host.links.side = 0
        stage.world.network.deliver()
        stage.tell("the network is one again")


class Slow(Several, tag="slow", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nodes have narrow links."""

    bandwidth: Annotated[float, msgspec.Meta(gt=0, le=1e12)] = 1_000_000.0
    """Bytes per second, each way of each link."""

    def begin(self, stage: Stage) -> None:
        victims = self.pick(stage)
        stage.mark("bad", victims)
        for victim in victims:
            victim.links.bandwidth = self.bandwidth
        stage.tell(f"slow: {told(victims)}", heals=False)


class Weather(Fault, tag="weather", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole network gets worse for a while."""

    length: Seconds = 60.0
    latency: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.1
    bandwidth: Annotated[float, msgspec.Meta(gt=0, le=1e12)] | None = None
    refuse: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    """The share of dials that are refused."""
    break_every: Seconds = 0.0
    """Mean seconds between losses of one connection, whichever; 0: none is lost."""

    def begin(self, stage: Stage) -> None:
        network = stage.world.network
        before = network.conditions
        network.conditions = replace(
            before, latency=self.latency, bandwidth=self.bandwidth, refuse=self.refuse, break_every=self.break_every
        )
        stage.tell("bad weather", heals=False)
        stage.world.clock.later(lambda: self._end(stage, before), self.length)

    def _end(self, stage: Stage, before: Conditions) -> None:
        stage.world.network.conditions = before
        stage.tell("good weather again")


class Move(Several, tag="move", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nodes get another IP address while they run; nobody tells them."""

    def begin(self, stage: Stage) -> None:
        victims = self.pick(stage)
        stage.mark("moved", victims)
        for victim in victims:
            number = victim.number
            victim.move(f"10.1.{number // 250}.{number % 250 + 1}")
        stage.tell(f"at another address: {told(victims)}")
