"""What goes over the links and to servers: counted, and slowed down to what the operator allows.

Only reading is slowed down: who sends is stopped by its own queues then, and nothing piles up here.
"""

from __future__ import annotations

import sys
from typing import Final

BURST: Final = 0.1
"""Seconds of the rate that may come at once."""
PIECES: Final = 20
"""Reads that a second's worth is at least divided into, so that a slow rate is no stutter."""
SMALLEST: Final = 2_048


class Traffic:
    """Bytes of one Node, in and out. `read` and `wrote` are called for each read and write: they have to be cheap."""

    __slots__ = ("_at", "_debt", "_rate", "piece", "received", "sent")

    def __init__(self, rate: int = 0) -> None:
        """`rate`: bytes per second that may come in; 0: any number."""
        self.received = self.sent = 0
        self._debt = 0.0
        self._at = 0.0
        self._rate = 0
        self.piece = sys.maxsize
        """Bytes that one read may take."""
        self.slow_down(rate)

    def slow_down(self, rate: int) -> None:
        """Another rate, from now on."""
        self._rate = rate
        self.piece = max(SMALLEST, rate // PIECES) if rate else sys.maxsize
        self._debt = 0.0

    def read(self, size: int, now: float) -> float:
        """So many bytes were read: seconds that their reader has to wait before the next."""
        self.received += size
        rate = self._rate
        if not rate:
            return 0.0
        debt = max(0.0, self._debt - (now - self._at) * rate) + size
        self._debt, self._at = debt, now
        return max(0.0, debt / rate - BURST)
