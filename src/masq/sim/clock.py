"""Virtual time: what happens when, one thing after the other."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Final

EPOCH: Final = 1_800_000_000.0
"""Unix time when virtual time begins."""
WATCH_EVERY: Final = 1.0
"""Virtual seconds from one call of the watch to the next."""


class Clock:
    """Time that jumps from event to event. Events of one moment happen in the order in which they were asked for."""

    def __init__(self, watch: Callable[[], None]) -> None:
        """`watch` is called every virtual second between two events, and when time has run out."""
        self.now = 0.0
        self._watch = watch
        self._watch_at = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = 0

    def at(self, when: float, what: Callable[[], None]) -> None:
        self._sequence += 1
        heapq.heappush(self._events, (when, self._sequence, what))

    def later(self, what: Callable[[], None], delay: float = 0.0) -> None:
        """0: after all that is to happen at this moment."""
        self.at(self.now + delay, what)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.run_until(lambda: False, seconds)

    def run_until(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Let time pass until something holds; False if it doesn't within that time."""
        end = self.now + seconds
        events = self._events
        while not holds():
            if not events or events[0][0] > end:
                self.now = end
                self._watch()
                return holds()
            self.now, _, what = heapq.heappop(events)
            what()
            if self.now >= self._watch_at:
                self._watch_at = self.now + WATCH_EVERY
                self._watch()
        return True
