"""The log of a Node that strangers can make talk: few lines of a kind at a time, and the latest failures kept."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from masq.core.failure import Failure
from masq.core.view import FailureView
from masq.shell.log import log

LOG_EVERY: Final = 10.0
"""Seconds in which log lines of one kind are counted rather than written, after the first few."""
LOG_BURST: Final = 5
FAILURES: Final = 32
"""Failures of the user's streams that are remembered."""


class Journal:
    """What has happened, for people."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._logged: dict[str, tuple[float, int]] = {}
        self.failed: Counter[str] = Counter()
        """Streams of the user's that failed since the start, by cause."""
        self._failures: deque[tuple[float, str, Failure]] = deque(maxlen=FAILURES)

    def note(self, level: str, event: str, detail: str) -> None:
        """Log, but no more than a few lines of one kind in ten seconds: a hostile peer can't fill the disk."""
        now = self._now()
        since, count = self._logged.get(event, (0.0, 0))
        if now - since > LOG_EVERY:
            if count > LOG_BURST:
                log.info("log_lines_left_out", kind=event, lines=count - LOG_BURST)
            since, count = now, 0
        self._logged[event] = since, count + 1
        if count < LOG_BURST:
            getattr(log, level)(event, detail=detail)

    def stream_refused(self, target: str, failure: Failure) -> None:
        """The user got no stream."""
        self._failed("warning", "stream_refused", target, failure)

    def stream_failed(self, target: str, failure: Failure) -> None:
        """A stream of the user's came to nothing."""
        self._failed("info", "stream_failed", target, failure)

    def _failed(self, level: str, event: str, target: str, failure: Failure) -> None:
        self.note(level, event, f"{target}: {failure}")
        self.failed[failure.cause.name.lower()] += 1
        self._failures.append((self._now(), target, failure))

    def failures(self) -> tuple[FailureView, ...]:
        """The latest failures of the user's streams, the newest first."""
        now = self._now()
        return tuple(
            FailureView(target, str(failure), failure.cause.name.lower(), now - when)
            for when, target, failure in reversed(self._failures)
        )
