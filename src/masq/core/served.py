"""What an exit serves for others, counted by who has it: links, circuits, payers (core/limits.py)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from masq.core.limits import Limits, has_room


class Served:
    """The places for streams, sockets for datagrams and look-ups of others. Both exits share them."""

    def __init__(self, limits: Limits) -> None:
        self.most = limits.served
        self.taken = 0
        self._held: dict[Hashable, int] = {}
        self._places: dict[int, tuple[Sequence[Hashable], int]] = {}

    def room(self, holders: Sequence[Hashable], places: int = 1) -> bool:
        """Whether so many places more may be taken; `holders` is everybody who is to have them, each in its way."""
        if self.taken + places > self.most:
            return False
        return all(has_room(self._held.get(holder, 0) + places, self.taken + places, self.most) for holder in holders)

    def take(self, socket: int, holders: Sequence[Hashable], places: int = 1) -> None:
        """A socket takes places, which it has to give back."""
        self._places[socket] = holders, places
        self.taken += places
        for holder in holders:
            self._held[holder] = self._held.get(holder, 0) + places

    def give(self, socket: int) -> None:
        """A socket is over: its places are free again, if it had any."""
        if socket not in self._places:
            return
        holders, places = self._places.pop(socket)
        self.taken -= places
        for holder in holders:
            self._held[holder] -= places
            if not self._held[holder]:
                del self._held[holder]
