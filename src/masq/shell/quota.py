"""The traffic of a month, which an operator may bound: when it is used up, nobody else is served until the next one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from masq.shell.traffic import Traffic

LOOK_EVERY: Final = 5.0
SAVE_EVERY: Final = 60.0
"""Seconds of traffic that a crash may forget."""
NEARLY: Final = 0.9
"""The share of it beyond which the user is told."""
NAME: Final = "traffic"
"""Of what is remembered of it."""
GB: Final = 10**9


class Quota:
    """Bytes in and out of this calendar month (UTC)."""

    def __init__(self, most: int, saved: str | None, unix: Callable[[], float]) -> None:
        """`most`: bytes; 0: any number. `saved`: what `text` was at the last run."""
        self.most = most
        self._unix = unix
        self.month = self._now()
        self.used = 0
        month, _, used = (saved or "").partition(" ")
        if month == self.month and used.isascii() and used.isdecimal():
            self.used = int(used)

    def _now(self) -> str:
        return time.strftime("%Y-%m", time.gmtime(self._unix()))

    def count(self, size: int) -> None:
        """So many bytes have gone since the last time: all in the month that it is now."""
        month = self._now()
        if month != self.month:
            self.month, self.used = month, 0
        self.used += size

    @property
    def used_up(self) -> bool:
        return 0 < self.most <= self.used

    @property
    def text(self) -> str:
        """To be remembered."""
        return f"{self.month} {self.used}"

    @property
    def warnings(self) -> tuple[str, ...]:
        if not self.most or self.used < self.most * NEARLY:
            return ()
        share = (
            f"traffic: {self.used / GB:.1f} of {self.most / GB:.1f} GB of this month are used (max-traffic-per-month)"
        )
        return (f"{share}: nobody else is served until the next one" if self.used_up else share,)


class Meter:
    """Counts what a Node's traffic adds to the month, and tells when others are served, and no more."""

    def __init__(
        self, traffic: Traffic, quota: Quota, serve: Callable[[bool], None], save: Callable[[str, str], None]
    ) -> None:
        """`serve` is told whether others are served, when that changes. `save` remembers a text under a name."""
        self.traffic = traffic
        self.quota = quota
        self._serve = serve
        self._save = save
        self._serving = True
        self._counted = 0
        self._saved = quota.text

    def look(self) -> None:
        """Count what has gone since the last time."""
        total = self.traffic.received + self.traffic.sent
        self.quota.count(total - self._counted)
        self._counted = total
        if self._serving is self.quota.used_up:
            self._serving = not self._serving
            self._serve(self._serving)

    def save(self) -> None:
        if self._saved != self.quota.text:
            self._saved = self.quota.text
            self._save(NAME, self._saved)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            for _ in range(round(SAVE_EVERY / LOOK_EVERY)):
                self.look()
                await asyncio.sleep(LOOK_EVERY)
            self.save()
