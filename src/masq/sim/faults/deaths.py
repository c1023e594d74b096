"""Nodes that end without a word, and those that come back."""

from __future__ import annotations

from masq.sim.faults.fault import Several, told
from masq.sim.host import SimNode
from masq.sim.stage import Stage
from masq.sim.workloads.requests import Seconds


class Kill(Several, tag="kill", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nodes end at once, as if killed."""

    def begin(self, stage: Stage) -> None:
        victims = self.pick(stage)
        stage.mark("killed", victims)
        for victim in victims:
            victim.crash()
        stage.tell(f"killed: {told(victims)}")


class Restart(Several, tag="restart", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nodes end, and are started again with what they had saved."""

    after: Seconds = 10.0
    """Seconds from the end to the new start."""
    contacts: bool = True
    """Whether they are given the neighbors that they had; if not, they find their way by what they saved."""

    def begin(self, stage: Stage) -> None:
        victims = self.pick(stage)
        for victim in victims:
            victim.crash()
        stage.tell(f"ended: {told(victims)}")
        stage.world.clock.later(lambda: self._again(stage, victims), self.after)

    def _again(self, stage: Stage, victims: list[SimNode]) -> None:
        for victim in victims:
            neighbors = stage.chance.sample(stage.living(), 2) if self.contacts else []
            stage.add(neighbors, replacing=victim)
        stage.tell(f"started again: {told(victims)}")
