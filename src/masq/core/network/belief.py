"""How much is believed on the word of one neighbor (neighborhood.md 2.9)."""

from __future__ import annotations

from masq.core.limits import BELIEVED_AT_ONCE, BELIEVED_PER_SECOND, KNOWN_SHARE, MAX_KNOWN
from masq.core.network.graph import Graph


class Belief:
    """Counts new Nodes by the neighbor that told of them: identities cost nothing, and it may have invented them."""

    def __init__(self, graph: Graph, radius: int) -> None:
        self._graph = graph
        self._at_once = float(min(MAX_KNOWN // KNOWN_SHARE, BELIEVED_AT_ONCE << max(0, radius - 3)))
        self._left: dict[bytes, tuple[float, float]] = {}
        """By neighbor: how many more it is believed, and when that was so."""

    def left(self, source: bytes, now: float) -> int:
        """How many Nodes that we don't know are taken in from this neighbor now."""
        room = min(MAX_KNOWN - len(self._graph), MAX_KNOWN // KNOWN_SHARE - self._graph.known_by(source))
        return max(0, min(room, int(self._refilled(source, now))))

    def took(self, source: bytes, count: int, now: float) -> None:
        if count:
            self._left[source] = self._refilled(source, now) - count, now

    def forget(self, now: float) -> None:
        """Those that are believed as much as anybody again."""
        self._left = {
            source: left for source, left in self._left.items() if self._refilled(source, now) < self._at_once
        }

    def _refilled(self, source: bytes, now: float) -> float:
        left, then = self._left.get(source, (self._at_once, now))
        return min(self._at_once, left + (now - then) * BELIEVED_PER_SECOND)
