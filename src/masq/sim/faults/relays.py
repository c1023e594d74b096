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
            lose_cells(victim, self.cells)
        stage.tell(f"{self.cells:.0%} of all cells are lost by {told(victims)}", heals=False)


def lose_cells(host: SimNode, share: float) -> None:
    """Replace the part of a Node that passes cells on by one that counts them, and loses this share of them."""
    circuits = host.node.circuits
    honest = circuits.frame
    debt = 0.0

    def frame(leg: Leg, frame: Frame, now: float) -> Sequence[Effect]:
        nonlocal debt
        if frame.type != FrameType.CELL:
            return honest(leg, frame, now)
        debt += share
        if debt >= 1.0:
            debt -= 1.0
            return []
        return honest(leg, frame, now)

    circuits.frame = frame  # type: ignore[method-assign, assignment]
