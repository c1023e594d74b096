"""What our own user may spend in an hour: prices are others', and a page may turn out to cost a fortune."""

from __future__ import annotations

from collections import deque
from typing import Final

HOUR: Final = 3_600.0
GRAIN: Final = 60.0
"""Seconds of charges that are kept as one number."""
WARN_AT: Final = 0.8
"""The share of the budget that a warning is given at."""


class Budget:
    """Charges of the running hour. It begins anew with the process."""

    def __init__(self, per_hour: int | None) -> None:
        """`per_hour`: wei; None: no bound."""
        self.per_hour = per_hour
        self.spent = 0
        """Wei in the running hour."""
        self._charges: deque[tuple[float, int]] = deque()
        self._warned = False
        self._told = False

    def spend(self, wei: int, now: float) -> str | None:
        """Count a charge. The words to warn with, once, when most of the budget is spent, and when all of it is."""
        self._forget(now)
        self.spent += wei
        if self._charges and now - self._charges[-1][0] < GRAIN:
            then, sum = self._charges[-1]
            self._charges[-1] = then, sum + wei
        else:
            self._charges.append((now, wei))
        if self.per_hour is None:
            return None
        share = f"{self.spent} wei were spent within an hour, of {self.per_hour} (max-spending-per-hour)"
        if self.spent >= self.per_hour and not self._told:
            self._told = self._warned = True
            return f"{share}: no new connection is made until that is less"
        if self.spent >= self.per_hour * WARN_AT and not self._warned:
            self._warned = True
            return share
        return None

    def used_up(self, now: float) -> bool:
        self._forget(now)
        return self.per_hour is not None and self.spent >= self.per_hour

    def _forget(self, now: float) -> None:
        while self._charges and now - self._charges[0][0] >= HOUR + GRAIN:
            self.spent -= self._charges.popleft()[1]
        if self.per_hour is not None and self.spent < self.per_hour * WARN_AT:
            self._warned = self._told = False
