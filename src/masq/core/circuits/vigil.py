"""Whether our circuits still answer: when one has been silent for too long it is asked, and given up if it stays so.

An honest server may be silent for hours, so silence proves nothing. But every exit answers a RESOLVE of an address at
once, also those that know nothing of this: no answer means that a Node of the route is gone, or swallows what it gets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

PROBE_HOST: Final = "192.0.2.1"
"""What a probe asks for: an address that is nobody's (RFC 5737), which takes no look-up."""
ROUND_TRIPS: Final = 4.0
"""Round trips that an answer may take."""
SHORTEST: Final = 1.0
"""Seconds of silence after something was sent that are never too long."""
SHORTEST_ANSWER: Final = 2.0
"""Seconds that a probe has at least: a Node that is busy for a moment isn't dead."""
SHORTEST_HEDGE: Final = 0.5
"""Seconds without an answer to the probe, at least, after which another way is tried beside: half of its time else."""
UNKNOWN: Final = 3.0
"""Seconds for both, as long as no round trip was measured."""
LONGEST: Final = 15.0
"""Seconds at most, but for what is still on its way."""
PAUSE: Final = 5.0
"""Seconds of silence, when all that we sent was answered, until a circuit with streams is asked whether it is there."""
LONGEST_PAUSE: Final = 60.0
"""As that doubles each time that nothing else has come in between."""
SLOWEST: Final = 16 * 1024
"""Bytes per second that a way carries at least: what is queued on it comes before the probe."""
STALLED: Final = 1.0
"""Seconds that we may look too late; beyond that it was us who didn't listen, and nobody is judged."""
NEWEST: Final = 0.25
"""The weight of a new round trip in the average."""


@dataclass(slots=True)
class Pulse:
    """What is known of one circuit's life."""

    heard: float
    """When its exit has said something last."""
    waits: float | None = None
    """Since when something that we sent has had no answer of any kind."""
    probe: int = 0
    """The stream id of a probe that isn't answered; 0: none."""
    probed: float = 0.0
    hedged: bool = False
    """Whether another way is tried beside it, as it is silent."""
    sent: int = 0
    """Bytes of cells in all."""
    proven: int = 0
    """Those of them that have certainly arrived."""
    sent_then: int = 0
    """Bytes sent when the probe was."""
    rtt: float | None = None
    """Seconds of a round trip, averaged."""
    pause: float = PAUSE
    granted: float = 0.0
    """When credit has come last."""
    good: bool = False
    """Whether it ever answered."""

    def rest(self) -> None:
        """It has had no streams, and has some again: what was then is over. (A probe goes on.)"""
        self.waits = None


class Vigil:
    """Watches all our circuits. `due`: when to look."""

    def __init__(self) -> None:
        self.due = math.inf
        self._rtt: float | None = None
        """Of all circuits: what a new one is measured by."""
        self._rate = float(SLOWEST)
        """Bytes per second that our ways carry, as far as credit that came back tells."""
        self._queued = 0.0
        """Seconds that what is queued on them takes at that rate, as of the last look."""

    # --- what happens ---

    def sent(self, pulse: Pulse, size: int, now: float) -> None:
        """A cell was sent."""
        pulse.sent += size
        if pulse.waits is None:
            pulse.waits = now
            self.due = min(self.due, now + self._patience(pulse, SHORTEST))

    def answered(self, pulse: Pulse, now: float) -> None:
        """The first cell has come after something was sent."""
        assert pulse.waits is not None
        if not pulse.good and not pulse.probe and now - pulse.waits < UNKNOWN / ROUND_TRIPS:
            # It may be a server that took its time: such an answer only tells of short round trips.
            self._measured(pulse, now - pulse.waits)
        pulse.good = True
        pulse.waits, pulse.hedged = None, False
        if not pulse.probe:
            pulse.pause = PAUSE
        self.due = min(self.due, now + pulse.pause)

    def proved(self, pulse: Pulse, now: float) -> None:
        """The probe was answered."""
        self._measured(pulse, now - pulse.probed)
        pulse.probe, pulse.hedged = 0, False
        pulse.proven = pulse.sent_then
        pulse.pause = min(2 * pulse.pause, LONGEST_PAUSE)

    def granted(self, pulse: Pulse, size: int, now: float) -> None:
        """Credit for `size` bytes of a stream came back: so many have arrived."""
        rate = size / max(now - pulse.granted, 0.001)
        pulse.granted = now
        self._rate = max(SLOWEST, (self._rate + rate) / 2)

    def probing(self, pulse: Pulse, stream: int, now: float) -> None:
        """A probe is sent."""
        pulse.probe, pulse.probed, pulse.sent_then = stream, now, pulse.sent
        self.due = min(self.due, self._due(pulse))

    def hedging(self, pulse: Pulse) -> None:
        """Another way is tried beside."""
        pulse.hedged = True
        self.due = min(self.due, self._due(pulse))

    def _measured(self, pulse: Pulse, rtt: float) -> None:
        pulse.rtt = rtt if pulse.rtt is None else pulse.rtt + (rtt - pulse.rtt) * NEWEST
        self._rtt = rtt if self._rtt is None else self._rtt + (rtt - self._rtt) * NEWEST

    # --- what follows ---

    def look(self, pulses: Iterable[tuple[Pulse, int]], crowded: Callable[[Pulse], bool], now: float) -> list[Pulse]:
        """Those of circuits with streams that need a probe, or another way beside, or are dead.

        With each comes how many bytes may be on their way. `crowded`: whether what we send over it still waits here.
        """
        stalled = now - self.due > STALLED
        self.due = math.inf
        watched = list(pulses)
        # All of it may go over one line: ours.
        self._queued = sum(min(under_way, pulse.sent - pulse.proven) for pulse, under_way in watched) / self._rate
        found = []
        for pulse, _ in watched:
            if stalled or (pulse.probe and crowded(pulse)):
                pulse.probed = now
                pulse.waits = None if pulse.waits is None else now
            due = self._due(pulse)
            if due <= now:
                found.append(pulse)
            else:
                self.due = min(self.due, due)
        return found

    def _due(self, pulse: Pulse) -> float:
        if pulse.probe:
            # Whatever has come since then shows that it lives.
            asked = max(pulse.probed, pulse.heard) + self._queued
            if pulse.hedged:
                return asked + self._patience(pulse, SHORTEST_ANSWER)
            return asked + max(SHORTEST_HEDGE, self._patience(pulse, 0.0) / 2)
        if pulse.waits is not None:
            return pulse.waits + self._patience(pulse, SHORTEST)
        return pulse.heard + pulse.pause

    def _patience(self, pulse: Pulse, least: float) -> float:
        rtt = pulse.rtt or self._rtt
        if rtt is None:
            return UNKNOWN
        return min(LONGEST, max(least, ROUND_TRIPS * rtt))
