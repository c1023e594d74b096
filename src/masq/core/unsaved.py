"""When what has changed is saved: gathered for a while, as changes come in crowds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SAVE_AFTER: Final = 10.0
"""Seconds that changes are gathered. What a crash loses of them comes again, or is a convenience."""


@dataclass(slots=True)
class Unsaved:
    """Whether there are changes; `since` is the Node's time of the first of them."""

    since: float | None = None

    def touch(self, now: float) -> None:
        """Something has changed."""
        if self.since is None:
            self.since = now

    def is_due(self, now: float) -> bool:
        """Whether it is time to save them."""
        return self.since is not None and now - self.since >= SAVE_AFTER

    def take(self) -> bool:
        """They are saved now: whether there were any."""
        had, self.since = self.since is not None, None
        return had
