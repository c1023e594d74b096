"""Which heads of the chain are believed, and how fresh they are (accounting.md 4.6).

A provider may lie, mistake, or lag behind; one answer must not move anything for good.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from masq.chain.head import Head

AHEAD: Final = 900
"""Seconds that a block's time may be in the future: clocks differ."""
FRESH: Final = 900
"""Seconds since the newest block after which a provider is taken to have fallen behind."""
BLOCKS_PER_SECOND: Final = 10
"""No chain of the table makes more."""
LEAP: Final = 1_000
"""Blocks more than that, which a head may be ahead of what is possible."""
LOOKS: Final = 3
"""So often, over SURE seconds at least, something odd is said again before it is believed."""
SURE: Final = 60.0


@dataclass(slots=True)
class _Odd:
    since: float
    looks: int


class Heads:
    """The highest head that was believed."""

    def __init__(self, saved: str | None) -> None:
        """`saved`: what `saved` was; what makes no sense is as good as nothing."""
        self.latest: Head | None = None
        number, _, when = (saved or "").partition(",")
        self._believed = (int(number), int(when)) if number.isdecimal() and when.isdecimal() else None
        """Its number, and the unix time at which it was shown."""
        self._odd: _Odd | None = None
        self._wrong: _Odd | None = None

    @property
    def saved(self) -> str:
        return "" if self._believed is None else f"{self._believed[0]},{self._believed[1]}"

    def problem(self, head: Head, clock: int, now: float) -> str | None:
        """Why a head isn't believed; None: it is from now on."""
        if head.time > clock + AHEAD:
            return (
                f"its newest block, {head.number}, is of a time {head.time - clock} s from now: set this machine's "
                "clock, or use another provider"
            )
        if self._believed is not None:
            number, when = self._believed
            most = number + LEAP + max(0, clock - when) * BLOCKS_PER_SECOND
            if head.number > most and not _sure(self._leap(now), now):
                return (
                    f"block {head.number} can't be its newest, as {number} was {clock - when} s ago: it is asked again"
                )
        self._odd = None
        self.latest = head
        self._believed = head.number, clock
        return None

    def fresh(self, clock: int) -> bool:
        """Whether what the provider has shown is all that there is: who has paid is known then."""
        return self.latest is not None and clock - self.latest.time <= FRESH

    def lag(self, clock: int) -> int | None:
        """Seconds since the newest block that was shown."""
        return None if self.latest is None else max(0, clock - self.latest.time)

    def wrong_start(self, head: Head, next: int, clock: int, now: float) -> bool:
        """Whether a search that is to begin behind a head, one that is fresh, can only have been led astray."""
        if head.number + LEAP >= next or clock - head.time > FRESH:
            self._wrong = None
            return False
        self._wrong = self._wrong or _Odd(now, 0)
        self._wrong.looks += 1
        if not _sure(self._wrong, now):
            return False
        self._wrong = None
        return True

    def _leap(self, now: float) -> _Odd:
        self._odd = self._odd or _Odd(now, 0)
        self._odd.looks += 1
        return self._odd


def _sure(odd: _Odd, now: float) -> bool:
    return odd.looks >= LOOKS and now - odd.since >= SURE
