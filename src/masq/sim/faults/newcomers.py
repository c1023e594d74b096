"""Nodes that come later: honest and hostile ones, many at one address, and those that never pay."""

from __future__ import annotations

from typing import Annotated

import msgspec

from masq.sim.faults.fault import Fault, Share, told
from masq.sim.stage import Stage
from masq.sim.workloads.requests import Count
from masq.types import DEFAULT_RATE_PACK, RatePack

UNDERCUT = 0.45
"""Of the usual price is what hostile Nodes ask for, so that they are chosen."""


class Newcomers(Fault, tag="newcomers", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nodes join one after the other, each by some that it draws at random."""

    count: Count = 1
    every: Annotated[float, msgspec.Meta(gt=0, le=1_000)] = 0.5
    """Seconds from one to the next."""
    known: Annotated[int, msgspec.Meta(ge=1, le=10)] = 2
    hostile: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    """The share of them that is one hostile owner's: these debut to honest ones only, and undercut all others."""
    address: str | None = None
    """Where all of them are, if they are at one IP address."""

    def begin(self, stage: Stage) -> None:
        hostile = dict.fromkeys(stage.chance.sample(range(self.count), round(self.hostile * self.count)))
        for number in range(self.count):
            bad = number in hostile
            stage.world.clock.later(lambda bad=bad: self._join(stage, bad), number * self.every)  # type: ignore[misc]
        over = self.count * self.every
        stage.world.clock.later(lambda: stage.tell(f"newcomers: {self.count}"), over)

    def _join(self, stage: Stage, bad: bool) -> None:
        there = stage.living("silent", "crowd", *(("hostile",) if bad else ()))
        neighbors = stage.chance.sample(there, min(self.known, len(there)))
        rates = RatePack(*(int(UNDERCUT * rate) for rate in DEFAULT_RATE_PACK)) if bad else DEFAULT_RATE_PACK
        host = stage.add(neighbors, rates=rates, ip=self.address)
        stage.mark("newcomer", [host])
        if bad:
            stage.mark("hostile", [host])
        if self.address:
            stage.mark("crowd", [host])
            stage.started.pop(host.number, None)


class Debtors(Fault, tag="debtors", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nodes lose all their tokens, and go on using others without paying."""

    count: Count | None = None
    share: Share | None = None

    def begin(self, stage: Stage) -> None:
        living = stage.living("hostile", "debtor")
        number = self.count or round((self.share or 0.0) * len(living)) or 1
        debtors = stage.chance.sample(living, min(number, len(living)))
        stage.mark("debtor", debtors)
        chain = stage.world.chain
        for debtor in debtors:
            wallet = debtor.consuming.address
            chain.supply -= chain.tokens.get(wallet, 0)
            chain.tokens[wallet] = 0
        stage.tell(f"without tokens from now on: {told(debtors)}", heals=False)
