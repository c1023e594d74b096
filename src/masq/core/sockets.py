"""Connections of clients and to servers: which part of the core each one belongs to."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

from masq.core.effects import Effect
from masq.core.failure import Failure
from masq.core.limits import Limits
from masq.core.served import Served

T = TypeVar("T")


class SocketOwner(Protocol):
    """What every part that has sockets is told of them, in these words.

    There are four: the entries and the exits of packages and of circuits. The exits are told more: whether a server was
    reached.
    """

    def received(self, socket: int, data: memoryview, now: float) -> Sequence[Effect]:
        """Bytes of a client or server, at most what one cell or package carries."""

    def ended(self, socket: int, now: float) -> Sequence[Effect]:
        """The other end sends no more; it may still read."""

    def closed(self, socket: int, failure: Failure, now: float) -> Sequence[Effect]:
        """The connection is gone."""

    def congested(self, socket: int) -> None:
        """The other end is slower than what is written to it."""

    def drained(self, socket: int, now: float) -> Sequence[Effect]:
        """It has taken all that was written."""


class Sockets:
    """All sockets of a Node. An id is never used twice."""

    def __init__(self, limits: Limits = Limits()) -> None:
        self._last = 0
        self._owners: dict[int, SocketOwner] = {}
        self.served = Served(limits)

    def owner(self, socket: int) -> SocketOwner | None:
        return self._owners.get(socket)

    def new(self) -> int:
        """An id. It means nothing until somebody puts it among its own."""
        self._last += 1
        return self._last

    def own(self, socket: int, owner: SocketOwner) -> None:
        self._owners[socket] = owner

    def disown(self, socket: int) -> None:
        self._owners.pop(socket, None)
        self.served.give(socket)


class OwnSockets(Generic[T]):
    """The sockets of one owner, and what it knows of each. What is put in here, the owner is told of."""

    def __init__(self, sockets: Sockets, owner: SocketOwner) -> None:
        self._sockets = sockets
        self._owner = owner
        self._known: dict[int, T] = {}
        self.new = sockets.new
        self.get = self._known.get
        self.room = sockets.served.room
        """Whether somebody may be served more."""

    def put(self, socket: int, known: T) -> None:
        self._known[socket] = known
        self._sockets.own(socket, self._owner)

    def serve(self, socket: int, known: T, holders: Sequence[Hashable], places: int = 1) -> None:
        """Put a socket in that others are served by: it counts until it is dropped."""
        self._sockets.served.take(socket, holders, places)
        self.put(socket, known)

    def drop(self, socket: int) -> None:
        """Nobody is interested in it any more."""
        if self._known.pop(socket, None) is not None:
            self._sockets.disown(socket)

    def __contains__(self, socket: int) -> bool:
        return socket in self._known

    def __iter__(self) -> Iterator[T]:
        return iter(self._known.values())

    def __len__(self) -> int:
        return len(self._known)
