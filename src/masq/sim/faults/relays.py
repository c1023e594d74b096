"""Relays that take what they are given, and pass on only some of it."""

from __future__ import annotations

from collections.abc import Sequence

from masq.core.circuits.passage import Leg
from masq.core.effects import Effect
from masq.sim.faults.fault import Several, Share, told
from masq.sim.host import SimNode
from masq.sim.stage import Stage
from masq.wire.secure_link import Frame, FrameType


class Drop(Several, tag="drop", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nodes accept circuits, and lose cells of them."""

    cells: Share = 1.0
    """The share of cells that is lost."""

    def begin(self, stage: Stage) -> None:
        victims = self.pick(stage)
        stage.mark("bad", victims)
        for victim in victims:
            self._spoil(victim)
        stage.tell(f"{self.cells:.0%} of all cells are lost by {told(victims)}", heals=False)

    def _spoil(self, host: SimNode) -> None:
        """The part of the Node that passes cells on is replaced by one that counts them, and loses some."""
        circuits = host.node.circuits
        honest = circuits.frame
        debt = 0.0

        def frame(leg: Leg, frame: Frame, now: float) -> Sequence[Effect]:
            nonlocal debt
            if frame.type != FrameType.CELL:
                return honest(leg, frame, now)
            debt += self.cells
            if debt >= 1.0:
                debt -= 1.0
                return []
            return honest(leg, frame, now)

        circuits.frame = frame  # type: ignore[method-assign, assignment]
