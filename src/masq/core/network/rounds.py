"""Telling neighbors what we know, when it has changed (neighborhood.md 3)."""

from __future__ import annotations

from typing import Final

from masq.core.effects import Say, Tell
from masq.core.network.gossip import parts, standard_for
from masq.core.network.own_record import OwnRecord
from masq.core.network.partners import Partners
from masq.types import PublicKey
from masq.wire.message import NodeRecord

ROUND_DELAY: Final = 0.05
"""Seconds that changes are gathered before a round."""
ROUND_EVERY: Final = 1.0
"""Seconds from one round to the next, if nobody waits for it."""
NEWS_EVERY: Final = 0.25
"""The same, if all neighbors are told differences only."""
REFRESH: Final = 600.0
"""Seconds between full rounds that repair what was lost on the way."""
WITHHOLD: Final = 5.0
"""Seconds that an introducee's record is kept from the newcomer, who would otherwise never adopt it as 0.9.1 does."""
TELL_AFTER: Final = 1.0
"""Seconds after which an introducer is told that we list it, if no round of ours has done so."""


class Rounds:
    """When the next round is due, and what it says to whom."""

    def __init__(self, own: OwnRecord, partners: Partners, now: float) -> None:
        self._own = own
        self._partners = partners
        self._refreshed = now
        self._last = float("-inf")
        self._told: dict[PublicKey, float] = {}
        """Of those who parted from us: the last ones that were told so."""
        self.introduced: dict[PublicKey, tuple[PublicKey, float]] = {}
        """Newcomers, to whom we introduced them, and until when that one's record is kept from them."""

    def tick(self, now: float) -> list[Tell | Say]:
        own = self._own
        effects: list[Tell | Say] = []
        for key in [key for key, (_, until) in self.introduced.items() if now >= until]:
            # It has gone elsewhere, and is still to hear of the one that we introduced.
            del self.introduced[key]
            own.dirty_since = now if own.dirty_since is None else own.dirty_since
        if now - self._refreshed >= REFRESH:
            own.dirty_since = own.dirty_since or now - ROUND_DELAY
        if own.dirty_since is not None and now >= self._due(own.dirty_since):
            effects += self.round(now)
        if own.untold is not None and now - own.untold >= TELL_AFTER:
            effects += self.round(now)
        return effects

    def _due(self, dirty_since: float) -> float:
        """Soon after the first change, and not too often where a round tells somebody everything."""
        soon = max(dirty_since + ROUND_DELAY, self._last + NEWS_EVERY)
        if soon >= self._last + ROUND_EVERY or all(map(self._partners.speaks, self._own.graph.root.neighbors)):
            return soon
        return max(soon, self._last + ROUND_EVERY)

    def wakes(self) -> list[float]:
        """When `tick` has something to do, if nothing happens before."""
        own = self._own
        times = [until for _, until in self.introduced.values()]
        if own.dirty_since is not None:
            times.append(self._due(own.dirty_since))
        if own.untold is not None:
            times.append(own.untold + TELL_AFTER)
        return times

    def round(self, now: float) -> list[Tell | Say]:
        """Tell every neighbor, now: what is new to it, or everything if it is of 0.9.1."""
        own, graph = self._own, self._own.graph
        own.dirty_since, own.untold = None, None
        self._refreshed = self._last = now
        own.renew_if_split()
        effects: list[Tell | Say] = []
        parted = {key: then for key, then in own.parted.items() if self._told.get(key) != then}
        self._told = dict(own.parted)
        for key in sorted(graph.root.neighbors | parted.keys()):
            address, record = graph.address(key), graph.record(key)
            if address is None or record is None:
                continue
            if self._partners.speaks(key):
                effects += self._partners.due(key, now)
                continue
            gossip = standard_for(graph, key, self._withheld(key, record, now))
            if gossip is None:
                continue
            if len(gossip.records) == 1 and not graph.root.accepts_connections and not record.extensions:
                continue  # 0.9.1 takes this for a malformed Pass: wait until there is a second record to tell.
            effects += [Tell(key, address.endpoint, part) for part in parts(gossip, record.neighbors)]
        return effects

    def _withheld(self, target: PublicKey, record: NodeRecord, now: float) -> tuple[PublicKey, ...]:
        introducee, until = self.introduced.get(target, (b"", 0.0))
        if now < until and introducee not in record.neighbors:
            return (introducee,)
        self.introduced.pop(target, None)
        return ()
