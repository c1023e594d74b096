"""Routes of which much waits at a slow link, and where their packages come from: that is where they are stopped.

Nothing is repeated for packages, so what is dropped is the end of a stream (protocol.md 2.4).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from masq.core.effects import Flow

FULL: Final = 4 * 1024 * 1024
"""Bytes that may wait for one route before it is stopped where it comes from."""
FEWEST: Final = 256 * 1024
"""The same, where much waits for others."""
SHARE: Final = 8
"""It is no more than this part of the room that is left for all."""
OURSELVES: Final = 0
"""In place of a link: an entry or exit of ours."""


class Source(NamedTuple):
    """Where packages of a route come from: a link, or OURSELVES, and the route's flow there."""

    link: int
    flow: Flow


class Change(NamedTuple):
    """Packages are to stop at their source, or to come again."""

    source: Source
    stop: bool


class Pressure:
    """Which routes are full, by the link that is slow and by their flow there."""

    def __init__(self) -> None:
        self._full: dict[tuple[int, Flow], Source] = {}
        self._behind: dict[int, dict[tuple[int, Flow], None]] = {}
        """The same by the link that they come from."""

    def waits(self, link: int, flow: Flow, source: Source, size: int, room: int) -> list[Change]:
        """So many bytes wait for a route now. `room`: how many more may wait in all."""
        at = link, flow
        before = self._full.get(at)
        if before == source or (before is None and size <= _most(room)):
            return []
        changes = self._release(at)
        self._full[at] = source
        self._behind.setdefault(source.link, {})[at] = None
        return [*changes, Change(source, True)]

    def drains(self, link: int, flow: Flow, size: int, room: int) -> list[Change]:
        """So many bytes still wait for a route."""
        at = link, flow
        return self._release(at) if at in self._full and size <= _most(room) // 2 else []

    def ends(self, link: int) -> list[Change]:
        """A link is no more: nobody waits for it, and nothing comes from it."""
        self._behind.pop(link, None)
        return [change for at in list(self._full) if at[0] == link for change in self._release(at)]

    def behind(self, link: int) -> list[tuple[int, Flow]]:
        """The full routes whose packages come from a link."""
        return list(self._behind.get(link, ()))

    def _release(self, at: tuple[int, Flow]) -> list[Change]:
        source = self._full.pop(at, None)
        if source is None:
            return []
        behind = self._behind.get(source.link, {})
        behind.pop(at, None)
        if not behind:
            self._behind.pop(source.link, None)
        return [Change(source, False)]


def _most(room: int) -> int:
    return max(FEWEST, min(FULL, room // SHARE))
