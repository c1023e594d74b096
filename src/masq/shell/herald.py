"""Says at the terminal that a Node was started from how it is, when that changes: who starts one looks there first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from masq.core.view import VerdictView

EVERY: Final = 1.0
STEADY: Final = 5.0
"""Seconds that bad news has to hold before it is told: routes come and go for a moment."""
FIRST: Final = 31.0
"""The same at the start, when it is no news that there is no route yet."""


class Herald:
    """Of verdicts, those that are worth a line."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._told: bool | None = None
        """What was said last: that it works, or that it doesn't."""
        self._bad_since: float | None = None

    def hear(self, verdict: VerdictView, now: float) -> None:
        """How it is now."""
        if verdict.works:
            self._bad_since = None
            if self._told is not True:
                self._told = True
                self._say(verdict.words)
            return
        if self._bad_since is None:
            self._bad_since = now
        if self._told is not False and now - self._bad_since >= (FIRST if self._told is None else STEADY):
            self._told = False
            self._say(f"{verdict.words}; do: {verdict.advice}" if verdict.advice else verdict.words)


async def proclaim(verdict: Callable[[], VerdictView], say: Callable[[str], None], now: Callable[[], float]) -> None:
    """Until it is cancelled."""
    herald = Herald(say)
    while True:
        herald.hear(verdict(), now())
        await asyncio.sleep(EVERY)
