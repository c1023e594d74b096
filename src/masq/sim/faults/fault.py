"""What all faults have: when they begin, and whom they hit."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import msgspec

from masq.sim.host import SimNode
from masq.sim.stage import Stage
from masq.sim.workloads.requests import Count, Seconds

Share = Annotated[float, msgspec.Meta(gt=0, le=1)]


class Fault(msgspec.Struct, tag_field="kind", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Something that happens `at` so many seconds after the last Node was started."""

    at: Seconds = 0.0

    def begin(self, stage: Stage) -> None:
        """Let it happen now."""
        raise NotImplementedError


class Several(Fault, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """It hits a number of living Nodes, or a share of them."""

    count: Count | None = None
    share: Share | None = None
    """Of all living Nodes, rounded."""
    used: bool = False
    """Whether those are hit over which most requests of users were sent so far."""

    def __post_init__(self) -> None:
        if self.count is not None and self.share is not None:
            raise ValueError("either count or share, not both")

    def number_of(self, living: int) -> int:
        """How many are hit: one, if nothing is said."""
        if self.share is not None:
            return round(self.share * living)
        return min(self.count or 1, living)

    def pick(self, stage: Stage) -> list[SimNode]:
        """Who is hit: honest ones, drawn at random unless those are that are used."""
        there = stage.living("bad", "hostile", "silent")
        number = min(self.number_of(len(stage.living())), len(there))
        if not self.used:
            return stage.chance.sample(there, number)
        counts = Counter(key for request in stage.requests for key in request.way)
        return sorted(there, key=lambda host: -counts[host.node.keys.public_key])[:number]


def told(hosts: list[SimNode]) -> str:
    """Nodes, in words: the one by its number."""
    return f"Node {hosts[0].number}" if len(hosts) == 1 else f"{len(hosts)} Nodes"
