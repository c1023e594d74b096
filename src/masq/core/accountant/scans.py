"""When the Accountant looks at the chain: at its intervals, sooner where something waits, never all the time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from masq.core.accountant.effects import Scan

SCAN_TIMEOUT: Final = 120.0
"""Seconds after which a scan without an answer counts as failed."""
SOON: Final = 5.0
"""Seconds after which what was sent is looked for; twice as many each further time, until something happens."""
OFTEN: Final = 30.0
"""So often at most it is looked for in the long run, in seconds; a quarter of the interval where that is more."""
RANGE_GROWS_AFTER: Final = 10
"""Questions that went well, after which twice as many blocks are asked for at once."""
AT_ONCE: Final = 100
"""Questions in a row of one scan, before others have a turn."""


@dataclass(slots=True)
class Outcome:
    """How a kind of scan has gone. Times are the Node's."""

    good: float | None = None
    """When the last one went well."""
    problem: str = ""
    """Why the last one did not; empty if it did."""


class Scans:
    """What is due, what is under way, and how it went."""

    def __init__(self, intervals: Mapping[Scan, float]) -> None:
        self._intervals = intervals
        self._due: dict[Scan, float] = {}
        self._running: dict[Scan, tuple[float, int]] = {}
        """Since when, and how many questions were asked."""
        self._waits: dict[Scan, float] = {}
        self.outcomes = {scan: Outcome() for scan in Scan}

    def begin_all(self, now: float) -> None:
        for scan in Scan:
            self._due.setdefault(scan, now)

    def take_due(self, now: float) -> list[Scan]:
        due = [scan for scan, when in self._due.items() if now >= when]
        for scan in due:
            self._due[scan] = now + self._intervals[scan]
        return due

    def silent(self, now: float) -> list[Scan]:
        """Those that have got no answer for too long."""
        return [scan for scan, (since, _) in self._running.items() if now - since > SCAN_TIMEOUT]

    @property
    def next_wake(self) -> float:
        silent = [since + SCAN_TIMEOUT for since, _ in self._running.values()]
        return min([*self._due.values(), *silent], default=float("inf"))

    def runs(self, scan: Scan) -> bool:
        return scan in self._running

    def start(self, scan: Scan, now: float) -> None:
        self._running[scan] = now, 1

    def go_on(self, scan: Scan, now: float) -> bool:
        """The scan asks once more, unless it has asked too often in a row: then it goes on a second later."""
        _, asked = self._running[scan]
        if asked < AT_ONCE:
            self._running[scan] = now, asked + 1
            return True
        del self._running[scan]
        self.soon(scan, now, 1.0)
        return False

    def done(self, scan: Scan, now: float) -> None:
        """It went well."""
        self._running.pop(scan, None)
        self.outcomes[scan] = Outcome(now)

    def failed(self, scan: Scan, problem: str) -> None:
        self._running.pop(scan, None)
        self.outcomes[scan].problem = problem

    def soon(self, scan: Scan, now: float, within: float = SOON) -> None:
        """Look again before the interval is over, if scans run at all."""
        if scan in self._due:
            self._due[scan] = min(self._due[scan], now + min(within, self._intervals[scan]))

    def again(self, scan: Scan, now: float) -> None:
        """Look again, later each time."""
        wait = self._waits.get(scan, SOON)
        self._waits[scan] = min(2 * wait, max(OFTEN, self._intervals[scan] / 4))
        self.soon(scan, now, wait)

    def anew(self, scan: Scan) -> None:
        """Something has happened: the next looks come soon again."""
        self._waits.pop(scan, None)


class Range:
    """How many blocks a provider is asked for at once: as many as it lets itself be asked for."""

    def __init__(self) -> None:
        self.most: int | None = None
        self._well = 0

    def refused(self, most: int) -> None:
        self.most, self._well = max(1, most), 0

    def went_well(self, full: bool) -> None:
        """`full`: as many blocks as may be were asked for."""
        if self.most is None or not full:
            return
        self._well += 1
        if self._well >= RANGE_GROWS_AFTER:
            self.most, self._well = 2 * self.most, 0
