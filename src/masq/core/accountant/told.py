"""What the operator was told already: the same thing again only in growing intervals."""

from __future__ import annotations

from typing import Final

from masq.core.accountant.effects import Notice

AGAIN_AFTER: Final = 600.0
"""Seconds after which something is said for the second time; twice as many each further time."""
MOST_AGAIN: Final = 86_400.0
MOST_TOLD: Final = 1_000


class Told:
    """By a key of what it is about: when it may be said again, and after how many seconds the time after."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[float, float]] = {}

    def say(self, key: str, level: str, text: str, now: float) -> list[Notice]:
        due, wait = self._told.get(key, (now, AGAIN_AFTER))
        if now < due:
            return []
        self._told.pop(key, None)
        if len(self._told) >= MOST_TOLD:
            del self._told[next(iter(self._told))]
        self._told[key] = now + wait, min(2 * wait, MOST_AGAIN)
        return [Notice(level, text)]

    def over(self, key: str) -> bool:
        """It is no more so: if it comes back, it is news. Returns whether it was told."""
        return self._told.pop(key, None) is not None
