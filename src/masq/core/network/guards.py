"""The first hops of our routes: few, and the same for long, so that few ever learn who we are (neighborhood.md 10.5).

Who takes first hops at random meets a hostile one sooner or later, however few there are; who keeps to some either has
one from the beginning, or for long none. As tor's guards are: a list in the order in which they were taken, of which
the first ones that are there are used.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

from masq.types import PublicKey

GUARDS: Final = 3
"""First hops in use, or more while they lead to few exits."""
FEW_EXITS: Final = 16
"""Fewer exits than these are too easily guessed."""
REMEMBERED: Final = 12
"""Guards that are remembered while they are away."""


class Guards:
    """Who our guards are, over restarts."""

    def __init__(self, saved: str | None = None) -> None:
        """`saved`: what `text` was."""
        self._taken: list[PublicKey] = _recalled(saved)

    def among(
        self, there: Sequence[PublicKey], beyond: Callable[[PublicKey], Collection[PublicKey]] | None
    ) -> list[PublicKey]:
        """Those of `there`, first hops in the order in which they were drawn, that are our guards; some may be new.

        `beyond`: the exits that a first hop leads to; None: it is the exit. As a number of them is enough, whatever
        there is elsewhere, nobody becomes a guard by inventing some.
        """
        standing = set(there)
        guards: list[PublicKey] = []
        exits: set[PublicKey] = set()
        for key in (
            *(key for key in self._taken if key in standing),
            *(key for key in there if key not in self._taken),
        ):
            if len(guards) >= GUARDS and (beyond is None or len(exits) >= FEW_EXITS):
                break
            guards.append(key)
            exits.update(beyond(key) if beyond else ())
        for key in guards:
            if key not in self._taken:
                self._take(key)
        return guards

    def _take(self, key: PublicKey) -> None:
        self._taken.append(key)
        del self._taken[: max(0, len(self._taken) - REMEMBERED)]

    def __contains__(self, key: PublicKey) -> bool:
        return key in self._taken

    @property
    def text(self) -> str:
        """All of it, to be saved."""
        return json.dumps([key.hex() for key in self._taken])


def _recalled(saved: str | None) -> list[PublicKey]:
    """What makes no sense is as good as nothing."""
    try:
        keys: Any = json.loads(saved or "[]")
        return [bytes.fromhex(key) for key in keys][:REMEMBERED]
    except (ValueError, TypeError, RecursionError):
        return []
